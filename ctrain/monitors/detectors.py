"""The detector of a change monitor, from its settings and for its run length.

===============  ===================================================  ===============================
detector         from the run length                                  ``threshold`` of the policy
===============  ===================================================  ===============================
e_detector       threshold ``log(1 + run length)``, by construction   of ``log(1 + M)``
page_hinkley,    calibrated with the baseline                         sum in standard deviations
cusum
adwin            probability of a false alarm at one look             ``delta``
kswin            the same                                             ``alpha``
ddm              drift level ``sqrt(log(run length))``, widened       drift level
                 where rows are correlated
===============  ===================================================  ===============================

ADWIN and KSWIN look once in so many rows; a false alarm at one look with probability at most ``look /
run length`` keeps the run length whatever the distribution. For DDM the level was measured, not
derived: on independent errors it keeps run lengths of 1,000 to 100,000 with room to spare.
"""

from __future__ import annotations

import math

from ctrain.domain import Json
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.detectors.adwin import CLOCK, Adwin
from ctrain.stats.detectors.cusum import Cusum
from ctrain.stats.detectors.ddm import Ddm, Seen
from ctrain.stats.detectors.detection import Detector, Range, Scale
from ctrain.stats.detectors.e_detector import EDetector, MeanBounds
from ctrain.stats.detectors.kswin import Kswin, Windows
from ctrain.stats.detectors.page_hinkley import PageHinkley

MOST_AT_A_LOOK = 0.5
"""Highest probability of a false alarm at one look that a short run length is turned into."""

FEWEST_BLOCKS = 50
"""Means of blocks that KSWIN compares at least."""


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
        what ``set_up_detector`` found.
    scale
        mean and standard deviation of the baseline.
    run_length
        for detectors whose threshold follows from it.
    state
        what the detector's ``to_json`` returned.

    Examples
    --------
    >>> monitor = ChangeMonitor(type="change", detector="cusum", hold="1d", direction="both")
    >>> detector_of(monitor, {"delta": 0.3}, Scale(0.2, 0.1), 15.0, 1000, None).threshold
    15.0

    References
    ----------
    See the module's table.
    """
    level = monitor.threshold if monitor.threshold is not None else threshold
    match monitor.detector:
        case "e_detector":
            return _e_detector(monitor, settings, level, run_length, state)
        case "page_hinkley" | "cusum":
            if level is None:
                raise ValueError(f"{monitor.detector} has no threshold: make a baseline for it first")
            kind = Cusum if monitor.detector == "cusum" else PageHinkley
            delta, direction = settings["delta"], monitor.direction
            return kind(scale, threshold=level, delta=delta, direction=direction, state=state)
        case "ddm":
            known = Range(**settings["range"]), Seen(**settings["seen"])
            level = settings["widening"] * math.sqrt(math.log(run_length)) if level is None else level
            return Ddm(known[0], level=level, seen=known[1], state=state)
        case "adwin" | "kswin":
            return windowed(monitor, settings, level, run_length, state or settings.get("start"))


def _e_detector(
    monitor: ChangeMonitor, settings: Json, level: float | None, run_length: int, state: Json | None
) -> EDetector:
    means = MeanBounds(**settings["means"])
    goal = math.log1p(run_length / means.block) if level is None else level
    return EDetector(
        Range(**settings["range"]), means, threshold=goal, direction=monitor.direction, state=state
    )


def windowed(
    monitor: ChangeMonitor, settings: Json, level: float | None, run_length: int, state: Json | None
) -> Adwin | Kswin:
    """Return a detector that compares parts of a window of the stream."""
    scale, block, direction = Range(**settings["range"]), settings["block"], monitor.direction
    if monitor.detector == "adwin":
        delta = _at_a_look(CLOCK * block, run_length) if level is None else level
        return Adwin(scale, delta=delta, direction=direction, block=block, state=state)
    windows = _windows(block)
    alpha = _at_a_look(windows.every * block, run_length) if level is None else level
    return Kswin(scale, alpha=alpha, direction=direction, windows=windows, block=block, state=state)


def _windows(block: int) -> Windows:
    """Sizes of KSWIN's windows; of means of blocks fewer are needed, and many would last too long."""
    newest = max(FEWEST_BLOCKS, Windows().newest // block)
    return Windows(3 * newest, newest, newest // 10)


def _at_a_look(rows: int, run_length: int) -> float:
    """Probability of a false alarm at one look, when there is a look every so many rows."""
    return min(rows / run_length, MOST_AT_A_LOOK)
