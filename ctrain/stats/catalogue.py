"""The catalogue of two-sample tests on counts, by name.

======================  =======================================  ==========================================
test                    effect                                   of categories
======================  =======================================  ==========================================
``ks``                  Kolmogorov-Smirnov distance, 0 to 1      chi-squared; total variation distance
``kuiper``              Kuiper distance, 0 to 1                  as ks
``cramer_von_mises``    root mean square distance, 0 to 1        as ks
``wasserstein``         standard deviations of the reference     as ks
``psi``                 population stability index, 0 up         the same index
``jensen_shannon``      distance to base 2, 0 to 1               the same distance
``hellinger``           distance, 0 to 1                         the same distance
======================  =======================================  ==========================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, assert_never

import numpy as np

from ctrain.stats.binned import (
    SLIVER,
    Hellinger,
    JensenShannon,
    PopulationStability,
    hellinger_squared,
    jensen_shannon,
    population_stability,
    quantile_places,
)
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.cramer_von_mises import CramerVonMises, cramer_von_mises
from ctrain.stats.distance import Distance, KolmogorovSmirnov, TotalVariation, shares
from ctrain.stats.grid import ColumnGrid, Counts, NumericGrid
from ctrain.stats.homogeneity import homogeneity_p_value
from ctrain.stats.kuiper import Kuiper, kuiper_p_value
from ctrain.stats.two_sample import chi_squared, ks_from_counts, pool_rare, total_variation
from ctrain.stats.wasserstein import Wasserstein, wasserstein

TwoSampleTest = Literal[
    "ks", "kuiper", "cramer_von_mises", "wasserstein", "psi", "jensen_shannon", "hellinger"
]
BinnedTest = Literal["psi", "jensen_shannon", "hellinger"]
_BINNED: dict[BinnedTest, Callable[[Counts | None], Distance]] = {
    "psi": PopulationStability,
    "jensen_shannon": JensenShannon,
    "hellinger": Hellinger,
}
CHI_SQUARED = "chi2"


class TwoSampleResult(NamedTuple):
    """What a test says of one column; ``effect`` is the distance that it is judged by."""

    test: str
    statistic: float
    p_value: float
    effect: float
    error_bound: float = 0.0
    """How much larger the effect may be, for what lies between the values of the grid."""


def distance_for(test: TwoSampleTest, grid: ColumnGrid, reference: ColumnProfile) -> Distance:
    """Return the distance that ``test`` measures on one column of a reference that has values."""
    match test:
        case "psi" | "jensen_shannon" | "hellinger":
            numeric = isinstance(grid, NumericGrid)
            return _BINNED[test](quantile_places(reference.distribution(grid)) if numeric else None)
        case _ if not isinstance(grid, NumericGrid):
            return TotalVariation()
        case "ks":
            return KolmogorovSmirnov()
        case "kuiper":
            return Kuiper()
        case "cramer_von_mises":
            return CramerVonMises()
        case "wasserstein":
            return Wasserstein.of(grid, reference)
    assert_never(test)


def two_sample(
    test: TwoSampleTest, grid: ColumnGrid, reference: ColumnProfile, current: ColumnProfile
) -> TwoSampleResult:
    """Return what ``test`` says of two profiles of one column, each with at least one value.

    Statistics: PSI in nats, the Jensen-Shannon divergence to base 2, Pearson's chi-squared for
    categories of other tests; elsewhere the one that the test is known by.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from ctrain.stats.grid import build_grid
    >>> from ctrain.stats.profile import profile_table
    >>> before, now = (pa.table({"x": [float(one) for one in range(by, by + 100)]}) for by in (0, 30))
    >>> grid = build_grid(before, ["x"], [])
    >>> both = [profile_table(table, grid).columns["x"] for table in (before, now)]
    >>> [round(two_sample(test, grid.columns["x"], *both).effect, 2) for test in ("ks", "wasserstein", "psi")]
    [0.3, 1.03, 1.27]
    """
    before, now = reference.distribution(grid), current.distribution(grid)
    n, m = int(before.sum()), int(now.sum())
    match test:
        case "psi" | "jensen_shannon" | "hellinger":
            return _binned(test, grid, before, now)
        case _ if not isinstance(grid, NumericGrid):
            return _categories(before, now)
        case "ks":
            statistic, p_value, bound = ks_from_counts(before, now, method="limit")
            return TwoSampleResult(test, statistic, p_value, statistic, bound)
        case "kuiper":
            effect = float(Kuiper().between(before, now))
            return TwoSampleResult(
                test, effect, kuiper_p_value(effect, n, m), effect, 2 * _overlap(before, now)
            )
        case "cramer_von_mises":
            statistic, p_value = cramer_von_mises(before, now)
            effect = float(CramerVonMises().between(before, now))
            return TwoSampleResult(test, statistic, p_value, effect, math.sqrt(3) * _overlap(before, now))
        case "wasserstein":
            distance = Wasserstein.of(grid, reference)
            effect, p_value, bound = wasserstein(distance, grid, reference, current)
            return TwoSampleResult(test, effect, p_value, effect, bound)
    assert_never(test)


def _overlap(before: Counts, now: Counts) -> float:
    """Return the largest share that both samples have in one open cell."""
    return float(np.minimum(shares(before), shares(now))[1::2].max(initial=0.0))


def pearson(before: Counts, now: Counts) -> float:
    """Return Pearson's statistic of homogeneity."""
    return chi_squared(before, now).statistic


def _categories(before: Counts, now: Counts) -> TwoSampleResult:
    before, now = pool_rare(before, now)
    statistic = chi_squared(before, now).statistic
    p_value = homogeneity_p_value(pearson, before, now, rest=True)
    return TwoSampleResult(CHI_SQUARED, statistic, p_value, total_variation(before, now))


def _binned(test: BinnedTest, grid: ColumnGrid, before: Counts, now: Counts) -> TwoSampleResult:
    rest = True
    if isinstance(grid, NumericGrid):
        places = quantile_places(before)
        width = int(places.max()) + 1
        before, now = (np.bincount(places, one, width).astype(np.int64) for one in (before, now))
        rest = bool(before[-1] < SLIVER * before.sum())
    else:
        before, now = pool_rare(before, now)
    value = _value(test, before, now)
    p_value = homogeneity_p_value(lambda x, y: _scaled(test, x, y), before, now, rest=rest)
    return TwoSampleResult(test, value, p_value, value if test == "psi" else math.sqrt(value))


def _value(test: BinnedTest, before: Counts, now: Counts) -> float:
    p, q = shares(before), shares(now)
    match test:
        case "psi":
            return float(population_stability(p, q, 0.5 / before.sum(), 0.5 / now.sum()))
        case "jensen_shannon":
            return float(jensen_shannon(p, q))
        case "hellinger":
            return float(hellinger_squared(p, q))


def _scaled(test: BinnedTest, before: Counts, now: Counts) -> float:
    """Return the value times what makes it chi-squared distributed for equal distributions."""
    size = 1 / (1 / before.sum() + 1 / now.sum())
    factor = {"psi": 1.0, "jensen_shannon": 8 * math.log(2), "hellinger": 8.0}[test]
    return float(factor * size * _value(test, before, now))
