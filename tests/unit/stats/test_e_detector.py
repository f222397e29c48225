"""The recursion of Shiryaev and Roberts, run lengths as claimed, delays, and states over restarts."""

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.monitors.detector_setup import set_up_detector
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.detectors.detection import Detection, Direction, Range, Scale
from ctrain.stats.detectors.e_detector import EDetector, MeanBounds
from tests.support.streams import (
    Draw,
    absolute_errors,
    binary_losses,
    brier_losses,
    hourly_losses,
    wandering_losses,
)

Floats = npt.NDArray[np.float64]
UNIT = Range(0.0, 1.0)


def bounds(block: int = 1, slack: float = 0.01) -> MeanBounds:
    return MeanBounds(0.2 - slack, 0.2 + slack, 0.4, block, 0.4 / math.sqrt(block))


def detector(
    direction: Direction = "up",
    state: dict[str, Any] | None = None,
    *,
    run_length: float = 1000,
    block: int = 1,
) -> EDetector:
    return EDetector(UNIT, bounds(block), threshold=math.log1p(run_length), direction=direction, state=state)


def errors(seed: int, *rates: float, rows: int = 1500) -> Floats:
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.uniform(size=rows) < rate).astype(np.float64) for rate in rates])


def by_hand(values: Floats, direction: Direction, run_length: float, block: int) -> list[tuple[int, float]]:
    """M_t = e_t (M_(t-1) + 1) for each bet, one step after the other."""
    known = bounds(block)
    up = [(1.0, known.upper, stake) for stake in known.bets(known.upper)]
    down = [(-1.0, -known.lower, stake) for stake in known.bets(1 - known.lower)]
    bets = {"up": up, "down": down, "both": up + down}[direction]
    sums, found = [0.0] * len(bets), []
    for end in range(block, len(values) + 1, block):
        mean = sum(values[end - block : end]) / block
        sums = [
            (1 + stake * (sign * mean - offset)) * (before + 1)
            for (sign, offset, stake), before in zip(bets, sums, strict=True)
        ]
        if sum(sums) / len(bets) >= run_length:
            found.append((end - 1, math.log1p(sum(sums) / len(bets))))
            sums = [0.0] * len(bets)
    return found


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("block", [1, 7])
def test_the_recursion_written_out(direction: Direction, block: int) -> None:
    values = errors(1, 0.2, 0.5, 0.05)
    found = detector(direction, block=block).feed(values)
    expected = by_hand(values, direction, 1000, block)
    assert [one.index for one in found] == [index for index, _ in expected]
    assert [one.statistic for one in found] == pytest.approx([value for _, value in expected])
    assert len(found) > 3


@given(
    cuts=st.lists(st.integers(0, 4500), max_size=12),
    direction=st.sampled_from(["up", "both"]),
    block=st.sampled_from([1, 2, 7]),
)
@settings(max_examples=20, deadline=None)
def test_a_restart_anywhere_changes_no_bit(cuts: list[int], direction: Direction, block: int) -> None:
    values = errors(2, 0.2, 0.45, 0.1) * np.random.default_rng(2).uniform(0.9, 1.0, 4500)
    values[[3, 2000]] = math.nan, -math.inf
    undisturbed = detector(direction, block=block)
    expected = undisturbed.feed(values)
    assert expected
    state: dict[str, Any] | None = None
    found, offset = [], 0
    for part in np.split(values, sorted(cuts)):
        restarted = detector(direction, state, block=block)
        found += [as_tuple(one, offset) for one in restarted.feed(part)]
        offset += part.size
        state = json.loads(json.dumps(restarted.to_json(), allow_nan=False))
    assert found == [as_tuple(one, 0) for one in expected]
    assert state == json.loads(json.dumps(undisturbed.to_json(), allow_nan=False))


def as_tuple(found: Detection, offset: int) -> tuple[int, float, bool, int, float]:
    return found.index + offset, found.statistic, found.rose, found.rows, found.mean


def test_the_sum_of_a_stationary_stream_grows_no_faster_than_time() -> None:
    """E[M_t] <= t: 2,000 streams of 300 rows whose mean is exactly at the bound."""
    streams = (np.random.default_rng(3).uniform(size=(2000, 300)) < 0.2).astype(np.float64)
    never = EDetector(UNIT, bounds(slack=0.0), threshold=500, direction="up")
    fresh = never.to_json()
    sums = []
    for stream in streams:
        watching = EDetector(UNIT, bounds(slack=0.0), threshold=500, direction="up", state=fresh)
        watching.feed(stream)
        sums.append(math.expm1(watching.statistic))
    error = float(np.std(sums)) / math.sqrt(len(sums))
    assert 0.5 * 300 < float(np.mean(sums)) < 300 + 3 * error


