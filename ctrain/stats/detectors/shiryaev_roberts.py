"""Shiryaev-Roberts sums of several bets at once, over whole pieces of a stream.

References
----------
Shiryaev, A. N. (1963). On optimum methods in quickest detection problems. Theory of Probability and
its Applications 8(1), 22-46.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctrain.domain import Json
from ctrain.stats.detectors.detection import Floats

PIECE = 256
"""Steps after which the products begin anew."""
_ARRAYS = ("before", "product", "added", "lowest", "since", "seen_then")


@dataclass(slots=True)
class ShiryaevRoberts:
    """Shiryaev-Roberts sums of all bets: ``M = product * (before + added)`` since the piece began."""

    before: Floats
    """M of every bet where the piece began."""
    product: Floats
    """Product of the factors since then."""
    added: Floats
    """Sum, over the steps since then, of 1 / (product before the step)."""
    lowest: Floats
    """Least product since the detector began, in units of ``product``: where the change began."""
    since: Floats
    """Steps since that least product."""
    seen_then: Floats
    """``seen`` at that least product."""
    seen: float
    """Sum of all values since the detector began."""
    steps: int
    """Steps since the piece began."""

    @classmethod
    def begin(cls, bets: int) -> ShiryaevRoberts:
        zeros, ones = np.zeros(bets), np.ones(bets)
        return cls(zeros, ones, zeros, ones, zeros, zeros, 0.0, 0)

    @classmethod
    def from_json(cls, state: Json) -> ShiryaevRoberts:
        before, product, added, lowest, since, seen_then = (
            np.array(state[name], dtype=np.float64) for name in _ARRAYS
        )
        seen, steps = float(state["seen"]), int(state["steps"])
        return cls(before, product, added, lowest, since, seen_then, seen, steps)

    def to_json(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return arrays | {"seen": self.seen, "steps": self.steps}

    @property
    def statistic(self) -> float:
        return math.log1p(float(_mean_over_bets(self.product * (self.before + self.added))))

    def advance(self, values: Floats, factors: Floats, goal: float) -> int:
        """Take the steps of one piece; return how many it took to reach ``goal``, 0 when none did."""
        with np.errstate(over="ignore"):  # behind the step that reaches the goal
            products = np.multiply.accumulate(np.column_stack([self.product, factors]), axis=1)
            inverses = np.column_stack([self.added, 1.0 / products[:, :-1]])
            added = np.add.accumulate(inverses, axis=1)[:, 1:]
            sums = products[:, 1:] * (self.before[:, np.newaxis] + added)
        reached = _mean_over_bets(sums) >= goal
        first = int(reached.argmax())
        end = first + 1 if reached[first] else values.size
        self._find_lowest(products[:, 1 : end + 1], values[:end])
        self.product, self.added = products[:, end].copy(), added[:, end - 1].copy()
        self.steps += end
        if self.steps == PIECE:
            self._begin_piece()
        return end if reached[first] else 0

    def _begin_piece(self) -> None:
        self.before = self.product * (self.before + self.added)
        self.lowest = self.lowest / self.product
        self.product, self.added = np.ones_like(self.product), np.zeros_like(self.added)
        self.steps = 0

    def _find_lowest(self, products: Floats, values: Floats) -> None:
        """Move the beginning of the change, of every bet, to the last least product."""
        count = values.size
        last = count - 1 - products[:, ::-1].argmin(axis=1)
        least = products[np.arange(last.size), last]
        seen = np.cumsum(np.concatenate([[self.seen], values]))
        moved = least <= self.lowest
        self.since = np.where(moved, count - 1.0 - last, self.since + count)
        self.seen_then = np.where(moved, seen[last + 1], self.seen_then)
        self.lowest = np.where(moved, least, self.lowest)
        self.seen = float(seen[-1])

    def change(self) -> tuple[int, int, float]:
        """The bet that has won most, its steps since the change began, and their mean value."""
        best = int((self.product / self.lowest).argmax())
        steps = int(self.since[best])
        return best, steps, (self.seen - float(self.seen_then[best])) / max(steps, 1)


def _mean_over_bets(sums: Floats) -> Floats:
    """Mean over the first axis, added in the same order whatever the number of columns."""
    total = sums[0].copy()
    for row in sums[1:]:
        total += row
    mean: Floats = total / len(sums)
    return mean
