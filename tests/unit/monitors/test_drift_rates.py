"""How often drift monitors alarm on stationary rows, and what shifts they find, for every test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.monitors.drift import DriftWindow, assess_drift
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.catalogue import TwoSampleTest
from ctrain.stats.grid import Grid, build_grid
from ctrain.stats.profile import Profile, profile_table
from ctrain.stats.variability import Variability
from tests.unit.stats.columns import TESTS

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
NUMERIC = [f"x{place}" for place in range(20)]
CATEGORICAL = [f"c{place}" for place in range(10)]
UNKNOWN = Variability(0, {}, {})
CHECKS = 25
FDR = 0.01


def stationary(rng: np.random.Generator, n: int, **changed: Any) -> pa.Table:
    """Twenty numeric columns of five kinds and ten of categories; some values of one are missing."""
    draws = (
        lambda: rng.normal(size=n),
        lambda: rng.lognormal(size=n),
        lambda: rng.exponential(size=n),
        lambda: rng.poisson(4, size=n).astype(float),
        lambda: np.where(rng.uniform(size=n) < 0.05, np.nan, rng.normal(size=n)),
    )
    columns: dict[str, Any] = {name: draws[place % 5]() for place, name in enumerate(NUMERIC)}
    for place, name in enumerate(CATEGORICAL):
        weights = 1 / np.arange(1, 4 + 3 * place)
        columns[name] = rng.choice([f"v{one}" for one in range(len(weights))], n, p=weights / weights.sum())
    return pa.table(columns | changed)


@cache
def reference() -> tuple[Grid, Profile]:
    rows = stationary(np.random.default_rng(1), 20_000)
    grid = build_grid(rows, NUMERIC, CATEGORICAL)
    return grid, profile_table(rows, grid)


@cache
def current(n: int, check: int) -> Profile:
    return profile_table(stationary(np.random.default_rng([n, check]), n), reference()[0])


def assess(test: TwoSampleTest, profile: Profile, **changed: Any) -> Verdict:
    monitor = DriftMonitor(**{"type": "drift", "test": test, "window": "1d", "min_rows": 100, **changed})
    window = DriftWindow("", *reference(), profile, {}, UNKNOWN)
    return assess_drift(MonitorName("inputs"), monitor, [window], AS_OF, None)


@pytest.mark.parametrize("n", [100, 500, 5000])
@pytest.mark.parametrize("test", TESTS)
def test_checks_of_stationary_rows_alarm_no_more_than_claimed(test: TwoSampleTest, n: int) -> None:
    """Of thirty columns one is below 0.01 in a quarter of the checks; corrected, in a hundredth of them."""
    verdicts = [assess(test, current(n, check)) for check in range(CHECKS)]
    uncorrected = sum(any(one.p_value < FDR for one in verdict.features) for verdict in verdicts)
    assert uncorrected >= 2
    corrected = sum(any(one.p_adjusted < FDR for one in verdict.features) for verdict in verdicts)
    assert binom.sf(corrected - 1, CHECKS, 2 * FDR) > 0.001
    breached = sum(verdict.status is Status.BREACHED for verdict in verdicts)
    assert binom.sf(breached - 1, CHECKS, FDR) > 0.01
    assert breached <= corrected


def shifted(rng: np.random.Generator) -> Any:
    return rng.normal(1, 1, 500)


def moved(rng: np.random.Generator) -> Any:
    return np.where(rng.uniform(size=500) < 0.3, "v2", rng.choice(["v0", "v1"], 500))


def missing(rng: np.random.Generator) -> Any:
    return np.where(rng.uniform(size=500) < 0.4, np.nan, rng.normal(size=500))


@pytest.mark.parametrize(("column", "draw"), [("x0", shifted), ("c0", moved), ("x4", missing)])
@pytest.mark.parametrize("test", TESTS)
def test_changes_are_found_in_five_hundred_rows(
    test: TwoSampleTest, column: str, draw: Callable[[np.random.Generator], Any]
) -> None:
    for seed in range(2):
        rng = np.random.default_rng([3, seed])
        rows = stationary(rng, 500, **{column: draw(rng)})
        verdict = assess(test, profile_table(rows, reference()[0]))
        assert [one.column for one in verdict.features if one.breached] == [column]
