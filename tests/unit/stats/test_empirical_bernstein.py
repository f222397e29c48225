"""Evidence from rows: the closed form against its integral, false claims at every look, restarts."""

import json
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from ctrain.stats.empirical_bernstein import RANGE, TUNED_FOR, RowEvidence, log_mixture, shape_of

Floats = npt.NDArray[np.float64]


def integrated(excess: float, variance: float, tuned_for: float) -> float:
    """The mixture by its definition in Howard et al. (2021), integrated over ``depth = -log(1 - c l)``."""
    shape = shape_of(tuned_for)

    def density(depth: float) -> float:
        return math.exp(-shape * depth - shape * math.exp(-depth))

    def weighted(depth: float) -> float:
        reached = 1 - math.exp(-depth)
        return math.exp(reached / RANGE * excess - (depth - reached) / RANGE**2 * variance) * density(depth)

    return integral(weighted) / integral(density)


def integral(function: Callable[[float], float]) -> float:
    borders = [0.0, 0.05, 0.2, 1.0, 5.0, 25.0, 125.0, 625.0]
    parts = (integrate.quad(function, *ends, epsabs=0, epsrel=1e-10)[0] for ends in pairwise(borders))
    return float(math.fsum(parts))


@pytest.mark.parametrize(
    ("excess", "variance"), [(10, 50), (30, 10), (100, 1000), (150, 2000), (400, 1000), (1, 0)]
)
def test_the_closed_form_is_the_integral(excess: float, variance: float) -> None:
    average = sum(weight * integrated(excess, variance, tuned) for tuned, weight in TUNED_FOR)
    assert math.exp(log_mixture(excess, variance)) == pytest.approx(average, rel=1e-6)


def differences(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    """Two models that disagree on a tenth of the rows; the newer one is right more often by ``gain``."""
    better = rng.uniform(size=rows) < 0.5 + gain / 0.2
    return np.where(rng.uniform(size=rows) < 0.1, np.where(better, -1.0, 1.0), 0.0)


def first_claim(stream: Floats, alpha: float) -> int:
    """After how many rows, looked at every fifty, the mean is said to be below zero; 0: never."""
    evidence = RowEvidence()
    for end in range(50, stream.size + 1, 50):
        evidence = evidence.with_rows(stream[end - 50 : end])
        if evidence.against(0.0) >= math.log(1 / alpha):
            return end
    return 0


def test_equal_models_are_told_apart_no_more_often_than_alpha_over_all_looks() -> None:
    rng = np.random.default_rng(0)
    claims = sum(first_claim(differences(rng, 5000, 0.0), 0.1) > 0 for _ in range(200))
    assert 0 < claims <= 0.1 * 200


def test_rows_whose_variance_comes_late_claim_nothing_either() -> None:
    """A long quiet stretch makes the variance small; then it is large: no normal approximation bears that."""
    rng = np.random.default_rng(1)
    quiet = np.zeros(2000)
    streams = (np.concatenate([quiet, rng.choice([-1.0, 1.0], 1000)]) for _ in range(100))
    assert sum(first_claim(stream, 0.1) > 0 for stream in streams) <= 10


def test_a_point_of_difference_is_found_before_a_test_of_fixed_size_would_look() -> None:
    """(1.645 + 1.645)^2 * 0.1 / 0.01^2 = 10,800 rows have a power of 95 % at 5 %."""
    rng = np.random.default_rng(2)
    found = [first_claim(differences(rng, 20_000, 0.01), 0.05) for _ in range(60)]
    assert np.mean(np.array(found) > 0) >= 0.95
    assert np.median([rows for rows in found if rows]) < 10_800


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_cuts_and_restarts_change_nothing(cuts: list[int], seed: int) -> None:
    stream = np.random.default_rng(seed).uniform(-1, 1, sum(cuts))
    evidence = RowEvidence()
    for part in np.split(stream, np.cumsum(cuts)[:-1]):
        evidence = RowEvidence.from_json(json.loads(json.dumps(evidence.with_rows(part).to_json())))
    assert evidence == RowEvidence().with_rows(stream)


@pytest.mark.parametrize("wild", [1.0001, -2.0, np.nan, np.inf])
def test_what_is_no_difference_of_losses_is_refused(wild: float) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        RowEvidence().with_rows(np.array([0.0, wild]))
