"""Numbers of other people's tests and tables, and of scipy itself, computed from counts on a grid.

Where libraries mean different things by one name, the variant is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import cramervonmises_2samp, ks_2samp, norm, wasserstein_distance

from ctrain.stats.catalogue import two_sample
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.cramer_von_mises import cramer_von_mises
from ctrain.stats.grid import CategoricalGrid, numeric_grid
from ctrain.stats.kuiper import kuiper_p_value
from ctrain.stats.two_sample import chi_squared, ks_from_counts, total_variation
from tests.unit.stats.columns import compared, profiled

Floats = NDArray[np.float64]
LEGACY = np.random.RandomState
PSI_SHARES = ([0.85, 0.05, 0.05, 0.05], [0.25] * 4)
JS_SHARES = ([0.5, 0.5, 0, 0], [0, 0.25, 0.25, 0.5])


def counted(one: Any, other: Any) -> tuple[Any, Any]:
    """Both samples on a grid that holds every value of either."""
    x, y = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    grid = numeric_grid(np.concatenate([x, y]), size=len(x) + len(y))
    return grid.count(x), grid.count(y)


def of_shares(shares: Any, n: int = 10_000) -> ColumnProfile:
    counts = np.round(np.array([*shares, 0]) * n).astype(np.int64)
    cells = np.flatnonzero(counts)
    return ColumnProfile(n, 0, 0, 0, 0, cells, counts[cells])


def on_categories(test: Any, pair: Any) -> Any:
    return two_sample(test, CategoricalGrid(tuple("abcd")), *map(of_shares, pair))


def normal_rvs() -> tuple[Floats, Floats]:
    return np.asarray(norm.rvs(size=100, random_state=0)), np.asarray(norm.rvs(size=100, random_state=1))


def shifted_by_nannyml() -> tuple[Floats, Floats]:
    generator = LEGACY(1)
    return generator.normal(0, 1, 10_000), generator.normal(1, 1, 1000)


def wider_by_scipy() -> tuple[Floats, Floats]:
    generator = LEGACY(123456)
    return generator.normal(0, 1, 3000), generator.normal(0, 1.5, 3001)


def steps() -> tuple[Any, Any]:
    return [2] * 3 + [3] * 4 + [5] * 5 + [6] * 4, [3] * 3 + [4] * 4 + [6] * 5 + [7] * 4


def lines() -> tuple[Any, Any]:
    return np.linspace(1, 100, 100), np.linspace(1, 100, 110) + 20.1


def kolmogorov_smirnov(samples: tuple[Any, Any]) -> Any:
    return ks_from_counts(*counted(*samples))


def moved(samples: tuple[Floats, Floats]) -> float:
    """Without the division by the reference's standard deviation."""
    return compared("wasserstein", *samples).effect * float(np.std(samples[0], ddof=1))


LETTERS = np.array([4, 2, 0]), np.array([1, 1, 4])
SEVENTHS = np.array([2, 2, 2, 0]), np.array([2, 2, 2, 1])
LARGE = 2 * 10**8
PUBLISHED: dict[str, tuple[Callable[[], float], float, float]] = {
    "scipy: ks_2samp of steps": (lambda: kolmogorov_smirnov(steps()).statistic, 5 / 16, 1e-12),
    "its p-value": (lambda: kolmogorov_smirnov(steps()).p_value, 0.4262934613, 1e-9),
    "scipy: ks_2samp of lines": (lambda: kolmogorov_smirnov(lines()).statistic, 232 / 1100, 1e-12),
    "the p-value": (lambda: kolmogorov_smirnov(lines()).p_value, 0.0157391839, 1e-9),
    "scipy: ks_2samp of normals": (
        lambda: kolmogorov_smirnov(wider_by_scipy()).statistic,
        0.11292880151,
        1e-10,
    ),
    "scipy: cramervonmises_2samp": (
        lambda: cramer_von_mises(*counted(*normal_rvs()))[1],
        0.8076839,
        1e-7,
    ),
    "scipy: chi2_contingency, aabaab and bacccc": (lambda: chi_squared(*LETTERS)[0], 6.1333333, 1e-7),
    "and its p-value": (lambda: chi_squared(*LETTERS)[1], 0.04657615, 1e-8),
    "PSI in nats": (lambda: on_categories("psi", PSI_SHARES).effect, 1.6999280, 1e-7),
    "popmon: Jensen-Shannon divergence, base 2": (
        lambda: on_categories("jensen_shannon", JS_SHARES).statistic,
        0.65563906,
        1e-8,
    ),
    "scipy and nannyml: Jensen-Shannon distance, base 2": (
        lambda: on_categories("jensen_shannon", JS_SHARES).effect,
        jensenshannon(*JS_SHARES, base=2),
        1e-12,
    ),
    "nannyml: Wasserstein": (lambda: moved(shifted_by_nannyml()), 1.01, 0.005),
    "nannyml: L-infinity, here equal to total variation": (
        lambda: total_variation(*SEVENTHS),
        0.14,
        0.005,
    ),
    "Stephens 1965: Kuiper, 10 %": (lambda: kuiper_p_value(1.620e-4, LARGE, LARGE), 0.10, 5e-4),
    "Stephens 1965: Kuiper, 5 %": (lambda: kuiper_p_value(1.747e-4, LARGE, LARGE), 0.05, 3e-4),
    "Stephens 1965: Kuiper, 1 %": (lambda: kuiper_p_value(2.001e-4, LARGE, LARGE), 0.01, 1e-4),
}


