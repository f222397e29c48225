"""Change detectors set up for a wanted run length, from values the model was not trained on.

===============  ===================================================================================
e_detector       the run length is its threshold, by construction; the mean is taken to be as high
                 as its 97.5 % bound says
page_hinkley,    threshold by block bootstrap of the baseline; the error of the baseline's mean is
cusum            tolerated on top of ``delta``
===============  ===================================================================================

An explicit ``threshold`` of the policy is the detector's own: ``log(1 + M)`` of an e-detector, the
sum in standard deviations of page_hinkley and cusum.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ctrain.domain import Json
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.blocks import LENGTHS_PER_BLOCK, correlation_length
from ctrain.stats.detectors.detection import CLIP, Detector, Floats, Range, Scale
from ctrain.stats.detectors.e_detector import EDetector, MeanBounds
from ctrain.stats.detectors.page_hinkley import DELTA, PageHinkley
from ctrain.stats.run_length import BLOCKS, calibrate, mean_slack

Bounds = tuple[float, float]

CALIBRATED = frozenset({"page_hinkley", "cusum"})
"""Detectors whose threshold is made with the baseline: another run length needs another baseline."""
OUTER = 0.005
"""Share of a baseline's values on either side that is clipped where values have no natural bounds."""
LARGEST = 1e100
"""No value counts for more: its square would be infinite."""
CLIPPINGS = 400


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a detector has to know of a baseline."""

    mean: float
    sd: float
    """Mean and standard deviation of the values, clipped as the detector clips them."""
    settings: dict[str, Any]
    threshold: float | None = None
    origin: str = ""


def tune(monitor: ChangeMonitor, values: Floats, run_length: int, bounds: Bounds | None, seed: int) -> Tuned:
    """Return what the monitor's detector needs to know of the baseline's values.

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
    if monitor.detector == "e_detector":
        return _tuned_bets(values, run_length, bounds)
    return _tuned_sums(monitor, values, run_length, seed)


def _tuned_sums(monitor: ChangeMonitor, values: Floats, run_length: int, seed: int) -> Tuned:
    values = clipped(values)
    mean, sd = float(values.mean()), float(values.std())
    settings = {"delta": DELTA + mean_slack(values)}
    if monitor.threshold is not None:
        return Tuned(mean, sd, settings, None, "set by the policy")
    threshold = calibrate(values, run_length, seed, DELTA, monitor.direction)
    origin = f"block bootstrap of {values.size} values for a run length of {run_length}"
    return Tuned(mean, sd, settings, threshold, origin)


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


def _tuned_bets(values: Floats, run_length: int, bounds: Bounds | None) -> Tuned:
    scale = range_of(values, bounds)
    shares = scale.to_unit(values)
    mean, sd = float(shares.mean()), float(shares.std())
    slack = mean_slack(shares) * sd
    block = _independent_rows(shares)
    whole = shares.size // block * block
    block_sd = float(shares[-whole:].reshape(-1, block).mean(axis=1).std())
    means = MeanBounds(max(mean - slack, 0.0), min(mean + slack, 1.0), sd, block, block_sd)
    origin = f"a run length of {run_length} by construction"
    width = scale.high - scale.low
    settings = {"range": asdict(scale), "means": asdict(means)}
    return Tuned(scale.from_unit(mean), sd * width, settings, None, origin)


def _independent_rows(values: Floats) -> int:
    """Rows of a block whose mean is nearly independent of the next; 1 when rows do not correlate."""
    wanted = math.ceil(LENGTHS_PER_BLOCK * correlation_length(values))
    return max(1, min(wanted, values.size // BLOCKS))


def range_of(values: Floats, bounds: Bounds | None) -> Range:
    """Return the bounds of values, by themselves the central 99 %; all of it when that is one point.

    >>> range_of(np.append(np.zeros(999), 5.0), None)
    Range(low=0.0, high=5.0)
    """
    if bounds is not None:
        return Range(*bounds)
    low, high = np.quantile(values, [OUTER, 1 - OUTER], method="nearest")
    if high <= low:
        low, high = values.min(), values.max()
    return Range(float(low), float(high))


def detector_of(
    monitor: ChangeMonitor,
    settings: Json,
    scale: Scale,
    threshold: float | None,
    run_length: int,
    state: Json | None,
) -> Detector:
    """Return the monitor's detector as its state says, or at its beginning.

    Parameters
    ----------
    monitor
        detector, direction, and the threshold that overrules every other.
    settings, threshold
        what ``tune`` found.
    scale
        mean and standard deviation of the baseline.
    run_length
        for detectors whose threshold follows from it.
    state
        what the detector's ``to_json`` returned.
    """
    level = monitor.threshold if monitor.threshold is not None else threshold
    if monitor.detector == "e_detector":
        means = MeanBounds(**settings["means"])
        goal = math.log1p(run_length / means.block) if level is None else level
        return EDetector(
            Range(**settings["range"]), means, threshold=goal, direction=monitor.direction, state=state
        )
    if level is None:
        raise ValueError(f"{monitor.detector} has no threshold: make a baseline for it first")
    return PageHinkley(
        scale, threshold=level, delta=settings["delta"], direction=monitor.direction, state=state
    )
