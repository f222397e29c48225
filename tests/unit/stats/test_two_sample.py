"""Two-sample tests against scipy and published numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from ctrain.stats.grid import Counts, numeric_grid
from ctrain.stats.two_sample import chi_squared, ks_exact, ks_from_counts, pool_rare, total_variation

INF = np.inf
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "shifted": lambda rng, n: rng.normal(0.3, 1, size=n),
    "ties": lambda rng, n: rng.integers(0, 6, size=n).astype(float),
    "atom": lambda rng, n: np.where(rng.uniform(size=n) < 0.4, 0.0, rng.exponential(size=n)),
    "constant": lambda _, n: np.full(n, 3.0),
    "infinities": lambda rng, n: np.where(
        rng.uniform(size=n) < 0.2, rng.choice([INF, -INF], n), rng.normal(size=n)
    ),
    "heavy": lambda rng, n: rng.standard_cauchy(size=n),
}
PAIRS = [(one, other) for one in DRAWS for other in DRAWS]
SIZES = [(1, 1), (1, 7), (5, 5), (40, 63), (300, 1000)]


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@pytest.mark.parametrize(("one", "other"), PAIRS)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_raw_values_and_exact_counts_agree_with_scipy(one: str, other: str, n: int, m: int) -> None:
    rng = np.random.default_rng([n, m, *map(ord, one + other)])
    x, y = DRAWS[one](rng, n), DRAWS[other](rng, m)
    expected = ks_2samp(x, y)
    grid = numeric_grid(np.concatenate([x, y]), size=2000)
    for found in (ks_exact(x, y), ks_from_counts(grid.count(x), grid.count(y))):
        assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
        assert found.error_bound == 0.0


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.05])
def test_large_counts_agree_with_scipy_within_the_bound(shift: float) -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=30_000), rng.normal(shift, 1, size=20_000)
    grid = numeric_grid(x)
    found, expected = ks_from_counts(grid.count(x), grid.count(y)), ks_2samp(x, y)
    assert 0 < found.error_bound < 0.002
    assert found.statistic <= expected.statistic <= found.statistic + found.error_bound
    assert found.p_value >= expected.pvalue


def test_counts_with_every_value_on_the_grid_agree_asymptotically_too() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.integers(0, 100, 20_000).astype(float), rng.integers(0, 101, 15_000).astype(float)
    grid = numeric_grid(np.concatenate([x, y]))
    found, expected = ks_from_counts(grid.count(x), grid.count(y)), ks_2samp(x, y)
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-3)


def test_mass_between_the_values_of_the_grid_is_seen() -> None:
    x, y = np.repeat([0.0, 1.0], [100, 900]), np.full(1000, 0.5)
    grid = numeric_grid(x)
    assert ks_from_counts(grid.count(x), grid.count(y)).statistic == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("x", "y", "statistic", "p_value"),
    [
        (
            np.repeat([2, 3, 5, 6], [3, 4, 5, 4]),
            np.repeat([3, 4, 6, 7], [3, 4, 5, 4]),
            5 / 16,
            0.4262934613,
        ),
        (np.linspace(1, 100, 100), np.linspace(1, 100, 110) + 20.1, 232 / 1100, 0.0157391839),
    ],
)
def test_numbers_of_scipys_own_test_suite(
    x: NDArray[np.float64], y: NDArray[np.float64], statistic: float, p_value: float
) -> None:
    found = ks_exact(x, y)
    assert found.statistic == pytest.approx(statistic, abs=1e-12)
    assert found.p_value == pytest.approx(p_value, abs=1e-9)


def test_normal_samples_of_scipys_own_test_suite() -> None:
    generator = np.random.RandomState(123456)
    x, y = generator.normal(0, 1, 3000), generator.normal(0, 1.5, 3001)
    assert ks_exact(x, y, method="asymp").statistic == pytest.approx(0.11292880151, abs=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_chi_squared_agrees_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = int(rng.integers(2, 40))
    weights = rng.dirichlet(np.full(cells, 0.3), 2)
    reference, current = rng.multinomial(500, weights[0]), rng.multinomial(rng.integers(1, 900), weights[1])
    observed = np.array([reference, current])
    expected = chi2_contingency(observed[:, observed.sum(axis=0) > 0], correction=False)
    found = chi_squared(reference, current)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)


def test_one_category_cannot_differ() -> None:
    assert chi_squared(np.array([5, 0]), np.array([9, 0])) == (0.0, 1.0)


def test_published_chi_squared_and_total_variation() -> None:
    statistic, p_value = chi_squared(np.array([4, 2, 0]), np.array([1, 1, 4]))
    assert statistic == pytest.approx(6.1333333, abs=1e-7)
    assert p_value == pytest.approx(0.04657615, abs=1e-8)
    assert total_variation(np.array([2, 2, 2, 0]), np.array([2, 2, 2, 1])) == pytest.approx(
        0.142857, abs=1e-6
    )


def test_pooling_depends_on_the_samples_by_their_sum_alone() -> None:
    both = np.array([550, 310, 100, 60, 40, 30, 30, 20])
    for current in (np.array([50, 10, 0, 10, 0, 20, 10, 0]), np.array([0, 0, 100, 0, 0, 0, 0, 0])):
        pooled = pool_rare(both - current, current)
        assert (pooled[0] + pooled[1]).tolist() == [550, 310, 100, 60, 120]


def test_rare_categories_are_not_lost_in_one_pool() -> None:
    """Of 200 equally frequent ones a window of 500 rows expects 2.5 each."""
    reference = np.append(np.full(200, 100), 0)
    for current in (
        np.append(np.repeat([5, 0], 100), 0),
        np.append(np.eye(1, 200, 7, dtype=np.int64)[0] * 500, 0),
        np.append(np.zeros(200, dtype=np.int64), 500),
    ):
        before, now = pool_rare(reference, current)
        assert chi_squared(before, now).p_value < 1e-50
        assert total_variation(before, now) > 0.45


def drawn(rng: np.random.Generator, weights: NDArray[np.float64], n: int, m: int) -> tuple[Counts, Counts]:
    """Two samples of one distribution on a grid that names what occurs in the first."""
    reference, current = rng.multinomial(n, weights), rng.multinomial(m, weights)
    named = reference > 0
    return np.append(reference[named], 0), np.append(current[named], current[~named].sum())


@pytest.mark.parametrize(
    ("categories", "n", "m"),
    [(200, 20_000, 500), (1000, 20_000, 500), (2000, 3000, 500), (300, 1000, 1000), (300, 1000, 5000)],
)
def test_false_alarms_of_pooled_chi_squared_with_many_rare_categories(
    categories: int, n: int, m: int
) -> None:
    """Of 400 four below 0.01 are expected, and 13 or more have a chance of 0.03 %."""
    rng = np.random.default_rng(9)
    weights = rng.dirichlet(np.ones(categories))
    p_values = np.array([chi_squared(*pool_rare(*drawn(rng, weights, n, m))).p_value for _ in range(400)])
    assert np.count_nonzero(p_values < 0.01) <= 12
    assert np.mean(p_values < 0.5) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (500, 500), (20_000, 1_000), (50_000, 50_000)])
@pytest.mark.parametrize("root", [0.5, 0.8, 1.2, 1.8, 2.4])
def test_the_limiting_p_value_is_close_to_that_of_scipy(n: int, m: int, root: float) -> None:
    shift = round(root / np.sqrt(n * m / (n + m)) * m)
    reference, current = np.zeros(7, dtype=np.int64), np.zeros(7, dtype=np.int64)
    reference[2], current[2], current[4] = n, m - shift, shift
    limit = ks_from_counts(reference, current, method="limit")
    finite = ks_from_counts(reference, current, method="asymp")
    assert limit.statistic == finite.statistic
    tolerance = 0.04 if min(n, m) >= 500 else 0.4
    assert limit.p_value == pytest.approx(finite.p_value, rel=tolerance)
