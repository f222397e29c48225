"""Page-Hinkley on losses through river, against a fixed baseline, with a calibrated threshold.

For losses x with baseline mean m and standard deviation s, the test for a rise follows::

    z_t = clip((x_t - m) / s, -10, 10)
    S_t = S_(t-1) + z_t - delta
    statistic_t = S_t - min(S_1 ... S_t),   detected when above the threshold

and starts anew after a detection. river's detector subtracts the running mean of what it has seen
since its last reset; a slow rise would become part of it, and after a detection the risen level
would be the new normal. Its mean is therefore held at the baseline (zero after standardising), and
its forgetting factor is 1.

river keeps one NaN or infinity for ever, so such values never reach it: they are skipped and counted.

References
----------
Page, E. S. (1954). Continuous inspection schemes. Biometrika 41(1/2), 100-115.
Hinkley, D. V. (1971). Inference about the change-point from cumulative sum tests. Biometrika 58(3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json

if TYPE_CHECKING:
    from river.drift import PageHinkley

Floats = npt.NDArray[np.float64]
Direction = Literal["up", "down", "both"]

STATE_VERSION = 1
CLIP = 10.0
DELTA = 0.1
"""Change of the mean, in standard deviations of a row, that is always tolerated."""
HELD = 1e300
"""Weight of the held mean: no row moves it by as much as one unit in the last place."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What losses are compared with: their mean and standard deviation out of sample."""

    mean: float
    sd: float

    def standardise(self, losses: Floats) -> Floats:
        """Return the losses in standard deviations from the mean, clipped; NaN stays NaN."""
        return np.clip((losses - self.mean) / self.sd, -CLIP, CLIP)


@dataclass(frozen=True, slots=True)
class Detection:
    """Where in the losses that were fed a change was detected, and what it looked like."""

    index: int
    statistic: float
    rose: bool
    rows: int
    """Rows since the change, by the statistic's last return to zero (Page's estimate of its time)."""
    mean: float
    """Mean of their losses, outliers clipped."""


class LossDetector:
    """River's Page-Hinkley with its mean held at a baseline; state is JSON, exact over restarts.

    Threshold and direction may differ from those of the state: the new threshold holds from now
    on, and another direction starts anew.

    >>> import numpy as np
    >>> detector = LossDetector(Scale(0.2, 0.1), threshold=20, delta=0.1, direction="up")
    >>> [found.index for found in detector.feed(np.array([0.2] * 50 + [np.nan] + [0.5] * 10))]
    [57]
    >>> detector.skipped
    1
    """

    def __init__(
        self,
        scale: Scale,
        *,
        threshold: float,
        delta: float,
        direction: Direction,
        state: Json | None = None,
    ) -> None:
        self._scale = scale
        self._threshold = threshold
        self._delta = delta
        self._direction = direction
        self.skipped = int(state["skipped"]) if state else 0
        self._begin()
        if state and state["river"]["mode"] == direction:
            self._river = restore_river(state["river"])
            self._river.threshold = threshold
            self._rising, self._falling = int(state["rising"]), int(state["falling"])

    def _begin(self) -> None:
        from river import drift

        self._river = drift.PageHinkley(
            min_instances=1,
            delta=self._delta,
            threshold=self._threshold,
            alpha=1.0,
            mode=self._direction,
        )
        self._river._x_mean.n = HELD
        self._rising = self._falling = 0

    def feed(self, losses: Floats) -> list[Detection]:
        """Return the detections in ``losses``, fed in order; the detector starts anew after each."""
        usable = np.isfinite(losses)
        self.skipped += int(losses.size - usable.sum())
        return list(self._detections(np.flatnonzero(usable), self._scale.standardise(losses[usable])))

    def _detections(self, positions: npt.NDArray[np.intp], values: Floats) -> Iterator[Detection]:
        for index, value in zip(positions.tolist(), values.tolist(), strict=True):
            river = self._river
            river.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
            self._rising = self._rising + 1 if river._sum_increase > river._min_increase else 0
            self._falling = self._falling + 1 if river._sum_decrease < river._max_decrease else 0
            if river.drift_detected:
                yield self._detection(index)
                self._begin()

    def _detection(self, index: int) -> Detection:
        rise, fall = self._sides()
        rose = self._direction == "up" or (self._direction == "both" and rise > self._threshold)
        rows, size = (self._rising, rise) if rose else (self._falling, fall)
        change = size / max(rows, 1) + self._delta
        mean = self._scale.mean + self._scale.sd * (change if rose else -change)
        return Detection(index, size, rose, rows, mean)

    @property
    def statistic(self) -> float:
        """What is compared with the threshold; 0 before the first loss."""
        rise, fall = self._sides()
        wanted = {"up": rise, "down": fall, "both": max(rise, fall)}[self._direction]
        return max(0.0, wanted)

    def _sides(self) -> tuple[float, float]:
        river = self._river
        return river._sum_increase - river._min_increase, river._max_decrease - river._sum_decrease

    def to_json(self) -> dict[str, Any]:
        return {
            "skipped": self.skipped,
            "rising": self._rising,
            "falling": self._falling,
            "river": save_river(self._river),
        }


def save_river(detector: PageHinkley) -> dict[str, Any]:
    """Return settings and state of river's detector as JSON; infinities are written as null."""
    return {
        "version": STATE_VERSION,
        "min_instances": detector.min_instances,
        "delta": detector.delta,
        "threshold": detector.threshold,
        "alpha": detector.alpha,
        "mode": detector.mode,
        "n": detector._x_mean.n,
        "mean": detector._x_mean.get(),
        "sum_increase": detector._sum_increase,
        "sum_decrease": detector._sum_decrease,
        "min_increase": detector._min_increase if math.isfinite(detector._min_increase) else None,
        "max_decrease": detector._max_decrease,
        "detected": detector.drift_detected,
    }


def restore_river(state: Json) -> PageHinkley:
    """Return river's detector as it was when ``save_river`` wrote ``state``.

    Raises
    ------
    ValueError
        for another version of the state.
    """
    from river import drift, stats

    if state.get("version") != STATE_VERSION:
        raise ValueError(f"unknown version of a Page-Hinkley state: {state.get('version')}")
    detector = drift.PageHinkley(
        min_instances=state["min_instances"],
        delta=state["delta"],
        threshold=state["threshold"],
        alpha=state["alpha"],
        mode=state["mode"],
    )
    detector._x_mean = stats.Mean._from_state(n=state["n"], mean=state["mean"])
    detector._sum_increase = state["sum_increase"]
    detector._sum_decrease = state["sum_decrease"]
    detector._min_increase = math.inf if state["min_increase"] is None else state["min_increase"]
    detector._max_decrease = state["max_decrease"]
    detector._drift_detected = state["detected"]
    return detector