MONITOR = ChangeMonitor(type="change", detector="e_detector", hold="1d")


def tuned(baseline: Floats, run_length: int, direction: Direction = "up") -> EDetector:
    found = set_up_detector(MONITOR, baseline, run_length, None, seed=0)
    assert found is not None
    settings = found.settings
    means = MeanBounds(**settings["means"])
    goal = math.log1p(run_length / means.block)
    return EDetector(Range(**settings["range"]), means, threshold=goal, direction=direction)


@pytest.mark.parametrize("rows", [500, 5000])
@pytest.mark.parametrize(
    "draw", [binary_losses, brier_losses, absolute_errors, hourly_losses, wandering_losses]
)
def test_false_alarms_are_rarer_than_one_in_a_run_length(draw: Draw, rows: int) -> None:
    """30 baselines of their own, 40,000 fresh rows each: 240 alarms would be the claimed rate.

    A baseline of 500 rows may have its mean wrong by more than its 97.5 % bound: one in forty then
    alarms again and again, which the number of baselines with an alarm at all shows.
    """
    run_length, streams, length = 5_000, 30, 40_000
    rng = np.random.default_rng(8)
    counts = [len(tuned(draw(rng, rows), run_length).feed(draw(rng, length))) for _ in range(streams)]
    claimed = streams * length / run_length
    assert sum(counts) < claimed + 3 * math.sqrt(claimed)


@pytest.mark.parametrize(("shift", "rows"), [(0.25, 900), (0.5, 220), (1.0, 90)])
def test_a_rise_is_found_soon(shift: float, rows: int) -> None:
    """Mean delay at a run length of 1,000,000, normal losses with a baseline of 10,000 rows."""
    rng = np.random.default_rng(9)
    delays = []
    for _ in range(15):
        watching = tuned(rng.normal(size=10_000), 1_000_000)
        found = watching.feed(rng.normal(shift, 1, 5000))
        delays.append(found[0].index + 1)
        assert found[0].rose
    assert float(np.mean(delays)) < rows


def test_a_detection_knows_when_the_change_began_and_how_large_it_is() -> None:
    values = np.concatenate([errors(10, 0.2, rows=3000), errors(11, 0.6, rows=400)])
    first = detector(run_length=100_000).feed(values)[0]
    assert abs(first.index - first.rows - 3000) < 15
    assert first.mean == pytest.approx(0.6, abs=0.1)
    falling = detector("both", run_length=100_000).feed(errors(12, 0.2, 0.02))[0]
    assert (falling.rose, falling.mean < 0.1) == (False, True)


def test_what_is_not_finite_is_skipped_and_what_is_wild_is_clipped() -> None:
    values = errors(13, 0.2, 0.5)
    holes = np.insert(values, [0, 10, 1600], [math.nan, math.inf, -math.inf])
    skipping, plain = detector(), detector()
    assert [one.statistic for one in skipping.feed(holes)] == [one.statistic for one in plain.feed(values)]
    assert skipping.skipped == 3
    wild = detector()
    wild.feed(np.where(values == 1, 1e308, -1e308))
    assert wild.statistic == plain.statistic


def test_a_tiny_spread_cannot_overflow() -> None:
    narrow = MeanBounds(0.0, 1e-9, 1e-9, 1, 1e-9)
    watching = EDetector(UNIT, narrow, threshold=math.log1p(1e6), direction="up")
    found = watching.feed(np.array([0.0] * 50 + [1.0] * 600))
    assert found[0].index in (50, 51)
    assert all(math.isfinite(one.statistic) for one in found)
    json.dumps(watching.to_json(), allow_nan=False)


def test_an_edited_threshold_holds_from_now_on_and_a_new_direction_starts_anew() -> None:
    watching = detector(run_length=1e6)
    watching.feed(np.tile([0.0, 1.0], 20))
    assert 2 < watching.statistic < 13
    lower = detector(state=watching.to_json(), run_length=math.expm1(watching.statistic + 0.1))
    assert lower.statistic == watching.statistic
    assert [one.index for one in lower.feed(np.array([1.0]))] == [0]
    assert detector("both", state=watching.to_json()).statistic == 0


def test_scales_bring_values_to_units_and_back() -> None:
    assert Scale(0.0, 1.0).standardise(np.array([math.nan, 3.0])).tolist()[1] == 3.0
    assert Range(-1.0, 3.0).from_unit(0.5) == 1.0
