"""False alarms and power of the two-sample tests on features whose distribution is known.

30 features; a reference of 30 days; windows of a day with n rows, each verdict by the monitor's default
settings (``min_rows`` no larger than n). Beside them what a user has without such care: some feature
with an uncorrected KS p-value below 0.05, and evidently's default rule (from 1,000 rows of reference
on: Wasserstein distance of 0.1 standard deviations or more, Jensen-Shannon distance of 0.1 or more for
categories; up to 1,000: p-value below 0.05).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from scipy import stats

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.monitors.drift import DriftWindow, assess_drift
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.grid import CategoricalGrid, Grid, NumericGrid
from ctrain.stats.profile import Profile, merge
from ctrain.stats.variability import variability_between
from tests.benchmarks.populations import (
    Counts,
    Feature,
    categorical,
    draw,
    grid_of,
    numeric,
    profile,
    stationary,
)

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 30
TESTS = ("ks", "kuiper", "cramer_von_mises", "wasserstein", "psi", "jensen_shannon", "hellinger")
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
CHECKS = 1_000
HOURS_A_YEAR = 8_766


@dataclass(frozen=True)
class Setting:
    """Features, their grid, and the reference that was drawn of them."""

    features: list[Feature]
    grid: Grid
    days: list[Profile]
    reference: Profile

    @classmethod
    def draw(cls, features: list[Feature], rows_a_day: int, seed: int) -> Setting:
        rng = np.random.default_rng([seed, rows_a_day])
        grid = grid_of(features)
        days = [profile(features, grid, draw(features, rng, rows_a_day)) for _ in range(DAYS)]
        return cls(features, grid, days, merge(days))

    def judge(self, test: str, rows: int) -> Callable[[Profile], Verdict]:
        """What a monitor with this test says of a window."""
        monitor = DriftMonitor.model_validate(
            {"type": "drift", "test": test, "window": "1d", "min_rows": min(rows, 500)}
        )
        usual = variability_between(self.days, self.grid, monitor.test)

        def verdict(current: Profile) -> Verdict:
            window = DriftWindow("", self.grid, self.reference, current, {}, usual)
            return assess_drift(MonitorName(test), monitor, [window], AS_OF, None)

        return verdict


@dataclass(frozen=True)
class Share:
    """How many of so many checks were breached."""

    breached: int
    checks: int

    def __str__(self) -> str:
        low, high = stats.binomtest(self.breached, self.checks).proportion_ci(method="exact")
        return f"{self.breached / self.checks:.1%} ({low:.1%} - {high:.1%})"


def false_alarms(sizes: Sequence[int] = SIZES, checks: int = CHECKS) -> Iterator[tuple[str, int, Share]]:
    """Yield test, rows of a window, and how many independent windows without any change were breached."""
    features = stationary(seed=1)
    for rows in sizes:
        setting = Setting.draw(features, rows, seed=2)
        rng = np.random.default_rng([3, rows])
        windows = [profile(features, setting.grid, draw(features, rng, rows)) for _ in range(checks)]
        for test in TESTS:
            judge = setting.judge(test, rows)
            breached = sum(judge(window).status is Status.BREACHED for window in windows)
            yield test, rows, Share(breached, checks)
        for name, rule in (("uncorrected KS", uncorrected_ks), ("evidently's default", evidently_rule)):
            yield name, rows, Share(sum(rule(setting, window) for window in windows), checks)


def episodes(rows: int, hours: int = 2 * CHECKS) -> Iterator[tuple[str, float]]:
    """Yield test and episodes a year of hourly checks of windows that overlap by 23 hours of 24."""
    features = stationary(seed=1)
    setting = Setting.draw(features, rows, seed=2)
    judges: dict[str, Callable[[Profile], bool]] = {
        test: _breached(setting.judge(test, rows)) for test in TESTS
    }
    judges["uncorrected KS"] = lambda window: uncorrected_ks(setting, window)
    judges["evidently's default"] = lambda window: evidently_rule(setting, window)
    begun, before = dict.fromkeys(judges, 0), dict.fromkeys(judges, False)
    rng = np.random.default_rng([4, rows])
    for window in _sliding(setting, rng, rows // 24, hours):
        for name, judge in judges.items():
            now = judge(window)
            begun[name] += now and not before[name]
            before[name] = now
    for name, number in begun.items():
        yield name, number / hours * HOURS_A_YEAR


def _breached(judge: Callable[[Profile], Verdict]) -> Callable[[Profile], bool]:
    return lambda window: judge(window).status is Status.BREACHED


def _sliding(setting: Setting, rng: np.random.Generator, rows: int, hours: int) -> Iterator[Profile]:
    """Windows of 24 hours, each an hour later than the one before."""
    panes = [draw(setting.features, rng, rows) for _ in range(24)]
    total = [np.sum(column, axis=0) for column in zip(*panes, strict=True)]
    for hour in range(hours):
        yield profile(setting.features, setting.grid, total)
        newest = draw(setting.features, rng, rows)
        total = [sums - old + new for sums, old, new in zip(total, panes[hour % 24], newest, strict=True)]
        panes[hour % 24] = newest


def uncorrected_ks(setting: Setting, window: Profile, alpha: float = 0.05) -> bool:
    """Whether any numeric feature has a KS p-value below ``alpha``."""
    return any(_ks_p(*pair) < alpha for _, pair in _pairs(setting, window, NumericGrid))


def evidently_rule(setting: Setting, window: Profile) -> bool:
    """Whether any feature drifts by evidently's default choice of test and threshold."""
    if setting.reference.rows <= 1000:
        numbers = any(_ks_p(*pair) < 0.05 for _, pair in _pairs(setting, window, NumericGrid))
        return numbers or any(_chi2_p(*pair) < 0.05 for _, pair in _pairs(setting, window, CategoricalGrid))
    numbers = any(_wasserstein(one, *pair) >= 0.1 for one, pair in _pairs(setting, window, NumericGrid))
    return numbers or any(_js(*pair) >= 0.1 for _, pair in _pairs(setting, window, CategoricalGrid))


