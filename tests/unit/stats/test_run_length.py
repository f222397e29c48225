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
Claim = tuple[Draw, int]


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


def alarms(streams: Floats, thresholds: Floats, deltas: Floats) -> npt.NDArray[np.int64]:
    """Detections of the test for a rise on each of many standardised streams side by side."""
    level, found = np.zeros(streams.shape[0]), np.zeros(streams.shape[0], np.int64)
    for values in np.ascontiguousarray(np.clip(streams, -10, 10).T):
        level = np.maximum(level + values - deltas, 0)
        over = level > thresholds
        found += over
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


CLAIMS: dict[Claim, float] = {
    # losses, rows of the baseline: alarms for each one claimed that are tolerated
    (binary_losses, 500): 1.0,
    (binary_losses, 5000): 1.0,
    (brier_losses, 500): 1.0,
    (brier_losses, 5000): 1.0,
    (hourly_losses, 500): 3.0,  # 25 hours cannot show how hours vary
    (hourly_losses, 5000): 1.0,
}
RUN_LENGTH, BASELINES, FRESH_ROWS = 20_000, 20, 60_000


@pytest.fixture(scope="module")
def alarms_of_claims() -> dict[Claim, tuple[int, int]]:
    """Alarms on fresh rows with the slack for the error of the mean, and without it."""
    streams, thresholds, deltas = [], [], []
    for draw, rows in CLAIMS:
        rng = np.random.default_rng(7)
        baselines = draw(rng, (BASELINES, rows))
        centred = draw(rng, (BASELINES, FRESH_ROWS)) - baselines.mean(axis=1, keepdims=True)
        streams.append(centred / baselines.std(axis=1, keepdims=True))
        thresholds.append([calibrate(losses, RUN_LENGTH, seed=0) for losses in baselines])
        deltas.append([DELTA + mean_slack(losses) for losses in baselines])
    given = np.concatenate(streams), np.concatenate(thresholds)
    with_slack = alarms(*given, np.concatenate(deltas))
    without = alarms(*given, np.full(len(CLAIMS) * BASELINES, DELTA))
    found = zip(*(one.reshape(-1, BASELINES).sum(axis=1) for one in (with_slack, without)), strict=True)
    return dict(zip(CLAIMS, found, strict=True))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim[0].__name__}-{claim[1]}")
def test_false_alarms_on_stationary_losses_are_as_rare_as_claimed(
    claim: Claim, alarms_of_claims: dict[Claim, tuple[int, int]]
) -> None:
    """20 baselines of their own, 60,000 fresh rows each: 60 alarms would be the claimed rate."""
    claimed = BASELINES * FRESH_ROWS / RUN_LENGTH
    found, without_slack = alarms_of_claims[claim]
    assert found < CLAIMS[claim] * claimed + 3 * math.sqrt(claimed)
    assert without_slack > 2 * found


def test_the_side_by_side_test_is_the_detector() -> None:
    losses = np.random.default_rng(8).exponential(size=20_000)
    detector = PageHinkley(Scale(1.0, 1.0), threshold=10.0, delta=0.1, direction="up")
    found = len(detector.feed(losses))
    assert found > 10
    assert abs(alarms((losses - 1)[np.newaxis, :], np.array([10.0]), np.array([0.1])).sum() - found) <= 1
