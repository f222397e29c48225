"""What change detectors have to know of a baseline: values the model was not trained on.

===============  ===================================================================================
e_detector       the mean is taken to be as high (for falls: as low) as its 97.5 % bound says
page_hinkley,    threshold by block bootstrap of the baseline; the error of the baseline's mean is
cusum            tolerated on top of ``delta``
adwin, kswin     the window begins with the baseline
ddm              begins, and begins anew, as if it had seen the baseline
===============  ===================================================================================

Where rows are correlated, e_detector, adwin and kswin are given means of blocks that are nearly
independent; the other three have it in their thresholds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ctrain.monitors.detectors import windowed
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.blocks import LENGTHS_PER_BLOCK, correlation_length
from ctrain.stats.detectors.cusum import ALLOWANCE
from ctrain.stats.detectors.detection import CLIP, Floats, Range
from ctrain.stats.detectors.e_detector import MeanBounds
from ctrain.stats.detectors.page_hinkley import DELTA
from ctrain.stats.run_length import BLOCKS, CONFIDENCE_FACTOR, calibrate, mean_slack

Bounds = tuple[float, float]

CALIBRATED = frozenset({"page_hinkley", "cusum"})
"""Detectors whose threshold is made with the baseline: another run length needs another baseline."""
OUTER = 0.005
"""Share of a baseline's values on either side that is clipped where values have no natural bounds."""
LARGEST = 1e100
"""No value counts for more: its square would be infinite."""
CLIPPINGS = 400
WINDOW_BLOCKS = 10_000
"""Latest values of a baseline (or means of blocks) that a window begins with."""


@dataclass(frozen=True, slots=True)
class DetectorSetup:
    """What a detector has to know of a baseline."""

    mean: float
    sd: float
    """Mean and standard deviation of the values, clipped as the detector clips them."""
    settings: dict[str, Any]
    threshold: float | None = None
    origin: str = ""


def set_up_detector(
    monitor: ChangeMonitor, values: Floats, run_length: int, bounds: Bounds | None, seed: int
) -> DetectorSetup | None:
    """Return what the monitor's detector needs to know of the values; None: they leave it no room.

    Parameters
    ----------
    monitor
        detector, direction and an explicit threshold.
    values
        finite, not all equal, in event-time order, at least 30.
    run_length
        rows between two false alarms that are wanted.
    bounds
        smallest and largest value that is possible; None: taken from the values.
    seed
        of the bootstrap.
    """
    match monitor.detector:
        case "e_detector":
            return _setup_of_bets(monitor, values, run_length, bounds)
        case "page_hinkley" | "cusum":
            return _setup_of_sums(monitor, values, run_length, seed)
        case "adwin" | "kswin":
            return _setup_of_window(monitor, values, run_length, bounds)
        case "ddm":
            return _setup_of_running_mean(values, run_length, bounds)


def _setup_of_sums(monitor: ChangeMonitor, values: Floats, run_length: int, seed: int) -> DetectorSetup:
    values = clipped(values)
    mean, sd = float(values.mean()), float(values.std())
    tolerated = ALLOWANCE if monitor.detector == "cusum" else DELTA
    settings = {"delta": tolerated + mean_slack(values)}
    if monitor.threshold is not None:
        return DetectorSetup(mean, sd, settings, None, "set by the policy")
    threshold = calibrate(values, run_length, seed, tolerated, monitor.direction)
    origin = f"block bootstrap of {values.size} values for a run length of {run_length}"
    return DetectorSetup(mean, sd, settings, threshold, origin)


def clipped(values: Floats) -> Floats:
    """Return the values within ten standard deviations of their mean, both taken of the result.

    >>> clipped(np.append(np.tile([-1.0, 1.0], 500), 1e300)).max().round(1)
    np.float64(10.5)
    """
    inside = np.clip(values, -LARGEST, LARGEST)
    for _ in range(CLIPPINGS):
        mean, reach = inside.mean(), CLIP * inside.std()
        if np.abs(inside - mean).max() <= reach * (1 + 1e-9):
            break
        inside = np.clip(inside, mean - reach, mean + reach)
    return inside


def _setup_of_bets(
    monitor: ChangeMonitor, values: Floats, run_length: int, bounds: Bounds | None
) -> DetectorSetup | None:
    scale = range_of(values, bounds)
    shares = scale.to_unit(values)
    mean, sd = float(shares.mean()), float(shares.std())
    slack = mean_slack(shares) * sd
    block = _independent_rows(shares)
    whole = shares.size // block * block
    block_sd = float(shares[-whole:].reshape(-1, block).mean(axis=1).std())
    means = MeanBounds(max(mean - slack, 0.0), min(mean + slack, 1.0), sd, block, block_sd)
    no_rise, no_fall = means.upper >= 1, means.lower <= 0
    if {"up": no_rise, "down": no_fall, "both": no_rise and no_fall}[monitor.direction]:
        return None
    origin = f"a run length of {run_length} by construction"
    settings = {"range": asdict(scale), "means": asdict(means)}
    return DetectorSetup(*_moments(scale, shares), settings, None, origin)


def _setup_of_window(
    monitor: ChangeMonitor, values: Floats, run_length: int, bounds: Bounds | None
) -> DetectorSetup:
    scale = range_of(values, bounds)
    shares = scale.to_unit(values)
    settings: dict[str, Any] = {"range": asdict(scale), "block": _independent_rows(shares)}
    detector = windowed(monitor, settings, monitor.threshold, run_length, None)
    detector.feed(values[-WINDOW_BLOCKS * settings["block"] :])
    settings["start"] = detector.to_json()
    origin = f"a run length of {run_length} by the probability of a false alarm at one look"
    return DetectorSetup(*_moments(scale, shares), settings, None, origin)


def _setup_of_running_mean(values: Floats, run_length: int, bounds: Bounds | None) -> DetectorSetup:
    scale = range_of(values, bounds)
    shares = scale.to_unit(values)
    independent = CONFIDENCE_FACTOR / math.sqrt(values.size)
    settings = {
        "range": asdict(scale),
        "seen": {"rows": values.size, "mean": float(shares.mean())},
        "widening": max(1.0, mean_slack(shares) / independent),
    }
    return DetectorSetup(
        *_moments(scale, shares), settings, None, f"a run length of {run_length} as measured"
    )


def _moments(scale: Range, shares: Floats) -> tuple[float, float]:
    """Mean and standard deviation of the clipped values on their own scale."""
    return scale.from_unit(float(shares.mean())), float(shares.std()) * (scale.high - scale.low)


def _independent_rows(values: Floats) -> int:
    """Rows of a block whose mean is nearly independent of the next; 1 when rows do not correlate."""
    wanted = math.ceil(LENGTHS_PER_BLOCK * correlation_length(values))
    return max(1, min(wanted, values.size // BLOCKS))


def range_of(values: Floats, bounds: Bounds | None) -> Range:
    """Return the bounds of values; by themselves the central 99 %, or all where that is one point.

    >>> range_of(np.append(np.zeros(999), 5.0), None)
    Range(low=0.0, high=5.0)
    """
    if bounds is not None:
        return Range(*bounds)
    low, high = (float(one) for one in np.quantile(values, [OUTER, 1 - OUTER], method="nearest"))
    if high <= low:
        low, high = max(float(values.min()), -LARGEST), min(float(values.max()), LARGEST)
    return Range(low, high)