def _pairs(setting: Setting, window: Profile, kind: type) -> Iterator[tuple[Feature, tuple[Counts, Counts]]]:
    for one in setting.features:
        if isinstance(one.grid, kind):
            before = setting.reference.columns[one.name].distribution(one.grid)
            yield one, (before, window.columns[one.name].distribution(one.grid))


def _ks_p(before: Counts, now: Counts) -> float:
    n, m = before.sum(), now.sum()
    distance = np.abs(np.cumsum(before) / n - np.cumsum(now) / m).max()
    return float(stats.kstwo.sf(distance, round(n / (n + m) * m)))


def _chi2_p(before: Counts, now: Counts) -> float:
    table = np.stack([before, now])
    return float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)


def _wasserstein(feature: Feature, before: Counts, now: Counts) -> float:
    used = (before + now) > 0
    values = feature.values[used]
    gap = np.abs(np.cumsum(before[used]) / before.sum() - np.cumsum(now[used]) / now.sum())[:-1]
    weights = before[used] / before.sum()
    mean = float(weights @ values)
    return float(gap @ np.diff(values) / np.sqrt(weights @ (values - mean) ** 2))


def _js(before: Counts, now: Counts) -> float:
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(before / before.sum(), now / now.sum(), base=2))


CHANGES: dict[str, Callable[[Feature, np.random.Generator], Feature]] = {
    "shift by 0.1 sigma": lambda one, rng: _normal(one, rng, stats.norm(0.1)),
    "shift by 0.25 sigma": lambda one, rng: _normal(one, rng, stats.norm(0.25)),
    "shift by 0.5 sigma": lambda one, rng: _normal(one, rng, stats.norm(0.5)),
    "shift by 1 sigma": lambda one, rng: _normal(one, rng, stats.norm(1.0)),
    "variance doubled": lambda one, rng: _normal(one, rng, stats.norm(0.0, 2**0.5)),
    "2 % more missing": lambda one, rng: replace(one, nulls=0.02),
    "20 % missing": lambda one, rng: replace(one, nulls=0.2),
    "a category of 30 % halved": lambda one, rng: categorical(one.name, (0.15, 0.35, *[0.1] * 5)),
}
"""Of one feature among 30: the first, standard normal; for the last line the first of categories."""


def _normal(one: Feature, rng: np.random.Generator, law: object) -> Feature:
    assert isinstance(one.grid, NumericGrid)
    return numeric(one.name, rng, law, one.grid)


def power(sizes: Sequence[int] = SIZES[:-1], checks: int = 200) -> Iterator[tuple[str, str, int, Share]]:
    """Yield test, change, rows, and how many windows with the change in one feature were breached."""
    for rows in sizes:
        features = stationary(seed=1)
        features[4] = categorical(features[4].name, (0.3, 0.2, *[0.1] * 5))
        setting = Setting.draw(features, rows, seed=5)
        for change, alter in CHANGES.items():
            place = 4 if "category" in change else 0
            rng = np.random.default_rng([6, rows])
            altered = [*features]
            altered[place] = alter(features[place], rng)
            windows = [profile(altered, setting.grid, draw(altered, rng, rows)) for _ in range(checks)]
            for test in TESTS:
                judge = setting.judge(test, rows)
                found = sum(judge(window).status is Status.BREACHED for window in windows)
                yield test, change, rows, Share(found, checks)
