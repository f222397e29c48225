import json
import math

import numpy as np
import pytest
from scipy import stats

from ctrain.stats.sequential import MIN_BLOCKS, TUNED_FOR, ComparisonState, standard_width

RNG = np.random.default_rng(11)


def fold(means: np.ndarray, rows: int = 50) -> ComparisonState:
    state = ComparisonState()
    for mean in means:
        state = state.with_block(float(mean), rows)
    return state


def test_moments_are_those_of_the_blocks() -> None:
    means = RNG.normal(1e6, 1e-3, 500)
    state = fold(means)
    assert (state.blocks, state.rows) == (500, 25_000)
    assert state.mean == pytest.approx(float(means.mean()), rel=1e-14)
    assert state.squares == pytest.approx(float(((means - means.mean()) ** 2).sum()), rel=1e-4)


def test_the_p_value_of_one_look_is_that_of_students_test() -> None:
    means = RNG.normal(0.02, 0.1, 43)
    expected = stats.ttest_1samp(means, 0.0, alternative="greater").pvalue
    assert fold(means, rows=10_000).p_value() == pytest.approx(expected, rel=1e-3), "but for one more row"
    assert fold(means[: MIN_BLOCKS - 1]).p_value() == 1.0


def test_bounds_by_the_formula() -> None:
    """The boundary written out once more, with Howard's own parametrisation (v + rho)."""
    means, alpha = RNG.normal(0, 0.1, 37), 0.05
    state = fold(means)
    log_term = -2 * math.log(2 * alpha)
    rho = TUNED_FOR / (log_term + math.log(log_term + 1))
    v = 37.0
    boundary = math.sqrt(2 * (v + rho) * math.log(1 + math.sqrt((v + rho) / rho) / (2 * alpha)))
    deviation = math.sqrt(means.var() + (37 / (37 * 50)) ** 2 / 37)
    bounds = state.bounds(alpha)
    assert bounds.upper == pytest.approx(means.mean() + deviation * boundary / 37)
    assert bounds.lower == pytest.approx(means.mean() - deviation * boundary / 37)


def test_nothing_is_said_before_enough_blocks() -> None:
    early = fold(RNG.normal(0, 1e-9, MIN_BLOCKS - 1)).bounds(0.05)
    assert (early.lower, early.upper) == (-math.inf, math.inf)
    assert math.isfinite(fold(RNG.normal(0, 1, MIN_BLOCKS)).bounds(0.05).upper)


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.1, 0.5, 0.9])
def test_width_shrinks_with_blocks_and_alpha(alpha: float) -> None:
    widths = np.asarray(standard_width(np.arange(20.0, 5000.0), alpha))
    assert (np.diff(widths) < 0).all()
    assert widths[0] < float(standard_width(np.float64(20), alpha / 2))


def test_the_mixture_is_tuned_for_its_number_of_blocks() -> None:
    """No other tuning is tighter there by more than one part in fifty."""
    alpha, t = 0.05, float(TUNED_FOR)
    mixtures = np.geomspace(1e-3, 10, 2000)
    spread = t * mixtures + 1
    others = np.sqrt(2 * spread / (t**2 * mixtures) * np.log1p(np.sqrt(spread) / (2 * alpha)))
    assert float(standard_width(np.float64(t), alpha)) < 1.02 * others.min()


def test_two_models_that_agree_on_every_row_are_not_certain_to_be_equal() -> None:
    """Without a difference in n rows the true one may still be about 3 / n (rule of three)."""
    bounds = fold(np.zeros(20), rows=50).bounds(0.05)
    assert 2.9 / 1000 < bounds.upper < 4 / 1000
    assert bounds.lower == -bounds.upper
    more = fold(np.zeros(20), rows=5000).bounds(0.05)
    assert more.upper == pytest.approx(bounds.upper / 100)


@pytest.mark.parametrize(("mean", "rows"), [(math.nan, 10), (math.inf, 10), (0.1, 0)])
def test_a_block_without_a_mean_is_refused(mean: float, rows: int) -> None:
    with pytest.raises(ValueError, match="a block needs rows and a finite mean"):
        ComparisonState().with_block(mean, rows)


def test_states_are_exact_over_restarts() -> None:
    straight = restarted = ComparisonState()
    for mean in RNG.normal(0, 1 / 3, 200):
        straight = straight.with_block(float(mean), 7)
        restarted = ComparisonState.from_json(json.loads(json.dumps(restarted.to_json())))
        restarted = restarted.with_block(float(mean), 7)
        assert restarted == straight
    assert restarted.bounds(0.05) == straight.bounds(0.05)


@pytest.mark.parametrize("state", [{}, {"version": 2, "blocks": 1}])
def test_an_unknown_state_is_refused(state: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="unknown version"):
        ComparisonState.from_json(state)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("shape", ["normal", "means of 50 exponential rows"])
def test_each_bound_is_passed_about_as_seldom_as_claimed(alpha: float, shape: str) -> None:
    """5,000 series of 500 independent blocks, a look after every block; about alpha for each side."""
    repetitions, blocks = 5000, 500
    rng = np.random.default_rng(5)
    if shape == "normal":
        differences = rng.standard_normal((repetitions, blocks))
    else:
        differences = rng.gamma(50, 1 / 50, (repetitions, blocks)) - 1
    count = np.arange(1.0, blocks + 1)
    mean = differences.cumsum(axis=1) / count
    deviation = np.sqrt((differences**2).cumsum(axis=1) / count - mean**2)
    width = deviation * np.asarray(standard_width(count, alpha))
    for passed in (mean + width < 0, mean - width > 0):
        rate = passed[:, MIN_BLOCKS - 1 :].any(axis=1).mean()
        slack = 3 * math.sqrt(alpha * (1 - alpha) / repetitions)
        assert 0.4 * alpha < rate < alpha + slack + 0.005
