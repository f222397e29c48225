"""Every detector of a change monitor: run lengths as wanted, delays, restarts, guards."""

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.monitors.baselines import Baseline, make_baseline
from ctrain.policy.monitors import ChangeMonitor
from tests.support.streams import (
    Draw,
    absolute_errors,
    binary_losses,
    brier_losses,
    hourly_losses,
    rare_errors,
    wandering_losses,
)

Floats = npt.NDArray[np.float64]
DETECTORS = ["e_detector", "page_hinkley", "cusum", "adwin", "ddm", "kswin"]


def monitor(detector: str, **changed: Any) -> ChangeMonitor:
    return ChangeMonitor(type="change", detector=detector, hold="1d", **changed)


def baseline_of(spec: ChangeMonitor, values: Floats) -> Baseline:
    baseline = make_baseline(spec, values)
    assert baseline is not None
    return baseline


STATIONARY: list[Draw] = [
    binary_losses,
    rare_errors,
    brier_losses,
    absolute_errors,
    hourly_losses,
    wandering_losses,
]


@pytest.mark.parametrize("draw", STATIONARY)
@pytest.mark.parametrize("detector", ["cusum", "adwin", "ddm", "kswin"])
def test_stationary_losses_alarm_no_more_than_once_in_a_run_length(detector: str, draw: Draw) -> None:
    """5 baselines of 5,000 rows, 20,000 fresh rows each: 50 alarms are the claimed rate.

    The e-detector's is checked with its own tests, that of Page-Hinkley with those of run lengths.
    """
    run_length, streams, length = 2000, 5, 20_000
    rng = np.random.default_rng(3)
    spec, alarms = monitor(detector, run_length=run_length), 0
    for _ in range(streams):
        baseline = baseline_of(spec, draw(rng, 5000))
        alarms += len(baseline.detector_of(spec, 1, None).feed(draw(rng, length)))
    claimed = streams * length / run_length
    assert alarms < claimed + 3 * math.sqrt(claimed)


DELAYS = [
    # detector, mean rows until a rise by half a standard deviation is found, at 1,000,000 rows
    ("e_detector", 160),
    ("page_hinkley", 160),
    ("cusum", 130),
    ("adwin", 400),
    ("ddm", 1800),
]


@pytest.mark.parametrize(("detector", "rows"), DELAYS)
def test_a_rise_by_half_a_standard_deviation_is_found(detector: str, rows: int) -> None:
    rng, delays = np.random.default_rng(5), []
    spec = monitor(detector)
    for _ in range(6):
        baseline = baseline_of(spec, rng.normal(size=5000))
        found = baseline.detector_of(spec, 1, None).feed(rng.normal(0.5, 1, 6000))
        delays.append(found[0].index + 1)
        assert found[0].rose
    assert float(np.mean(delays)) < rows


def test_kswin_finds_a_rise_by_one_standard_deviation_while_it_passes_through_its_window() -> None:
    rng, spec = np.random.default_rng(6), monitor("kswin")
    for _ in range(8):
        baseline = baseline_of(spec, rng.normal(size=5000))
        found = baseline.detector_of(spec, 1, None).feed(rng.normal(1, 1, 3000))
        assert 50 < found[0].index < 600


@pytest.mark.parametrize("detector", DETECTORS)
@given(cuts=st.lists(st.integers(0, 3000), max_size=8), seed=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_a_restart_anywhere_changes_no_bit(detector: str, cuts: list[int], seed: int) -> None:
    spec, baseline = PREPARED[detector]
    rng = np.random.default_rng(seed)
    values = rng.exponential(np.repeat([0.2, 0.6, 0.1], 1000))
    values[[3, 1500, 1501]] = math.nan, math.inf, -math.inf
    undisturbed = baseline.detector_of(spec, 1, None)
    expected = undisturbed.feed(values)
    state: dict[str, Any] | None = None
    found, offset = [], 0
    for part in np.split(values, sorted(cuts)):
        restarted = baseline.detector_of(spec, 1, state)
        for one in restarted.feed(part):
            found.append((offset + one.index, one.statistic, one.rose, one.rows, one.mean))
        offset += part.size
        state = json.loads(json.dumps(restarted.to_json(), allow_nan=False))
    assert found == [(one.index, one.statistic, one.rose, one.rows, one.mean) for one in expected]
    assert expected
    assert state == json.loads(json.dumps(undisturbed.to_json(), allow_nan=False))


def prepared(detector: str) -> tuple[ChangeMonitor, Baseline]:
    direction = "up" if detector == "ddm" else "both"
    spec = monitor(detector, direction=direction, run_length=5000)
    return spec, baseline_of(spec, np.random.default_rng(9).exponential(0.2, 2000))


PREPARED = {detector: prepared(detector) for detector in DETECTORS}


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_blinds_a_detector(detector: str) -> None:
    """What comes before the rise: no number at all, the largest numbers there are, always the same."""
    spec, baseline = PREPARED[detector]
    watching = baseline.detector_of(spec, 1, None)
    assert watching.feed(np.full(100, np.nan)) == []
    assert watching.feed(np.array([])) == []
    watching.feed(np.array([1.7e308, -1.7e308, math.inf]))
    assert watching.skipped == 101
    watching.feed(np.full(2000, baseline.mean))
    rng = np.random.default_rng(10)
    watching.feed(rng.exponential(0.2, 1500))
    assert watching.feed(rng.exponential(0.8, 3000))
    assert math.isfinite(watching.statistic)


@pytest.mark.parametrize("detector", DETECTORS)
def test_an_explicit_threshold_is_the_detectors_own(detector: str) -> None:
    given_, direction = {"adwin": 0.3, "kswin": 0.2}.get(detector, 2.5), "up"
    spec = monitor(detector, threshold=given_, direction=direction)
    eager = baseline_of(spec, np.random.default_rng(11).exponential(0.2, 2000)).detector_of(spec, 1, None)
    values = np.random.default_rng(12).exponential(np.repeat([0.2, 0.6], [500, 2000]))
    patient_spec = monitor(detector, direction=direction)
    patient = baseline_of(patient_spec, np.random.default_rng(11).exponential(0.2, 2000))
    later = patient.detector_of(patient_spec, 1, None).feed(values)
    assert eager.feed(values)[0].index <= later[0].index
    if detector not in ("adwin", "kswin"):
        assert eager.threshold == given_


@pytest.mark.parametrize("detector", ["adwin", "kswin", "ddm"])
def test_a_change_between_the_baseline_and_the_first_row_is_found(detector: str) -> None:
    spec, baseline = PREPARED[detector]
    assert baseline.detector_of(spec, 1, None).feed(np.random.default_rng(13).exponential(0.8, 1000))


@pytest.mark.parametrize("detector", ["e_detector", "adwin", "kswin"])
def test_correlated_losses_are_averaged_over_blocks(detector: str) -> None:
    rng, spec = np.random.default_rng(14), monitor(detector)
    correlated = baseline_of(spec, hourly_losses(rng, 20_000)).settings
    independent = baseline_of(spec, rng.normal(size=20_000)).settings
    blocks = [one.get("block") or one["means"]["block"] for one in (correlated, independent)]
    assert blocks[0] > 20
    assert blocks[1] < 5
