"""Page-Hinkley in its classic form, with a running mean, over a whole array at once."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ctrain.stats.detectors.detection import Direction, Floats
from ctrain.stats.detectors.page_hinkley import LONGEST, LOWEST_OF_FALLS, SHORTEST


def page_hinkley(
    values: npt.ArrayLike,
    *,
    min_instances: int = 30,
    delta: float = 0.005,
    threshold: float = 50.0,
    alpha: float = 0.9999,
    mode: Direction = "both",
) -> list[int]:
    """Return the indices at which the classic test with a running mean detects a change.

    The variant of river (0.26), with its defaults: the mean of the values since the last detection
    is subtracted, and older deviations fade by ``alpha`` a row. Sums and means are those of whole
    arrays, so they differ from river's in the last bits.

    Parameters
    ----------
    values
        finite values in order.
    min_instances
        values after a detection before the next one.
    delta, threshold
        tolerated change and level of the statistic, on the scale of the values.
    alpha
        factor of what was summed before, once a row.
    mode
        which changes count.

    Examples
    --------
    >>> page_hinkley([0, 0, 0, 1, 1], min_instances=1, delta=0, threshold=1, alpha=1, mode="up")
    [4]

    References
    ----------
    See ``ctrain.stats.detectors.page_hinkley``. Libraries differ by a row after a detection: river's
    index is given here.
    """
    stream = np.asarray(values, dtype=np.float64)
    fading = _Fading(alpha)
    found: list[int] = []
    start = 0
    while end := _classic_end(stream[start:], min_instances, delta, threshold, fading, mode):
        start += end
        found.append(start - 1)
    return found


class _Fading:
    """Sums in which what came before counts ``alpha`` times as much after every step."""

    def __init__(self, alpha: float) -> None:
        self.length = LONGEST if alpha == 1 else max(1, min(LONGEST, int(-1 / math.log(alpha))))
        self.powers = alpha ** np.arange(1.0, self.length + 1)
        self.inverses = 1 / self.powers

    def sums(self, before: float, steps: Floats) -> Floats:
        """Return S_t = alpha S_(t-1) + step_t for every step."""
        totals = np.empty(steps.size)
        for start in range(0, steps.size, self.length):
            piece = steps[start : start + self.length]
            totals[start : start + piece.size] = self.powers[: piece.size] * (
                before + np.cumsum(piece * self.inverses[: piece.size])
            )
            before = float(totals[start + piece.size - 1])
        return totals


def _classic_end(
    stream: Floats, min_instances: int, delta: float, threshold: float, fading: _Fading, mode: Direction
) -> int:
    """How many values there are up to the first detection; 0: there is none.

    The sums for rises and falls differ by what ``delta`` alone would have summed to.
    """
    seen, size, mean_total, total, tolerated = 0, SHORTEST, 0.0, 0.0, 0.0
    lowest, highest = math.inf, -LOWEST_OF_FALLS
    while seen < stream.size:
        piece = stream[seen : seen + size]
        means = (mean_total + np.cumsum(piece)) / np.arange(seen + 1.0, seen + piece.size + 1)
        totals = fading.sums(total, piece - means)
        tolerances = fading.sums(tolerated, np.full(piece.size, delta))
        rises, falls = totals - tolerances, totals + tolerances
        lows = np.minimum(np.minimum.accumulate(rises), lowest)
        highs = np.maximum(np.maximum.accumulate(falls), highest)
        over = (rises - lows > threshold) if mode != "down" else np.zeros(piece.size, dtype=np.bool_)
        if mode != "up":
            over |= highs - falls > threshold
        over[: max(0, min_instances - 1 - seen)] = False
        first = int(over.argmax())
        if over[first]:
            return seen + first + 1
        mean_total = float(means[-1]) * (seen + piece.size)
        total, tolerated = float(totals[-1]), float(tolerances[-1])
        lowest, highest = float(lows[-1]), float(highs[-1])
        seen, size = seen + piece.size, min(2 * size, LONGEST)
    return 0
