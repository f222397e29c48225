"""E-detector: a Shiryaev-Roberts sum of bets that a bounded mean has left its baseline.

Values are brought to [0, 1] and, where rows are correlated, averaged over blocks long enough to be
nearly independent. With an upper bound m of the mean before the change, each bet ``lambda`` has::

    e_t = 1 + lambda (y_t - m),    M_t = e_t (M_(t-1) + 1),    0 <= lambda < 1 / m

While the mean of ``y_t`` given the past is at most m, the expectation of ``M_t`` is at most t, and
so is that of an average over bets. Stopping when it reaches c therefore takes at least c steps on
average, whatever the distribution: the threshold *is* the run length, without simulation.
Falls are found by the same bets on ``1 - y_t`` with a lower bound of the mean.

The statistic is ``log(1 + M)``. ``M`` starts anew when it reaches the threshold, so it cannot
overflow; whole pieces of a stream are computed by cumulative products, which begin anew after every
``PIECE`` steps before they could underflow.

References
----------
Shin, J., Ramdas, A. and Rinaldo, A. (2024). E-detectors: a nonparametric framework for sequential
change detection. New England Journal of Statistics in Data Science 2(2), 229-260.
Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by betting.
JRSS B 86(1), 1-27.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

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
from ctrain.stats.detectors.shiryaev_roberts import PIECE, ShiryaevRoberts

SHIFTS = (0.125, 0.25, 0.5, 1.0)
"""Changes of the mean, in standard deviations of a row, for each of which one bet is the best."""
BOLDEST = 0.9
"""Share of what it has that a bet puts at stake at most: no product of ``PIECE`` factors underflows."""
SMALLEST = 1e-6
"""Least bound and spread that count, so that no sum overflows in the step that reaches the threshold."""
HIGHEST = 600.0
"""A higher threshold could not be told from infinity."""


@dataclass(frozen=True, slots=True)
class MeanBounds:
    """Where the mean of values in [0, 1] lies before a change, and how they spread."""

    lower: float
    upper: float
    sd: float
    """Standard deviation of a row."""
    block: int
    """Rows that are averaged into one step."""
    block_sd: float

    def bets(self, bound: float) -> Floats:
        """Return the stake of each bet that a mean, at most ``bound`` so far, has risen.

        For a rise by d the stake of fastest growth is about ``d / (variance + d^2)``.

        >>> MeanBounds(0.2, 0.2, 0.4, 1, 0.4).bets(0.2).round(2).tolist()
        [0.31, 0.59, 1.0, 1.25]
        """
        rises = np.array(SHIFTS) * self.sd
        fastest = rises / (self.block_sd**2 + rises**2)
        return np.minimum(fastest, min(BOLDEST / max(bound, SMALLEST), 1 / SMALLEST))


class EDetector(PiecewiseDetector):
    """E-detector with a mixture of bets against a baseline.

    Threshold and direction may differ from those of the state: the new threshold holds from now
    on, and another direction starts anew.

    Parameters
    ----------
    scale
        brings values to [0, 1].
    bounds
        of the mean on that scale, conservative.
    threshold
        of ``log(1 + M)``; ``math.log1p(steps)`` for a run length of at least ``steps`` blocks.
    direction
        which changes count; for both, bets on rises and on falls share the mixture.
    state
        what ``to_json`` returned; None at the beginning.

    Examples
    --------
    >>> bounds = MeanBounds(lower=0.18, upper=0.22, sd=0.4, block=1, block_sd=0.4)
    >>> detector = EDetector(Range(0, 1), bounds, threshold=math.log1p(1000), direction="up")
    >>> [found.index for found in detector.feed(np.array([0, 0, 0, 0, 1] * 40 + [1, 0] * 40))]
    [222, 254]
    """

    kind = "e_detector"

    def __init__(
        self,
        scale: Range,
        bounds: MeanBounds,
        *,
        threshold: float,
        direction: Direction,
        state: Json | None = None,
    ) -> None:
        super().__init__(state)
        self._scale, self._bounds = scale, bounds
        self.threshold = threshold
        self._direction = direction
        self._signs, self._offsets, self._stakes = _sides(bounds, direction)
        self._sums = ShiryaevRoberts.begin(self._stakes.size)
        self._blocks = Blocks(bounds.block)
        if state is not None and state["direction"] == direction:
            self._sums = ShiryaevRoberts.from_json(state["sums"])
            self._blocks = Blocks(bounds.block, state["block"])

    def _detections(self, positions: Indices, values: Floats) -> Iterator[Detection]:
        ends, means = self._blocks.means(self._scale.to_unit(values))
        goal = math.expm1(min(self.threshold, HIGHEST))
        start = 0
        while start < means.size:
            piece = means[start : start + PIECE - self._sums.steps]
            end = self._sums.advance(piece, self._factors(piece), goal)
            start += end or piece.size
            if end:
                yield self._detection(int(positions[ends[start - 1]]))
                self._sums = ShiryaevRoberts.begin(self._stakes.size)

    def _factors(self, means: Floats) -> Floats:
        """What every bet is multiplied by at every step."""
        return 1.0 + self._stakes[:, np.newaxis] * (
            self._signs[:, np.newaxis] * means - self._offsets[:, np.newaxis]
        )

    def _detection(self, index: int) -> Detection:
        best, rows, mean = self._sums.change()
        value = self._scale.from_unit(mean)
        rose = bool(self._signs[best] > 0)
        return Detection(index, self._sums.statistic, rose, rows * self._bounds.block, value)

    @property
    def statistic(self) -> float:
        """``log(1 + M)``, which is compared with the threshold; 0 before the first value."""
        return self._sums.statistic

    def _state_to_json(self) -> dict[str, Any]:
        return {
            "direction": self._direction,
            "block": self._blocks.to_json(),
            "sums": self._sums.to_json(),
        }


def _sides(bounds: MeanBounds, direction: Direction) -> tuple[Floats, Floats, Floats]:
    """Sign of the values, offset and stake of every bet: e = 1 + stake (sign y - offset)."""
    up, down = bounds.bets(bounds.upper), bounds.bets(1.0 - bounds.lower)
    stakes = {"up": [up], "down": [down], "both": [up, down]}[direction]
    signs = {"up": (1.0,), "down": (-1.0,), "both": (1.0, -1.0)}[direction]
    offsets = [bounds.upper if sign > 0 else -bounds.lower for sign in signs]
    bets = len(SHIFTS)
    return np.repeat(signs, bets), np.repeat(offsets, bets), np.concatenate(stakes)
