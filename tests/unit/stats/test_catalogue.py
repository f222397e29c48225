"""The catalogue: levels, power, odd columns, and bounds of what a coarse grid hides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctrain.stats.catalogue import TwoSampleTest, distance_for, pearson, two_sample
from ctrain.stats.homogeneity import conditional_p_value, homogeneity_p_value
from tests.unit.stats.columns import TESTS, compared, profiled, union

Floats = NDArray[np.float64]
INF = np.inf
BINNED = ("psi", "jensen_shannon", "hellinger")


def letters(shares: list[float], n: int, seed: int) -> list[str]:
    drawn = np.random.default_rng(seed).choice(list("abcdefgh"[: len(shares)]), n, p=shares)
    return [str(one) for one in drawn]


def normals(n: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, deviation, n)


ODD: dict[str, tuple[Floats | list[str], Floats | list[str]]] = {
    "one value each": (np.array([1.0]), np.array([2.0])),
    "one value now": (normals(500, 1), np.array([0.3])),
    "equal constants": (np.full(300, 4.0), np.full(100, 4.0)),
    "another constant": (np.full(300, 4.0), np.full(100, 5.0)),
    "constant before": (np.full(300, 4.0), normals(100, 2)),
    "constant now": (normals(300, 3), np.full(100, 0.1)),
    "infinities": (
        np.where(normals(300, 4) > 1, INF, normals(300, 5)),
        np.where(normals(90, 6) > 1, -INF, 0.5),
    ),
    "infinities alone": (np.full(50, INF), np.full(50, -INF)),
    "huge": (normals(300, 7) * 1e300, normals(100, 8) * 1e307),
    "tiny": (normals(300, 9) * 1e-310, normals(100, 10)),
    "far away": (normals(300, 11), normals(100, 12) + 1e9),
    "one category": (["a"] * 90, ["a"] * 40),
    "new category": (letters([0.5, 0.5], 300, 13), ["new"] * 40),
    "all rare": ([f"c{one}" for one in range(80)], [f"c{one}" for one in range(60, 120)]),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("test", TESTS)
def test_odd_columns_have_an_answer(test: TwoSampleTest, kind: str) -> None:
    grid, before, now = profiled(*ODD[kind])
    found = two_sample(test, grid, before, now)
    assert 0 <= found.p_value <= 1
    assert 0 <= found.effect <= distance_for(test, grid, before).largest + 1e-12
    assert np.isfinite(found.effect)
    itself = two_sample(test, grid, before, before)
    assert itself.p_value == pytest.approx(1, abs=1e-6)
    assert itself.effect == pytest.approx(0, abs=1e-7)


FOUND = (
    "another constant",
    "constant before",
    "constant now",
    "far away",
    "new category",
    "infinities alone",
)


@pytest.mark.parametrize("kind", FOUND)
@pytest.mark.parametrize("test", TESTS)
def test_odd_changes_are_found(test: TwoSampleTest, kind: str) -> None:
    found = compared(test, *ODD[kind])
    assert found.p_value < 1e-6
    assert found.effect > 0.3


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    "pair",
    [
        (normals(400, 1), normals(200, 2, 0.5)),
        (letters([0.7, 0.29, 0.01], 400, 3), letters([0.5, 0.5], 90, 4)),
    ],
)
def test_the_distance_between_rows_is_the_effect(test: TwoSampleTest, pair: tuple[Any, Any]) -> None:
    grid, before, now = profiled(*pair)
    distance = distance_for(test, grid, before)
    sides = [one.distribution(grid) for one in (before, now)]
    if distance.places is not None:
        sides = [np.bincount(distance.places, one).astype(np.int64) for one in sides]
    rows = [side[None, :].repeat(2, axis=0) for side in sides]
    effect = two_sample(test, grid, before, now).effect
    # values beyond the grid lie at the fence for windows inside a reference, which have none there
    tolerance = 0.2 if test == "wasserstein" else 1e-12
    assert distance.between(*rows) == pytest.approx([effect, effect], abs=tolerance)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("test", ["ks", "kuiper", "cramer_von_mises", "wasserstein"])
def test_a_coarse_grid_hides_no_more_than_the_bound(test: TwoSampleTest, seed: int) -> None:
    x, y = normals(3000, seed), normals(1000, 50 + seed, 0.2, 1.1)
    exact = compared(test, x, y, size=union(x, y))
    coarse = compared(test, x, y, size=30)
    assert exact.error_bound <= coarse.error_bound
    assert abs(exact.effect - coarse.effect) <= coarse.error_bound + (0.01 if test == "wasserstein" else 0)


@pytest.mark.parametrize("test", TESTS)
def test_one_outlier_neither_alarms_nor_hides(test: TwoSampleTest) -> None:
    x, y = normals(20_000, 1), normals(500, 2)
    outlier = np.append(y[1:], 1e6)
    assert compared(test, x, outlier).p_value > 0.01
    assert compared(test, x, outlier).effect < 0.15
    shifted = compared(test, np.append(x, 1e6), y + 1)
    assert shifted.p_value < 1e-12
    assert shifted.effect > 0.3


SHAPES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "integers": lambda rng, n: rng.poisson(3, size=n).astype(float),
    "zeros": lambda rng, n: np.where(rng.uniform(size=n) < 0.9, 0, rng.exponential(size=n)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("test", TESTS)
def test_equal_distributions_have_small_p_values_as_often_as_they_say(
    test: TwoSampleTest, shape: str
) -> None:
    """Of 300 at n = 100: 3 below 0.01 are expected, and 9 or more have a chance of 0.4 %."""
    rng = np.random.default_rng([7, *map(ord, shape)])
    x = SHAPES[shape](rng, 5000)
    p_values = [compared(test, x, SHAPES[shape](rng, 100), size=200).p_value for _ in range(300)]
    assert np.count_nonzero(np.array(p_values) < 0.01) <= 8
    assert np.count_nonzero(np.array(p_values) < 0.001) <= 3


@pytest.mark.parametrize("test", ["cramer_von_mises", *BINNED])
def test_their_p_values_are_uniform(test: TwoSampleTest) -> None:
    """Kolmogorov-Smirnov and Kuiper are careful with ties, Wasserstein with tails."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=50_000)
    p_values = np.array([compared(test, x, rng.normal(size=1000), size=200).p_value for _ in range(300)])
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(p_values < level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 300))


