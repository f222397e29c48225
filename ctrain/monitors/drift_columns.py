"""The tests of a drift monitor: of every column's values and of its missing values, in one window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ctrain.domain import FeatureVerdict
from ctrain.monitors.explanations import explain_nulls, explain_values, percent
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.catalogue import pearson, two_sample
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.free_text import TextStatistic
from ctrain.stats.grid import ColumnGrid, Grid, NumericGrid
from ctrain.stats.homogeneity import homogeneity_p_value
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.profile import Profile
from ctrain.stats.reference import PREDICTION, Variability
from ctrain.stats.two_sample import total_variation

VARIABILITY_FACTOR = 1.25
SHARE_EFFECT = 0.1
"""Smallest change of a share that counts beside a test whose own scale is not one of shares."""
GRID_ERROR = 0.01
"""A larger error bound of a distance is worth a note: the grid no longer fits the rows."""
TOO_VARIED = "windows this short differ too much inside the reference, use a longer window"
NOT_TESTED = "none"
"""Test of a column that is not tested; the note says why."""
NULLS = "nulls"
_OF_SHARES = frozenset(("ks", "kuiper", "cramer_von_mises"))
_WITHOUT_LIMIT = frozenset(("psi", "wasserstein"))
"""Tests whose effect can be larger than 1."""


@dataclass(frozen=True, slots=True, eq=False)
class DriftWindow:
    """Rows of a window beside those of the reference, counted on one grid: of all rows, or of a segment."""

    segment: str
    """Such as ``carrier=AA``; empty: all rows."""
    grid: Grid
    reference: Profile
    current: Profile
    left_out: Mapping[str, str]
    """Columns that are not tested, and why."""
    variability: Variability


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """One test of one column of one window."""

    verdict: FeatureVerdict
    column: str
    """Without the segment."""
    window: DriftWindow
    counted: bool = True
    """False where the champion hardly uses the feature: its drift breaches nothing."""
    drifted: bool = False
    """Whether it is breached, or would be if it counted."""

    @property
    def tested(self) -> bool:
        return self.verdict.test != NOT_TESTED

    @property
    def can_breach(self) -> bool:
        return self.counted and (self.verdict.threshold <= 1 or self.verdict.test in _WITHOUT_LIMIT)

    @property
    def closeness(self) -> float:
        """How near the effect is to its threshold: columns differ in what is usual for them."""
        return self.verdict.effect / max(self.verdict.threshold, 1e-9)

    def explained(self) -> ColumnTest:
        """Return the test with a sentence on what changed at the front of its note."""
        before, now = (one.columns[self.column] for one in (self.window.reference, self.window.current))
        if self.verdict.test == NULLS:
            sentence = explain_nulls(before, now)
        else:
            sentence = explain_values(self.window.grid.columns[self.column], before, now)
        return replace(self, verdict=_noted(self.verdict, sentence, self.verdict.note))


def column_tests(
    monitor: DriftMonitor, window: DriftWindow, importance: Mapping[str, float]
) -> Iterator[ColumnTest]:
    """Yield the tests of every column that the monitor looks at, p-values not yet corrected."""
    for column in _wanted(monitor, window.grid):
        unused = _unused(monitor, importance, window.grid, column)
        for verdict in _verdicts(monitor, window, column):
            noted = _noted(verdict, verdict.note, unused)
            yield ColumnTest(noted, column, window, counted=not unused)


def corrected(tests: Sequence[ColumnTest], fdr: float) -> list[ColumnTest]:
    """Return the tests with corrected p-values, and breached where all conditions hold."""
    adjusted = iter(benjamini_hochberg([one.verdict.p_value for one in tests if one.tested]))
    found = []
    for one in tests:
        if one.tested:
            p_adjusted = next(adjusted)
            drifted = p_adjusted < fdr and one.verdict.effect >= one.verdict.threshold
            verdict = replace(one.verdict, p_adjusted=p_adjusted, breached=drifted and one.counted)
            found.append(replace(one, verdict=verdict, drifted=drifted))
        else:
            found.append(one)
    return found


def _wanted(monitor: DriftMonitor, grid: Grid) -> Iterator[str]:
    """Yield the columns of the grid to look at; those asked for that it lacks are yielded, too."""
    if monitor.columns is None:
        yield from (name for name in grid.columns if name != PREDICTION)
        return
    for column in monitor.columns:
        statistics = [name for name in grid.columns if name != column and _feature(grid, name) == column]
        yield from statistics or [column]


def _feature(grid: Grid, column: str) -> str:
    """Return the feature that a column is made of: a text has several columns."""
    own = grid.columns[column]
    if isinstance(own, NumericGrid) and isinstance(own.reading, TextStatistic):
        return column.removesuffix(f".{own.reading}")
    return column


def _unused(monitor: DriftMonitor, importance: Mapping[str, float], grid: Grid, column: str) -> str:
    """Return why drift of the column breaches nothing, empty if it may; unknown importance may."""
    if monitor.weight_by is None or column not in grid.columns:
        return ""
    share = importance.get(_feature(grid, column))
    if share is None or share >= monitor.min_importance:
        return ""
    return f"not counted: {percent(share)} of the champion's feature importance"


def _verdicts(monitor: DriftMonitor, window: DriftWindow, column: str) -> Iterator[FeatureVerdict]:
    """Yield the test of the values, and of missingness where anything is missing."""
    shown = f"{column} [{window.segment}]" if window.segment else column
    grid = window.grid.columns.get(column)
    if grid is None:
        yield _not_tested(shown, "not in the reference", 0)
        return
    before, now = window.reference.columns[column], window.current.columns[column]
    if column in window.left_out:
        yield _not_tested(shown, window.left_out[column], now.values)
        return
    if before.values and now.values:
        yield _value_test(monitor, shown, grid, before, now, window.variability.effects.get(column))
    else:
        side = "the window" if before.values else "the reference"
        yield _not_tested(shown, f"no values in {side}", now.values)
    if before.rows and now.rows and (before.nulls or now.nulls):
        usual = window.variability.nulls.get(column)
        yield _null_test(shown, before, now, _threshold(monitor, NULLS, usual))


def _threshold(monitor: DriftMonitor, test: str, usual: float | None) -> float:
    own_scale = test == monitor.test or monitor.test in _OF_SHARES
    least = monitor.min_effect if own_scale else SHARE_EFFECT
    return max(least, VARIABILITY_FACTOR * (usual or 0.0))


def _value_test(
    monitor: DriftMonitor,
    shown: str,
    grid: ColumnGrid,
    before: ColumnProfile,
    now: ColumnProfile,
    usual: float | None,
) -> FeatureVerdict:
    test, statistic, p_value, effect, bound = two_sample(monitor.test, grid, before, now)
    threshold = _threshold(monitor, test, usual)
    note = "; ".join(_remarks(before, now, bound) if isinstance(grid, NumericGrid) else _unseen(now))
    return _tested(shown, test, (statistic, p_value, effect), threshold, now.values, note)


def _remarks(before: ColumnProfile, now: ColumnProfile, bound: float) -> Iterator[str]:
    if bound > GRID_ERROR:
        yield f"the effect may be up to {bound:.3f} larger: the grid is coarse here"
    if before.infinities or now.infinities:
        yield f"{now.infinities:,} infinities, as the smallest and largest values"


def _unseen(now: ColumnProfile) -> Iterator[str]:
    if now.unseen:
        yield f"{now.unseen:,} of {now.values:,} in categories that the reference lacks"


def _null_test(shown: str, before: ColumnProfile, now: ColumnProfile, threshold: float) -> FeatureVerdict:
    reference, current = np.array([before.values, before.nulls]), np.array([now.values, now.nulls])
    p_value = homogeneity_p_value(pearson, reference, current, rest=True)
    numbers = pearson(reference, current), p_value, total_variation(reference, current)
    return _tested(shown, NULLS, numbers, threshold, now.rows, "")


def _tested(
    shown: str, test: str, numbers: tuple[float, float, float], threshold: float, n: int, note: str
) -> FeatureVerdict:
    statistic, p_value, effect = numbers
    found = FeatureVerdict(shown, test, statistic, p_value, math.nan, effect, threshold, False, n, note)
    varied = threshold > 1 and test not in _WITHOUT_LIMIT
    return _noted(found, note, TOO_VARIED if varied else "")


def _not_tested(shown: str, note: str, n: int) -> FeatureVerdict:
    return FeatureVerdict(shown, NOT_TESTED, n=n, note=note)


def _noted(verdict: FeatureVerdict, *parts: str) -> FeatureVerdict:
    note = "; ".join(filter(None, parts))
    return verdict if note == verdict.note else replace(verdict, note=note)
