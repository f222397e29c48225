"""Upper tails against scipy's."""

from __future__ import annotations

import math

import pytest
from scipy import special, stats

from ctrain.stats.tails import (
    beta_head,
    binomial_tail,
    chi_squared_tail,
    gamma_tail,
    kolmogorov_tail,
    kolmogorov_tail_of,
    normal_tail,
    student_tail,
)

CLOSE = 1e-9


@pytest.mark.parametrize("z", [-40.0, -3.0, 0.0, 1.0, 5.0, 20.0, 37.0])
def test_the_normal_tail_is_that_of_scipy(z: float) -> None:
    assert normal_tail(z) == pytest.approx(special.ndtr(-z), rel=CLOSE)


@pytest.mark.parametrize("x", [0.0, 0.01, 0.3, 0.5, 0.8276, 0.999999, 1.0, 1.2, 2.0, 5.0, 18.0])
def test_the_kolmogorov_tail_is_that_of_scipy(x: float) -> None:
    assert kolmogorov_tail(x) == pytest.approx(special.kolmogorov(x), rel=CLOSE, abs=1e-300)


@pytest.mark.parametrize("freedom", [1, 2, 9, 50, 999, 1_000_000])
@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 0.99, 1.0, 1.01, 2.0, 10.0])
def test_the_chi_squared_tail_is_that_of_scipy(freedom: int, ratio: float) -> None:
    x = ratio * freedom
    assert chi_squared_tail(x, freedom) == pytest.approx(special.chdtrc(freedom, x), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("shape", [0.1, 0.9, 3.3, 40.0])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.2, 3.0, 40.0, 600.0, math.inf])
def test_the_gamma_tail_is_that_of_scipy(shape: float, x: float) -> None:
    assert gamma_tail(shape, x) == pytest.approx(special.gammaincc(shape, x), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("trials", [1, 10, 1000, 1_000_000])
@pytest.mark.parametrize("probability", [0.0, 1e-4, 0.05, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("share", [-0.1, 0.0, 0.04, 0.06, 0.5, 0.7, 1.0])
def test_the_binomial_tail_is_that_of_scipy(trials: int, probability: float, share: float) -> None:
    more_than = math.floor(share * trials)
    expected = 1.0 if more_than < 0 else special.bdtrc(more_than, trials, probability)
    assert binomial_tail(more_than, trials, probability) == pytest.approx(expected, rel=1e-6, abs=1e-290)


@pytest.mark.parametrize("freedom", [1, 19, 60, 999, 1_000_000])
@pytest.mark.parametrize("t", [-30.0, -2.0, 0.0, 1e-3, 1.96, 8.0])
def test_the_student_tail_is_that_of_scipy(freedom: int, t: float) -> None:
    assert student_tail(t, freedom) == pytest.approx(special.stdtr(freedom, -t), rel=1e-6, abs=1e-290)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.2, 0.5, 0.999, 1.0])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2.0, 3.0), (300.0, 7.0), (1e4, 2e4)])
def test_the_head_of_the_beta_distribution_is_that_of_scipy(a: float, b: float, x: float) -> None:
    assert beta_head(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-290)


@pytest.mark.parametrize("n", [200, 1_000, 10_000, 90_909])
@pytest.mark.parametrize(("x", "close"), [(0.4, 1e-3), (0.8, 1e-3), (1.36, 1e-3), (1.7, 1e-2), (2.3, 4e-2)])
def test_kolmogorov_of_so_many_values(n: int, x: float, close: float) -> None:
    distance = x / math.sqrt(n)
    assert kolmogorov_tail_of(distance, n) == pytest.approx(stats.kstwo.sf(distance, n), rel=close)
