"""KSWIN: the newest values against a random sample of those before them, by Kolmogorov-Smirnov.

The window holds ``window`` values. From its older part as many are drawn as are compared with, the
``newest``, and a change is detected when the exact two-sample p-value is at most ``alpha`` and the
distance more than 0.1; the window is then empty. Distances of samples of equal size are multiples of
1 / newest, so the p-value is turned into the least distance once, and a look costs two sorts.

The variant is river's (0.26) with its random numbers when there is a look after every value. It
looks once in ``every`` values here: looks that share nearly all of their values add cost and false
alarms, and little else.

References
----------
Raab, C., Heusinger, M. and Schleif, F.-M. (2020). Reactive soft prototype computing for concept drift
streams. Neurocomputing 416, 340-351.
Hodges, J. L. (1958). The significance probability of the Smirnov two-sample test. Arkiv for Matematik
3(5), 469-486.
"""

from __future__ import annotations

import base64
import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
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

LEAST_DISTANCE = 0.1
_WORDS = "<625I"
"""State of the Mersenne Twister."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How many values are kept, how many of them are the newest, and how often there is a look."""

    window: int = 900
    newest: int = 300
    every: int = 30


@lru_cache(maxsize=64)
def critical_steps(newest: int, alpha: float) -> int:
    """Return the least distance, in steps of 1 / newest, that is significant; newest + 1: none is.

    Parameters
    ----------
    newest
        size of either sample.
    alpha
        largest p-value that counts.

    Examples
    --------
    >>> critical_steps(30, 0.005)  # p 0.0025 at 14/30, 0.0065 at 13/30
    14

    References
    ----------
    Hodges (1958), equation for equal sample sizes; river's further condition that D > 0.1.
    """
    paths = math.comb(2 * newest, newest)
    for steps in range(math.floor(LEAST_DISTANCE * newest + 1e-9) + 1, newest + 1):
        terms = (
            (-1) ** (number + 1) * math.comb(2 * newest, newest - number * steps)
            for number in range(1, newest // steps + 1)
        )
        if Fraction(2 * sum(terms), paths) <= alpha:
            return steps
    return newest + 1


class Kswin(PiecewiseDetector):
    """KSWIN with river's rules.

    Parameters
    ----------
    scale
        clips values and brings them to [0, 1]; the distance of distributions does not change.
    alpha
        largest p-value of a detection.
    direction
        which changes are told, by the mean; any change empties the window.
    windows
        sizes; river's default is ``Windows(100, 30, 1)``.
    seed
        of the random samples; they begin anew with the window.
    block
        values that are averaged into one: where they correlate, many enough to be nearly independent.
    state
        what ``to_json`` returned; None at the beginning.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=2000)
    >>> detector = Kswin(Range(-9, 9), alpha=1e-5, direction="up")
    >>> [found.index for found in detector.feed(np.where(np.arange(2000) < 1500, noise, noise + 1))]
    [1589]
    """

    kind = "kswin"

    def __init__(
        self,
        scale: Range,
        *,
        alpha: float,
        direction: Direction,
        windows: Windows | None = None,
        seed: int = 0,
        block: int = 1,
        state: Json | None = None,
    ) -> None:
        super().__init__(state)
        self._scale, self._direction, self._seed = scale, direction, seed
        self._windows = windows or Windows()
        self._steps = critical_steps(self._windows.newest, alpha)
        self._blocks = Blocks(block, state["block"] if state else None)
        self._values: list[float]
        self._begin()
        if state is not None:
            self._values = [float(value) for value in state["values"]][-self._windows.window :]
            self._since_look = int(state["since_look"])
            self._distance = int(state["distance"])
            words = struct.unpack(_WORDS, base64.b64decode(state["random"]))
            self._random.setstate((3, words, None))

    def _begin(self) -> None:
        self._values = []
        self._since_look = self._distance = 0
        self._random = random.Random(self._seed)  # noqa: S311  # nosec B311 # samples, no secrets

    @property
    def threshold(self) -> float:
        """The least distance that is significant."""
        return self._steps / self._windows.newest

    @property
    def statistic(self) -> float:
        """Kolmogorov-Smirnov distance at the latest look."""
        return self._distance / self._windows.newest

    def _detections(self, positions: Indices, values: Floats) -> Iterator[Detection]:
        ends, means = self._blocks.means(self._scale.to_unit(values))
        start = 0
        while start < means.size:
            taken, change = self._advance(means[start:])
            start += taken
            if change is not None:
                yield from self._detection(int(positions[ends[start - 1]]), change)

    def _advance(self, values: Floats) -> tuple[int, Floats | None]:
        """Go on to the next look; return how many values it took, and older and newest if they differ."""
        windows = self._windows
        wanted = max(windows.window - len(self._values), windows.every - self._since_look, 1)
        taken = values[:wanted].tolist()
        self._values = [*self._values, *taken][-windows.window :]
        self._since_look += len(taken)
        if len(taken) < wanted:
            return len(taken), None
        self._since_look = 0
        return len(taken), self._look()

    def _look(self) -> Floats | None:
        newest = self._windows.newest
        older = self._windows.window - newest
        drawn = [self._values[number] for number in self._random.sample(range(older), newest)]
        both = np.sort(np.array([drawn, self._values[older:]]), axis=1)
        places = both.ravel()
        below = [np.searchsorted(one, places, side="right") for one in both]
        self._distance = int(np.abs(below[0] - below[1]).max())
        return both if self._distance >= self._steps else None

    def _detection(self, index: int, both: Floats) -> list[Detection]:
        """The detection, when it is in the wanted direction; the window is empty afterwards."""
        before, after = both.mean(axis=1)
        rose, statistic = bool(after > before), self.statistic
        self._begin()
        if self._direction not in ("both", "up" if rose else "down"):
            return []
        rows = self._windows.newest * self._blocks.length
        return [Detection(index, statistic, rose, rows, self._scale.from_unit(float(after)))]

    def _state_to_json(self) -> dict[str, Any]:
        """State as JSON: the window, and that of the random numbers in base 64."""
        words: tuple[int, ...] = self._random.getstate()[1]
        return {
            "block": self._blocks.to_json(),
            "values": list(self._values),
            "since_look": self._since_look,
            "distance": self._distance,
            "random": base64.b64encode(struct.pack(_WORDS, *words)).decode("ascii"),
        }
