"""Baselines: what a champion's values are compared with, from rows it had not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.monitors.detector_setup import CALIBRATED, Bounds, set_up_detector
from ctrain.monitors.detectors import detector_of
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.detectors.detection import Detector, Scale

Floats = npt.NDArray[np.float64]
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What values are compared with, and how the detector was set up from them."""

    mean: float
    sd: float
    n: int
    detector: str
    direction: str
    run_length: int
    threshold: float | None
    """What was calibrated for ``run_length``; None where nothing was."""
    origin: str
    """Where the threshold comes from, in words."""
    settings: Json

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Json) -> Baseline:
        return cls(**stored)

    def fits(self, monitor: ChangeMonitor, segments: int = 1) -> bool:
        """False when the policy now asks for what this baseline was not made for."""
        if self.detector != monitor.detector:
            return False
        if monitor.detector not in CALIBRATED or monitor.threshold is not None:
            return True
        made_for = (self.run_length, self.direction)
        return self.threshold is not None and made_for == (monitor.run_length * segments, monitor.direction)

    def detector_of(self, monitor: ChangeMonitor, segments: int, state: Json | None) -> Detector:
        """The detector as its state says, or at its beginning."""
        scale, run_length = Scale(self.mean, self.sd), monitor.run_length * segments
        return detector_of(monitor, self.settings, scale, self.threshold, run_length, state)


def make_baseline(
    monitor: ChangeMonitor,
    values: npt.ArrayLike,
    *,
    bounds: Bounds | None = None,
    segments: int = 1,
    seed: int = 0,
) -> Baseline | None:
    """Return the baseline of out-of-sample values, or None while there are too few to make one.

    Parameters
    ----------
    monitor
        ``detector``, ``min_rows`` and ``run_length``, or an explicit ``threshold``.
    values
        of rows that the model was not trained on, in event-time order; what is not finite is left
        out.
    bounds
        smallest and largest value that is possible, when known.
    segments
        how many detectors share the run length: each gets as many times of it.
    seed
        of the bootstrap that calibrates the threshold.

    Returns
    -------
    Baseline or None
        None with fewer than ``min_rows`` values, when all of them are equal, or when they leave no
        room for a change: an e-detector's bound of the mean may be as high as values can be.

    Examples
    --------
    >>> monitor = ChangeMonitor(
    ...     type="change", detector="page_hinkley", hold="1d", min_rows=100, run_length=10_000
    ... )
    >>> baseline = make_baseline(monitor, np.tile([0.1, 0.3], 50))
    >>> round(baseline.mean, 2), round(baseline.sd, 2), baseline.n
    (0.2, 0.1, 100)

    References
    ----------
    ``ctrain.stats.run_length`` for threshold and slack.
    """
    usable = np.asarray(values, dtype=np.float64)
    usable = usable[np.isfinite(usable)]
    if usable.size < monitor.min_rows or _constant(usable):
        return None
    run_length = monitor.run_length * segments
    setup = set_up_detector(monitor, usable, run_length, bounds, seed)
    if setup is None:
        return None
    return Baseline(
        mean=setup.mean,
        sd=setup.sd,
        n=usable.size,
        detector=monitor.detector,
        direction=monitor.direction,
        run_length=run_length,
        threshold=setup.threshold,
        origin=setup.origin,
        settings=setup.settings,
    )


def _constant(values: Floats) -> bool:
    largest, smallest = float(values.max()), float(values.min())
    return largest - smallest <= EPSILON * max(abs(largest), abs(smallest))


def rows_for_baseline(pool: Floats, min_rows: int) -> int:
    """Return how many of the first values make a baseline: ``min_rows``, more while all are equal."""
    others = np.flatnonzero(pool != pool[0]) if pool.size else np.empty(0, dtype=np.intp)
    return max(min_rows, int(others[0]) + 1) if others.size else pool.size
