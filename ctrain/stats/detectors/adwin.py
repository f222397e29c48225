"""ADWIN: an adaptive window that is cut where the means of its two parts differ too much.

The window is an exponential histogram: buckets of 1, 2, 4, ... values, at most ``max_buckets`` of a
size, each with its total and the sum of squared deviations. Every ``clock`` values each border
between buckets is tried. With n0 and n1 values on its sides it is a cut when::

    |mean0 - mean1| > sqrt(2 m v d) + 2/3 m d
    d = log(2 log(n) / delta),   m = 1 / (n0 - least + 1) + 1 / (n1 - least + 1)

where v is the variance of the window and ``least`` the shortest part that is tried. The variant,
its defaults and its additions are river's (0.26), which keeps its window in compiled code that
cannot be written down; after a detection the window is empty, as there.

References
----------
Bifet, A. and Gavalda, R. (2007). Learning from time-changing data with adaptive windowing. SIAM
International Conference on Data Mining, 443-448.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ctrain.domain import Json
from ctrain.stats.detectors.detection import (
    Blocks,
    Detection,
    Direction,
    Floats,
    Indices,
    PiecewiseDetector,
    Range,
)

CLOCK = 32
MAX_BUCKETS = 5
SHORTEST_PART = 5
GRACE = 10


@dataclass(slots=True)
class _Window:
    """Buckets by size, the oldest first: ``totals[k]`` are of buckets of 2^k values."""

    width: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Sum of squared deviations from the mean of the window."""
    totals: list[list[float]] = field(default_factory=lambda: [[]])
    spreads: list[list[float]] = field(default_factory=lambda: [[]])

    def add(self, value: float) -> None:
        if self.width:
            away = value - self.total / self.width
            self.squares += self.width * away * away / (self.width + 1)
        self.width += 1
        self.total += value
        self.totals[0].append(value)
        self.spreads[0].append(0.0)
        if len(self.totals[0]) > MAX_BUCKETS:
            self._merge()

    def _merge(self) -> None:
        """Make one bucket of the two oldest wherever there are too many of a size."""
        for level, totals in enumerate(self.totals):
            if len(totals) <= MAX_BUCKETS:
                return
            if level + 1 == len(self.totals):
                self.totals.append([])
                self.spreads.append([])
            size, spreads = 1 << level, self.spreads[level]
            apart = totals[0] / size - totals[1] / size
            spread = spreads[0] + spreads[1] + size * size * apart * apart / (size + size)
            self.totals[level + 1].append(totals[0] + totals[1])
            self.spreads[level + 1].append(spread)
            del totals[:2], spreads[:2]

    def cuts(self) -> Iterator[tuple[int, float]]:
        """Length and total of the older part at every border between buckets, from the oldest on."""
        length, total = 0, 0.0
        for level in range(len(self.totals) - 1, -1, -1):
            size = 1 << level
            for bucket in self.totals[level]:
                length += size
                total += bucket
                if length < self.width:
                    yield length, total


class Adwin(PiecewiseDetector):
    """ADWIN with river's rules on values that are brought to [0, 1].

    Parameters
    ----------
    scale
        brings values to [0, 1], for which ``delta`` is a bound.
    delta
        probability of a false alarm at one look, at most.
    direction
        which changes are told; any change empties the window.
    block
        values that are averaged into one: where they correlate, many enough to be nearly independent.
    state
        what ``to_json`` returned; None at the beginning. Its window goes on under another ``delta``.

    Examples
    --------
    >>> import numpy as np
    >>> detector = Adwin(Range(0, 1), delta=0.002, direction="up")
    >>> [found.index for found in detector.feed(np.repeat([0.2, 0.7], 500))]
    [543]
    """

    kind = "adwin"

    def __init__(
        self,
        scale: Range,
        *,
        delta: float,
        direction: Direction,
        block: int = 1,
        state: Json | None = None,
    ) -> None:
        super().__init__(state)
        self._scale, self._delta, self._direction = scale, delta, direction
        self._ticks = int(state["ticks"]) if state else 0
        self._statistic = float(state["statistic"]) if state else 0.0
        self._window = _window_of(state["window"]) if state else _Window()
        self._blocks = Blocks(block, state["block"] if state else None)

    @property
    def threshold(self) -> float:
        """The statistic is a share of the largest difference of means that is allowed."""
        return 1.0

    @property
    def statistic(self) -> float:
        """Difference of means at the latest look, as a share of what is allowed, where it is largest."""
        return self._statistic

    def _detections(self, positions: Indices, values: Floats) -> Iterator[Detection]:
        ends, means = self._blocks.means(self._scale.to_unit(values))
        for position, value in zip(positions[ends].tolist(), means.tolist(), strict=True):
            self._window.add(value)
            self._ticks += 1
            if self._ticks % CLOCK == 0 and self._window.width > GRACE:
                change = self._look(position)
                if change is not None and self._direction in ("both", "up" if change.rose else "down"):
                    yield change

    def _look(self, position: int) -> Detection | None:
        """The detection at this look, told by its clearest cut, if there is one; it empties the window."""
        window, clearest = self._window, (0.0, 0, 0.0, 0.0)
        depth = math.log(2 * math.log(window.width) / self._delta)
        variance = window.squares / window.width
        for length, total in window.cuts():
            rest = window.width - length
            if min(length, rest) < SHORTEST_PART:
                continue
            weight = 1 / (length - SHORTEST_PART + 1) + 1 / (rest - SHORTEST_PART + 1)
            allowed = math.sqrt(2 * weight * variance * depth) + 2 / 3 * depth * weight
            before, after = total / length, (window.total - total) / rest
            clearest = max(clearest, (abs(before - after) / allowed, rest, before, after))
        self._statistic, rest, before, after = clearest
        if self._statistic <= self.threshold:
            return None
        statistic, self._statistic = self._statistic, 0.0
        self._window, self._ticks = _Window(), 0
        rows, mean = rest * self._blocks.length, self._scale.from_unit(after)
        return Detection(position, statistic, after > before, rows, mean)

    def _state_to_json(self) -> dict[str, Any]:
        window = self._window
        return {
            "ticks": self._ticks,
            "statistic": self._statistic,
            "block": self._blocks.to_json(),
            "window": {
                "width": window.width,
                "total": window.total,
                "squares": window.squares,
                "totals": [list(totals) for totals in window.totals],
                "spreads": [list(spreads) for spreads in window.spreads],
            },
        }


def _window_of(state: Json) -> _Window:
    return _Window(
        width=int(state["width"]),
        total=float(state["total"]),
        squares=float(state["squares"]),
        totals=[[float(total) for total in totals] for totals in state["totals"]],
        spreads=[[float(spread) for spread in spreads] for spreads in state["spreads"]],
    )