@pytest.mark.parametrize("source", PUBLISHED)
def test_published_numbers(source: str) -> None:
    found, expected, tolerance = PUBLISHED[source]
    assert found() == pytest.approx(expected, abs=tolerance)


SAMPLES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "shifted": lambda rng, n: rng.normal(0.4, 1, size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "integers": lambda rng, n: rng.poisson(3, size=n).astype(float),
    "atom": lambda rng, n: np.where(rng.uniform(size=n) < 0.4, 0.0, rng.exponential(size=n)),
}
UNTIED = ("normal", "shifted", "lognormal")


@pytest.mark.parametrize("other", SAMPLES)
@pytest.mark.parametrize("one", SAMPLES)
@pytest.mark.parametrize(("n", "m"), [(5, 8), (60, 43), (900, 400)])
def test_counts_of_every_value_agree_with_scipy(one: str, other: str, n: int, m: int) -> None:
    rng = np.random.default_rng([n, m, *map(ord, one + other)])
    x, y = SAMPLES[one](rng, n), SAMPLES[other](rng, m)
    grid = numeric_grid(np.concatenate([x, y]), size=n + m)
    before, now = grid.count(x), grid.count(y)
    found = ks_from_counts(before, now)
    assert found.statistic == pytest.approx(ks_2samp(x, y).statistic, abs=1e-12)
    assert found.error_bound == 0
    if one in UNTIED and other in UNTIED:
        expected = cramervonmises_2samp(x, y, method="asymptotic")
        statistic, p_value = cramer_von_mises(before, now)
        assert statistic == pytest.approx(expected.statistic, abs=1e-9)
        assert p_value == pytest.approx(expected.pvalue, rel=0.03, abs=1e-8)


@pytest.mark.parametrize("other", [one for one in SAMPLES if one != "lognormal"])
@pytest.mark.parametrize("one", SAMPLES)
def test_the_wasserstein_distance_agrees_with_scipy_within_its_bound(one: str, other: str) -> None:
    rng = np.random.default_rng([5, *map(ord, one + other)])
    x, y = SAMPLES[one](rng, 5000), SAMPLES[other](rng, 700)
    expected = wasserstein_distance(x, y) / np.std(x, ddof=1)
    found = compared("wasserstein", x, y)
    assert found.effect == pytest.approx(expected, abs=found.error_bound + 1e-9)
    if one == other:
        assert found.error_bound < 0.02


def test_ties_count_as_the_average_over_their_orders() -> None:
    """scipy gives ties their middle rank, which adds to the statistic of samples of unequal size."""
    rng = np.random.default_rng(11)
    x, y = rng.integers(0, 4, 60).astype(float), rng.integers(0, 4, 43).astype(float)
    statistic, _ = cramer_von_mises(*counted(x, y))
    broken = [
        cramervonmises_2samp(x + rng.uniform(0, 0.5, 60), y + rng.uniform(0, 0.5, 43)).statistic
        for _ in range(400)
    ]
    assert statistic == pytest.approx(np.mean(broken), abs=4 * float(np.std(broken)) / 20)
    assert cramervonmises_2samp(x, y).statistic > 1.1 * statistic


def test_bins_are_tenths_of_the_reference_and_atoms() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=20_000), rng.normal(0.3, 1, size=5000)
    edges = np.quantile(x, np.arange(1, 10) / 10)
    shares = [np.bincount(np.searchsorted(edges, one), minlength=10) / len(one) for one in (x, y)]
    expected = float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))
    assert compared("psi", x, y).effect == pytest.approx(expected, rel=0.03)
    before_atoms, now_atoms = (np.where(rng.uniform(size=len(one)) < 0.4, 0.0, one) for one in (x, y))
    assert compared("hellinger", before_atoms, now_atoms).effect < compared("hellinger", x, y).effect
    grid, before, now = profiled(before_atoms, now_atoms)
    assert two_sample("psi", grid, before, now).effect == pytest.approx(0.6 * expected, rel=0.15)
