"""Page-Hinkley against a fixed baseline, as cumulative sums of whole arrays.

For values x with baseline mean m and standard deviation s, the test for a rise follows::

    z_t = clip((x_t - m) / s, -10, 10)
    S_t = S_(t-1) + z_t - delta
    statistic_t = S_t - min(S_1 ... S_t),   detected when above the threshold

and starts anew after a detection. The classic form (``classic.page_hinkley``) subtracts the running mean of
what it has seen since its last reset instead; a slow rise becomes part of it, and after a detection
the risen level is the new normal. Here the mean is held at the baseline.

``np.cumsum`` adds one value after the other, so the sums have the same bits as those of a loop.

References
----------
Page, E. S. (1954). Continuous inspection schemes. Biometrika 41(1/2), 100-115.
Hinkley, D. V. (1971). Inference about the change-point from cumulative sum tests. Biometrika 58(3).
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
    Direction,
    Floats,
    Indices,
    PiecewiseDetector,
    Scale,
)

DELTA = 0.1
"""Change of the mean, in standard deviations of a row, that is always tolerated."""
LOWEST_OF_FALLS = 1.0
"""What river's sum for falls (here with its sign turned) is compared with before the first value."""
SHORTEST, LONGEST = 512, 8192
"""Rows that are summed at once: few after a detection, because what follows the next one is thrown away."""


@dataclass(slots=True)
class _Side:
    """Cumulative sum of one direction; of falls it is kept with its sign turned."""

    total: float
    lowest: float
    rows: int = 0
    """Rows since the statistic was last zero."""

    @property
    def statistic(self) -> float:
        return max(0.0, self.total - self.lowest) if math.isfinite(self.lowest) else 0.0

    def sums(self, values: Floats, delta: float) -> tuple[Floats, Floats]:
        """The sum after every value, and the lowest so far."""
        steps = np.empty(2 * values.size + 1)
        steps[0], steps[1::2], steps[2::2] = self.total, values, -delta
        totals = np.cumsum(steps)[2::2]
        lowest = np.minimum.accumulate(totals)
        return totals, np.minimum(lowest, self.lowest, out=lowest)

    def move_to(self, totals: Floats, lowest: Floats, end: int) -> None:
        """Stand where the sums have come after ``end`` values."""
        at_zero = np.flatnonzero(totals[:end] <= lowest[:end])
        self.rows = end - 1 - int(at_zero[-1]) if at_zero.size else self.rows + end
        self.total, self.lowest = float(totals[end - 1]), float(lowest[end - 1])


class PageHinkley(PiecewiseDetector):
    """Page-Hinkley with its mean held at a baseline.

    Threshold and direction may differ from those of the state: the new threshold holds from now
    on, and another direction starts anew.

    >>> detector = PageHinkley(Scale(0.2, 0.1), threshold=20, delta=0.1, direction="up")
    >>> [found.index for found in detector.feed(np.array([0.2] * 50 + [np.nan] + [0.5] * 10))]
    [57]
    >>> detector.skipped
    1
    """

    kind = "page_hinkley"
    _lowest_at_first = (math.inf, LOWEST_OF_FALLS)
    """What the sums for rises and for falls are compared with before the first value."""

    def __init__(
        self,
        scale: Scale,
        *,
        threshold: float,
        delta: float,
        direction: Direction,
        state: Json | None = None,
    ) -> None:
        super().__init__(state)
        self._scale = scale
        self.threshold = threshold
        self._delta = delta
        self._direction = direction
        self._begin()
        if state is not None and state["direction"] == direction:
            self._sides = [_side_of(one) for one in state["sides"]]

    def _begin(self) -> None:
        up, down = (_Side(0.0, lowest) for lowest in self._lowest_at_first)
        self._sides = {"up": [up], "down": [down], "both": [up, down]}[self._direction]

    def _detections(self, positions: Indices, values: Floats) -> Iterator[Detection]:
        values, start, size = self._scale.standardise(values), 0, SHORTEST
        while start < values.size:
            piece = values[start : start + size]
            summed = [
                side.sums(piece if rose else -piece, self._delta)
                for side, rose in zip(self._sides, self._rising, strict=True)
            ]
            end = _first_above(summed, self.threshold)
            for side, (totals, lowest) in zip(self._sides, summed, strict=True):
                side.move_to(totals, lowest, end or piece.size)
            if end:
                yield self._detection(int(positions[start + end - 1]))
                self._begin()
            start, size = start + (end or piece.size), SHORTEST if end else min(2 * size, LONGEST)

    @property
    def _rising(self) -> tuple[bool, ...]:
        return {"up": (True,), "down": (False,), "both": (True, False)}[self._direction]

    def _detection(self, index: int) -> Detection:
        side, rose = next(
            (side, rose)
            for side, rose in zip(self._sides, self._rising, strict=True)
            if side.total - side.lowest > self.threshold
        )
        change = side.statistic / max(side.rows, 1) + self._delta
        mean = self._scale.mean + self._scale.sd * (change if rose else -change)
        return Detection(index, side.statistic, rose, side.rows, mean)

    @property
    def statistic(self) -> float:
        """What is compared with the threshold; 0 before the first value."""
        return max(side.statistic for side in self._sides)

    def _state_to_json(self) -> dict[str, Any]:
        """State as JSON; a sum that has no lowest value yet has null there."""
        return {
            "direction": self._direction,
            "sides": [
                {
                    "total": side.total,
                    "lowest": side.lowest if math.isfinite(side.lowest) else None,
                    "rows": side.rows,
                }
                for side in self._sides
            ],
        }


def _side_of(state: Json) -> _Side:
    lowest = math.inf if state["lowest"] is None else float(state["lowest"])
    return _Side(float(state["total"]), lowest, int(state["rows"]))


def _first_above(summed: list[tuple[Floats, Floats]], threshold: float) -> int:
    """How many values there are up to the first that brings a statistic above the threshold; 0: none."""
    over = np.logical_or.reduce([totals - lowest > threshold for totals, lowest in summed])
    first = int(over.argmax())
    return first + 1 if over[first] else 0
