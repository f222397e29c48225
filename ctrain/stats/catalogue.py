"""The two-sample tests by name."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.distance import Distance, KolmogorovSmirnov, TotalVariation
from ctrain.stats.grid import ColumnGrid, NumericGrid
from ctrain.stats.two_sample import chi_squared, ks_from_counts, pool_rare, total_variation

TwoSampleTest = Literal[
    "ks", "kuiper", "cramer_von_mises", "wasserstein", "psi", "jensen_shannon", "hellinger"
]


class TwoSampleResult(NamedTuple):
    """What a test says of one column; ``effect`` is the distance that it is judged by."""

    test: str
    statistic: float
    p_value: float
    effect: float
    error_bound: float = 0.0


def distance_for(test: TwoSampleTest, grid: ColumnGrid, reference: ColumnProfile) -> Distance:
    """Return the distance that ``test`` measures on one column of a reference that has values."""
    return KolmogorovSmirnov() if isinstance(grid, NumericGrid) else TotalVariation()


def two_sample(
    test: TwoSampleTest, grid: ColumnGrid, reference: ColumnProfile, current: ColumnProfile
) -> TwoSampleResult:
    """Return what ``test`` says of two profiles of one column, each with at least one value."""
    before, now = reference.distribution(grid), current.distribution(grid)
    if isinstance(grid, NumericGrid):
        statistic, p_value, bound = ks_from_counts(before, now, method="limit")
        return TwoSampleResult("ks", statistic, p_value, statistic, bound)
    before, now = pool_rare(before, now)
    statistic, p_value = chi_squared(before, now)
    return TwoSampleResult("chi2", statistic, p_value, total_variation(before, now))