@pytest.mark.parametrize("test", TESTS)
def test_a_shift_by_a_standard_deviation_is_always_found(test: TwoSampleTest) -> None:
    x = normals(5000, 1)
    for seed in range(20):
        found = compared(test, x, normals(500, 100 + seed, 1.0), size=200)
        assert found.p_value < 1e-10
        assert found.effect > 0.25


@pytest.mark.parametrize("test", TESTS)
def test_a_wider_spread_is_found(test: TwoSampleTest) -> None:
    found = compared(test, normals(5000, 1), normals(500, 2, 0.0, 2.0))
    assert found.p_value < 1e-5
    assert found.effect > 0.1


@pytest.mark.parametrize("test", TESTS)
def test_a_category_that_moved_is_found(test: TwoSampleTest) -> None:
    found = compared(test, letters([0.6, 0.3, 0.1], 5000, 1), letters([0.4, 0.5, 0.1], 500, 2))
    assert found.p_value < 1e-10
    assert found.effect > 0.1
    assert found.test == (test if test in BINNED else "chi2")


@pytest.mark.parametrize("test", TESTS)
def test_a_change_among_rare_categories_is_found(test: TwoSampleTest) -> None:
    """Of 200 towns a window of 500 rows has two or three each: half of them stop, or all are spelt anew."""
    rng = np.random.default_rng(3)
    towns = np.array([f"town {one}" for one in range(200)])
    before = rng.choice(towns, 20_000).tolist()
    for now in (rng.choice(towns[:100], 500), np.char.upper(rng.choice(towns, 500))):
        found = compared(test, before, now.tolist())
        assert found.p_value < 1e-30
        assert found.effect > 0.3
    assert compared(test, before, rng.choice(towns, 500).tolist()).p_value > 0.01


@pytest.mark.parametrize("test", TESTS)
def test_one_new_category_in_five_hundred_proves_nothing(test: TwoSampleTest) -> None:
    now = [*letters([0.6, 0.3, 0.1], 499, 2), "new"]
    assert compared(test, letters([0.6, 0.3, 0.1], 5000, 1), now).p_value > 0.01


@pytest.mark.parametrize(
    ("before", "now", "rest", "p_value"),
    [
        ([100, 0], [100, 0], False, 1.0),
        ([900, 100, 0], [90, 10, 0], True, 1.0),
        ([50, 0], [50, 1], True, 1.0),  # 51 of 101: half of the time
        ([5000, 0], [500, 3], True, 2 * (503 / 5503) ** 3),
        ([0, 9], [0, 9], True, 1.0),
    ],
)
def test_places_with_few_values_are_tested_exactly(
    before: list[int], now: list[int], rest: bool, p_value: float
) -> None:
    assert homogeneity_p_value(pearson, np.array(before), np.array(now), rest) == pytest.approx(p_value)


@pytest.mark.parametrize(
    ("categories", "n", "m"), [(200, 20_000, 500), (1000, 500, 500), (3000, 20_000, 500), (4, 300, 60)]
)
def test_conditional_p_values_are_uniform_however_rare_categories_are(
    categories: int, n: int, m: int
) -> None:
    rng = np.random.default_rng(10)
    weights = rng.dirichlet(np.full(categories, 0.5))
    p_values = np.array(
        [conditional_p_value(rng.multinomial(n, weights), rng.multinomial(m, weights)) for _ in range(500)]
    )
    for level in (0.01, 0.1, 0.5):
        sigma = np.sqrt(level * (1 - level) / 500)
        assert np.mean(p_values < level) == pytest.approx(level, abs=4 * sigma)


def test_conditional_p_values_of_next_to_nothing() -> None:
    assert conditional_p_value(np.array([1, 0]), np.array([0, 1])) == pytest.approx(0.1573, abs=1e-4)
    assert conditional_p_value(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])) == 1.0
    assert conditional_p_value(np.array([10, 0]), np.array([0, 10])) < 1e-4  # Fisher's exact test: 1.1e-5
    assert conditional_p_value(np.array([3]), np.array([4])) == 1.0


def test_thin_places_are_united_with_their_neighbours() -> None:
    thin = np.array([1000, 10, 10, 10, 1000]), np.array([10, 1, 0, 1, 10])
    united = np.array([1000, 1030]), np.array([10, 12])
    assert homogeneity_p_value(pearson, *thin, rest=False) == pytest.approx(
        homogeneity_p_value(pearson, *united, rest=False)
    )
