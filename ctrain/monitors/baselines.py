"""Baselines of losses: what a champion's losses are compared with, from rows it had not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.page_hinkley import DELTA
from ctrain.stats.run_length import calibrate, mean_slack

Floats = npt.NDArray[np.float64]
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What losses are compared with, and the threshold that keeps false alarms rare."""

    mean: float
    sd: float
    delta: float
    """Tolerated change in standard deviations, the error of ``mean`` included."""
    threshold: float
    n: int
    origin: str
    """Where the threshold comes from, in words."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Json) -> Baseline:
        return cls(**stored)


def make_baseline(monitor: ChangeMonitor, losses: npt.ArrayLike, seed: int = 0) -> Baseline | None:
    """Return the baseline of out-of-sample losses, or None while there are too few to make one.

    Parameters
    ----------
    monitor
        ``min_rows`` and ``run_length``, or an explicit ``threshold`` in standard deviations.
    losses
        of rows that the model was not trained on, in event-time order; NaN are left out.
    seed
        of the bootstrap that calibrates the threshold.

    Returns
    -------
    Baseline or None
        None with fewer than ``min_rows`` losses, or when all of them are equal.

    Examples
    --------
    >>> monitor = ChangeMonitor(type="change", hold="1d", min_rows=100, threshold=40)
    >>> baseline = make_baseline(monitor, np.tile([0.1, 0.3], 50))
    >>> round(baseline.mean, 2), round(baseline.sd, 2), baseline.threshold
    (0.2, 0.1, 40.0)

    References
    ----------
    ``ctrain.stats.run_length`` for threshold and slack.
    """
    if monitor.detector != "page_hinkley":
        raise ValueError(f"the detector {monitor.detector} is not available")
    values = np.asarray(losses, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < monitor.min_rows or _constant(values):
        return None
    threshold, origin = monitor.threshold, "set by the policy"
    if threshold is None:
        threshold = calibrate(values, monitor.run_length, seed, direction=monitor.direction)
        origin = f"block bootstrap of {values.size} losses for a run length of {monitor.run_length}"
    delta = DELTA + mean_slack(values)
    return Baseline(float(values.mean()), float(values.std()), delta, threshold, values.size, origin)


def _constant(values: Floats) -> bool:
    largest, smallest = float(values.max()), float(values.min())
    return largest - smallest <= EPSILON * max(abs(largest), abs(smallest))


def rows_for_baseline(pool: Floats, min_rows: int) -> int:
    """Return how many of the first losses make a baseline: ``min_rows``, more while all are equal."""
    others = np.flatnonzero(pool != pool[0]) if pool.size else np.empty(0, dtype=np.intp)
    return max(min_rows, int(others[0]) + 1) if others.size else pool.size
