"""DDM: the running mean of errors against the lowest it has been.

With the mean p of n values in [0, 1] since the beginning and ``s = sqrt(p (1 - p) / n)``, the least
``p + s`` so far is remembered as ``p_min + s_min``, and a rise is detected when::

    p + s > p_min + level * s_min

The variant is river's (0.26). Started from nothing it is blind to what a model was worth before, and
with rare errors the first one is a detection: a mean of zero has no spread. Given a baseline, it
starts, and starts anew after a detection, as if it had seen that many rows with that mean. The mean
is over all rows since then, so a rise after a long time takes long to be found.

References
----------
Gama, J., Medas, P., Castillo, G. and Rodrigues, P. (2004). Learning with drift detection. SBIA,
286-295.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctrain.domain import Json
from ctrain.stats.detectors.detection import (
    Detection,
    Floats,
    Indices,
    PiecewiseDetector,
    Range,
)

WARM_START = 30
LARGEST = 1e6
"""Of the statistic, where the least spread is zero."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What DDM starts from: so many values with this mean."""

    rows: int = 0
    mean: float = 0.0


@dataclass(slots=True)
class _Running:
    rows: int
    total: float
    least: float
    """p_min + s_min; infinite before the warm start is over."""
    mean_then: float
    spread_then: float
    rows_then: int
    total_then: float

    @classmethod
    def begin(cls, seen: Seen) -> _Running:
        running = cls(seen.rows, seen.rows * seen.mean, math.inf, 0.0, 0.0, 0, 0.0)
        if seen.rows > WARM_START:
            running.remember(seen.rows, running.total)
        return running

    def remember(self, rows: int, total: float) -> None:
        """Take the mean of so many rows for the lowest."""
        mean, spread = _mean_and_spread(np.array([float(rows)]), np.array([total]))
        self.mean_then, self.spread_then = float(mean[0]), float(spread[0])
        self.least = self.mean_then + self.spread_then
        self.rows_then, self.total_then = rows, total

    def statistic(self) -> float:
        if self.rows <= WARM_START or not math.isfinite(self.least):
            return 0.0
        mean, spread = _mean_and_spread(np.array([float(self.rows)]), np.array([self.total]))
        excess = float(mean[0] + spread[0]) - self.mean_then
        if excess <= 0:
            return 0.0
        return min(LARGEST, excess / self.spread_then) if self.spread_then > 0 else LARGEST


class Ddm(PiecewiseDetector):
    """DDM with river's rules on values that are brought to [0, 1]; it finds rises only.

    Parameters
    ----------
    scale
        brings values to [0, 1].
    level
        river's ``drift_threshold``.
    seen
        what it starts from; nothing, as river, by default.
    state
        what ``to_json`` returned; None at the beginning.

    Examples
    --------
    >>> detector = Ddm(Range(0, 1), level=3.0, seen=Seen(rows=500, mean=0.2))
    >>> [found.index for found in detector.feed(np.tile([0.0, 1.0], 200))]
    [67, 135, 203, 271, 339]
    """

    kind = "ddm"

    def __init__(
        self, scale: Range, *, level: float, seen: Seen | None = None, state: Json | None = None
    ) -> None:
        super().__init__(state)
        self._scale, self.threshold, self._seen = scale, level, seen or Seen()
        self._running = _running_of(state["running"]) if state else _Running.begin(self._seen)

    @property
    def statistic(self) -> float:
        """``(p + s - p_min) / s_min``; 0 during the warm start."""
        return self._running.statistic()

    def _detections(self, positions: Indices, values: Floats) -> Iterator[Detection]:
        values, start = self._scale.to_unit(values), 0
        while start < values.size:
            end, detected = self._advance(values[start:])
            start += end
            if detected:
                yield self._detection(int(positions[start - 1]))
                self._running = _Running.begin(self._seen)

    def _advance(self, values: Floats) -> tuple[int, bool]:
        """Go on to the first detection, or to the end; return how many values it took."""
        running = self._running
        rows = running.rows + np.arange(1.0, values.size + 1)
        totals = np.cumsum(np.concatenate([[running.total], values]))[1:]
        means, spreads = _mean_and_spread(rows, totals)
        sums = np.where(rows > WARM_START, means + spreads, math.inf)
        least = np.minimum(np.minimum.accumulate(sums), running.least)
        lowest = np.isfinite(sums) & (sums <= least)
        latest = np.maximum.accumulate(np.where(lowest, np.arange(values.size), -1))
        mean_then = np.where(latest >= 0, means[latest], running.mean_then)
        spread_then = np.where(latest >= 0, spreads[latest], running.spread_then)
        over = (rows > WARM_START) & (means + spreads > mean_then + self.threshold * spread_then)
        first = int(over.argmax())
        end = first + 1 if over[first] else values.size
        running.rows, running.total = int(rows[end - 1]), float(totals[end - 1])
        if latest[end - 1] >= 0:
            running.remember(int(rows[latest[end - 1]]), float(totals[latest[end - 1]]))
        return end, bool(over[first])

    def _detection(self, index: int) -> Detection:
        running = self._running
        rows = running.rows - running.rows_then
        mean = (running.total - running.total_then) / max(rows, 1)
        return Detection(index, running.statistic(), True, rows, self._scale.from_unit(mean))

    def _state_to_json(self) -> dict[str, Any]:
        running = self._running
        return {
            "running": {
                "rows": running.rows,
                "total": running.total,
                "rows_then": running.rows_then,
                "total_then": running.total_then,
            },
        }


def _running_of(state: Json) -> _Running:
    running = _Running(int(state["rows"]), float(state["total"]), math.inf, 0.0, 0.0, 0, 0.0)
    if state["rows_then"]:
        running.remember(int(state["rows_then"]), float(state["total_then"]))
    return running


def _mean_and_spread(rows: Floats, totals: Floats) -> tuple[Floats, Floats]:
    means = np.clip(totals / rows, 0.0, 1.0)
    spreads: Floats = np.sqrt(means * (1 - means) / rows)
    return means, spreads
