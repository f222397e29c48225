"""What quick refits prove: how often that is wrong, and what is found out anyway."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ctrain.child.learnability import (
    BATCHES,
    FITS,
    LEVEL,
    QuickLosses,
    assess_learnability,
    mean_bounds,
    t_quantile,
)

ROWS = 400


@pytest.mark.parametrize("freedom", [3, 4.5, 8, 19, 22])
@pytest.mark.parametrize("probability", [0.95, 0.99, 0.995, 0.9975])
def test_quantiles_are_those_of_scipy(probability: float, freedom: float) -> None:
    expected = float(stats.t.ppf(probability, freedom))
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=0.015)


def test_without_differences_between_fits_the_bounds_are_those_of_the_batches() -> None:
    """scipy.stats.t.interval over the means of batches."""
    losses = np.random.default_rng(2).exponential(size=ROWS)
    found = mean_bounds(np.stack([losses] * FITS), 0.01)
    means = losses.reshape(BATCHES, -1).mean(axis=1)
    expected = stats.t.interval(0.98, BATCHES - 1, means.mean(), means.std(ddof=1) / BATCHES**0.5)
    assert found == pytest.approx((means.mean(), *expected), rel=1e-3)


def test_the_oldest_rows_that_fill_no_batch_are_left_out() -> None:
    losses = np.random.default_rng(2).normal(size=(FITS, ROWS))
    more = np.concatenate([np.full((FITS, BATCHES - 1), 1e9), losses], axis=1)
    assert mean_bounds(more, 0.01) == mean_bounds(losses, 0.01)


def losses(random: np.random.Generator, mean: float, luck: float = 0.0) -> np.ndarray:
    """Of several fits: those of one row are alike, and so are rows in bursts of ten; a fit may be lucky."""
    shared = np.repeat(random.normal(0, 0.05, ROWS // 10), 10)
    fits = random.normal(mean, luck, (FITS, 1)) if luck else np.full((FITS, 1), mean)
    return fits + shared + random.normal(0, 0.05, (FITS, ROWS))


def judged(seed: int, new: float, past: float | None, champion: float, **given: Any) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    luck = given.pop("luck", 0.0)
    old = None if past is None else losses(random, past, luck)
    quick = {"train": QuickLosses(losses(random, new, luck), old)}
    return assess_learnability(quick, losses(random, champion)[0], given.pop("bound", 0.0), **given)


@pytest.mark.parametrize(
    ("new", "past", "champion", "bound", "verdict"),
    [
        (0.20, 0.30, 0.25, 0.0, "learnable"),  # better than the champion
        (0.27, 0.32, 0.25, 0.0, "learnable"),  # worse by being quick, and better than who was as quick
        (0.27, 0.27, 0.25, 0.0, "inconclusive"),  # worse by being quick
        (0.25, 0.20, 0.25, 0.0, "inconclusive"),  # the old rows teach more, the champion does not show it
        (0.32, 0.27, 0.25, 0.0, "not_learnable"),
        (0.32, 0.27, 0.25, 0.1, "inconclusive"),  # so much worse is allowed
        (0.25, 0.25, 0.25, -0.1, "not_learnable"),  # an improvement is asked for
        (0.32, None, 0.25, 0.0, "inconclusive"),  # nobody knows how much is lost by being quick
        (0.20, None, 0.25, 0.0, "learnable"),
    ],
)
def test_new_rows_are_learnable_not_learnable_or_inconclusive(
    new: float, past: float | None, champion: float, bound: float, verdict: str
) -> None:
    found = judged(11, new, past, champion, bound=bound)
    assert found["verdict"] == verdict
    assert found["difference"]["mean"] == pytest.approx(new - champion, abs=0.03)
    assert (found["against_past"] is None) == (past is None)
    assert f"{found['difference']['mean']:+.4g}" in found["reason"]


def test_one_function_that_may_be_good_enough_is_enough() -> None:
    random = np.random.default_rng(1)
    champion = losses(random, 0.25)[0]
    poor = QuickLosses(losses(random, 0.4), losses(random, 0.27))
    fair = QuickLosses(losses(random, 0.27), losses(random, 0.27))
    assert assess_learnability({"a": poor}, champion, 0.0)["verdict"] == "not_learnable"
    both = assess_learnability({"a": poor, "b": fair}, champion, 0.0)
    assert (both["verdict"], both["function"]) == ("inconclusive", "b")


@pytest.mark.parametrize("luck", [0.0, 0.02])
def test_rows_that_teach_as_much_as_the_old_ones_are_seldom_refused_or_praised(luck: float) -> None:
    """New rows are worth as much as the champion's; at level 0.1, so that errors can be counted."""
    told = [judged(seed, 0.4, 0.4, 0.25, luck=luck, level=0.1)["verdict"] for seed in range(1000)]
    most = float(stats.binom.ppf(0.999, 1000, 0.1))
    assert told.count("not_learnable") <= most
    assert told.count("learnable") <= most


def test_at_its_own_level_a_change_that_can_be_learned_is_never_refused_here() -> None:
    told = [judged(seed, 0.29, 0.3, 0.28)["verdict"] for seed in range(500)]
    assert told.count("not_learnable") <= stats.binom.ppf(0.999, 500, LEVEL)
    assert told.count("not_learnable") < 5


def test_rows_that_teach_nothing_are_found_out() -> None:
    told = [judged(seed, 0.35, 0.28, 0.25, luck=0.01)["verdict"] for seed in range(200)]
    assert told.count("not_learnable") > 180
