"""False alarms of calibrated thresholds on stationary losses that the calibration has not seen."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from ctrain.stats.detectors.detection import Scale
from ctrain.stats.detectors.page_hinkley import DELTA, PageHinkley
from ctrain.stats.run_length import calibrate, mean_slack

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def siegmund(threshold: float, delta: float = DELTA) -> float:
    """Run length of the one-sided test for N(0, 1): Siegmund (1985), with his correction of 1.166."""
    corrected = 2 * delta * (threshold + 1.166)
    return (math.exp(corrected) - corrected - 1) / (2 * delta**2)


@pytest.mark.parametrize("run_length", [5_000, 20_000, 100_000, 1_000_000])
def test_the_threshold_agrees_with_siegmunds_approximation(run_length: int) -> None:
    losses = np.random.default_rng(1).normal(size=100_000)
    assert 0.5 * run_length < siegmund(calibrate(losses, run_length, seed=0)) < 2 * run_length


def test_the_same_losses_and_seed_give_the_same_threshold() -> None:
    losses = np.random.default_rng(2).exponential(size=700)
    assert calibrate(losses, 10**6, seed=5) == calibrate(losses, 10**6, seed=5)
    assert calibrate(losses, 10**6, seed=5) == pytest.approx(calibrate(losses, 10**6, seed=6), rel=0.1)


def test_scale_and_shift_of_the_losses_do_not_matter() -> None:
    losses = np.random.default_rng(3).exponential(size=5000)
    assert calibrate(1000 * losses - 3, 10**5, seed=0) == pytest.approx(calibrate(losses, 10**5, seed=0))


def test_correlated_losses_need_a_higher_threshold() -> None:
    noise = np.random.default_rng(4).normal(size=20_000)
    bursts = np.random.default_rng(4).normal(size=1000).repeat(20)
    assert calibrate(bursts, 10**5, seed=0) > 4 * calibrate(noise, 10**5, seed=0)


def test_skewed_losses_are_slower_to_fall_than_to_rise() -> None:
    losses = np.random.default_rng(5).exponential(size=5000)
    up, down = (calibrate(losses, 10**5, seed=0, direction=side) for side in ("up", "down"))
    assert up > down
    assert calibrate(losses, 10**5, seed=0, direction="both") >= 0.98 * up


def test_slack_is_the_error_of_the_mean() -> None:
    """Of independent rows about 2.1 / sqrt(n); of runs of 20 equal rows sqrt(20) times as much."""
    rng = np.random.default_rng(6)
    independent = np.mean([mean_slack(rng.normal(size=2000)) for _ in range(100)])
    assert independent == pytest.approx(2.093 / math.sqrt(2000), rel=0.1)
    runs = np.mean([mean_slack(rng.normal(size=100).repeat(20)) for _ in range(100)])
    assert runs == pytest.approx(independent * math.sqrt(20), rel=0.1)


def alarms(streams: Floats, thresholds: Floats, deltas: Floats) -> int:
    """Detections of the test for a rise on many standardised streams side by side."""
    level, found = np.zeros(streams.shape[0]), 0
    for values in np.clip(streams, -10, 10).T:
        level = np.maximum(level + values - deltas, 0)
        over = level > thresholds
        found += int(over.sum())
        level[over] = 0
    return found


def binary_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return (rng.uniform(size=shape) < 0.2).astype(np.float64)


def brier_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.beta(0.5, 2, shape)


def hourly_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Rows of the same hour share a part of their loss: 20 rows an hour, correlation 0.2."""
    hours = rng.normal(0, 0.5, (shape[0], shape[1] // 20)).repeat(20, axis=1)
    return hours + rng.normal(0, 1, shape)


CLAIMS = [
    # losses, rows of the baseline, alarms for each one claimed that are tolerated
    (binary_losses, 500, 1.0),
    (binary_losses, 5000, 1.0),
    (brier_losses, 500, 1.0),
    (brier_losses, 5000, 1.0),
    (hourly_losses, 500, 3.0),  # 25 hours cannot show how hours vary
    (hourly_losses, 5000, 1.0),
]


@pytest.mark.parametrize(("draw", "rows", "tolerated"), CLAIMS)
def test_false_alarms_on_stationary_losses_are_as_rare_as_claimed(
    draw: Draw, rows: int, tolerated: float
) -> None:
    """20 baselines of their own, 60,000 fresh rows each: 60 alarms would be the claimed rate."""
    run_length, streams, length = 20_000, 20, 60_000
    rng = np.random.default_rng(7)
    baselines = draw(rng, (streams, rows))
    thresholds = np.array([calibrate(losses, run_length, seed=0) for losses in baselines])
    slack = np.array([mean_slack(losses) for losses in baselines])
    centred = draw(rng, (streams, length)) - baselines.mean(axis=1, keepdims=True)
    standardised = centred / baselines.std(axis=1, keepdims=True)
    claimed = streams * length / run_length
    found = alarms(standardised, thresholds, DELTA + slack)
    assert found < tolerated * claimed + 3 * math.sqrt(claimed)
    assert alarms(standardised, thresholds, np.full(streams, DELTA)) > 2 * found


def test_the_side_by_side_test_is_the_detector() -> None:
    losses = np.random.default_rng(8).exponential(size=20_000)
    detector = PageHinkley(Scale(1.0, 1.0), threshold=10.0, delta=0.1, direction="up")
    found = len(detector.feed(losses))
    assert found > 10
    assert abs(alarms((losses - 1)[np.newaxis, :], np.array([10.0]), np.array([0.1])) - found) <= 1
