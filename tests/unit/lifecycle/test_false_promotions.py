"""How often the shadow's rule promotes wrongly and rightly, looking after every block."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from ctrain.lifecycle.comparison import ShadowVerdict, judge_shadow
from ctrain.policy.models import Shadow
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.sequential import MIN_BLOCKS, ComparisonState, standard_width
from tests.benchmarks.bench_promotion import rolled_back, studied

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
ROWS = 100
BLOCKS = 200
REPETITIONS = 2000
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AGREEING = RowEvidence(rows=10_000, total=-10_000.0)
"""Rows that would promote anything: what is looked at here are the blocks."""


def block_means(
    seed: int, *, loss: float, burst: int, disagreement: float = 0.1, repetitions: int = REPETITIONS
) -> Floats:
    """Mean 0/1 loss differences: ``burst`` rows in a row that disagree do so in the same direction.

    ``loss`` is the challenger's true loss minus the champion's.
    """
    rng = np.random.default_rng(seed)
    bursts = (repetitions, BLOCKS, ROWS // burst)
    disagreeing = rng.binomial(burst, disagreement, bursts)
    worse = rng.uniform(size=bursts) < 0.5 + loss / disagreement / 2
    means: Floats = np.where(worse, disagreeing, -disagreeing).sum(axis=2) / ROWS
    return means


def promoted_at(means: Floats, margin: float = 0.0) -> npt.NDArray[np.int64]:
    """Number of blocks at which each comparison promotes; 0: it never does, or rejects first."""
    count = np.arange(1.0, BLOCKS + 1)
    mean = means.cumsum(axis=1) / count
    squares = (means**2).cumsum(axis=1) - count * mean**2 + (1 / ROWS) ** 2
    width = np.sqrt(squares / count) * np.asarray(standard_width(count, ALPHA))
    promote, reject = mean + width < margin, mean - width > margin
    promote[:, : MIN_BLOCKS - 1] = reject[:, : MIN_BLOCKS - 1] = False
    first = promote.argmax(axis=1) + 1
    rejected = np.where(reject.any(axis=1), reject.argmax(axis=1) + 1, BLOCKS + 1)
    return np.where(promote.any(axis=1) & (first < rejected), first, 0)


def interval(rate: float) -> tuple[float, float]:
    """Where 999 of 1,000 simulations with this rate lie (normal approximation)."""
    slack = 3.29 * math.sqrt(rate * (1 - rate) / REPETITIONS)
    return rate - slack, rate + slack


def spec(margin: float = 0.0) -> Shadow:
    return Shadow(
        alpha=ALPHA, margin=margin, min_rows=1, min_duration=timedelta(0), max_duration=timedelta(days=365)
    )


@pytest.mark.parametrize(("burst", "margin"), [(1, 0.0), (20, 0.0), (1, 0.005), (20, 0.005)])
def test_the_vectorised_rule_is_the_rule(burst: int, margin: float) -> None:
    means = block_means(1, loss=-0.01, burst=burst, repetitions=25)
    expected = promoted_at(means, margin)
    for series, wanted in zip(means, expected, strict=True):
        state, verdict = ComparisonState(), ShadowVerdict.OBSERVE
        for index, mean in enumerate(series, start=1):
            state = state.with_block(float(mean), ROWS)
            verdict = judge_shadow(
                spec(margin), state, AGREEING, started_at=START, now=START + index * HOUR
            ).verdict
            if verdict is not ShadowVerdict.OBSERVE:
                break
        assert (state.blocks if verdict is ShadowVerdict.PROMOTE else 0) == wanted
    assert expected.any()


@pytest.mark.parametrize("burst", [1, 20])
@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_a_challenger_at_the_limit_is_promoted_about_as_seldom_as_claimed(burst: int, margin: float) -> None:
    """Its true loss is worse by exactly what is tolerated: the worst case of the promise."""
    rate = (promoted_at(block_means(2, loss=margin, burst=burst), margin) > 0).mean()
    low, high = interval(ALPHA)
    assert 0.005 < rate <= high, (rate, low)


@pytest.mark.parametrize("burst", [1, 20])
def test_a_worse_challenger_is_hardly_ever_promoted(burst: int) -> None:
    assert (promoted_at(block_means(3, loss=0.01, burst=burst)) > 0).mean() < 0.005


def test_one_point_is_found_when_rows_are_independent() -> None:
    blocks = promoted_at(block_means(4, loss=-0.01, burst=1))
    assert (blocks > 0).mean() > interval(0.95)[0]
    assert np.median(blocks[blocks > 0]) * ROWS < 8000


def test_bursts_cost_power_but_not_safety() -> None:
    """The same ten percent of disagreement in bursts of 20 carry the information of fewer rows."""
    found = (promoted_at(block_means(5, loss=-0.01, burst=20)) > 0).mean()
    assert 0.3 < found < (promoted_at(block_means(5, loss=-0.01, burst=1)) > 0).mean()


def at_most(rate: float, repetitions: int) -> int:
    """As many of these as 999 of 1,000 simulations with this rate stay below (exact binomial)."""
    return int(stats.binom.ppf(0.999, repetitions, rate))


@pytest.mark.parametrize("rows", ["rows repeated 10 times", "regimes of 1,000 rows"])
def test_equal_models_are_seldom_promoted_whatever_the_rows_share(rows: str) -> None:
    """A holdout drawn like the rows says how long the blocks have to be."""
    found = studied(rows, 0.0, 80)
    assert np.count_nonzero(found["ctrain"]) <= at_most(ALPHA, 80)
    assert np.count_nonzero(found["t-test at every look"]) > np.count_nonzero(found["ctrain"])


@pytest.mark.parametrize("rows", ["rows repeated 10 times", "regimes of 1,000 rows"])
def test_equal_champions_are_seldom_rolled_back(rows: str) -> None:
    """By the bounds or by the test at the end."""
    assert np.count_nonzero(rolled_back(rows, 0.0, 40).rows) <= at_most(ALPHA, 40)
    assert np.count_nonzero(rolled_back(rows, 0.01, 40).by_bounds) <= at_most(ALPHA, 40)


def test_a_probation_ends_a_bad_champion() -> None:
    found = rolled_back("rows repeated 10 times", 0.05, 15)
    assert np.count_nonzero(found.by_bounds) > 10
    found = rolled_back("regimes of 1,000 rows", 0.05, 30)
    assert np.count_nonzero(found.rows) > 15 > np.count_nonzero(found.by_bounds)


def test_looking_at_rows_as_if_they_were_independent_would_promote_too_often() -> None:
    """What the blocks are for: the same rule with bursts longer than a block breaks the promise."""
    rng = np.random.default_rng(6)
    shared = rng.choice([-1.0, 1.0], (REPETITIONS, BLOCKS // 10)).repeat(10, axis=1)
    means = shared * rng.binomial(ROWS, 0.1, (REPETITIONS, BLOCKS)) / ROWS
    assert (promoted_at(means) > 0).mean() > 0.15
