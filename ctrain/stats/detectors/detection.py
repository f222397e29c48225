"""What change detectors have in common: their interface, what they find, how values are guarded.

A NaN or an infinity blinds a cumulative sum for ever, and one wild value can decide it. So no value
reaches a detector's arithmetic before it was found finite, brought to the baseline's scale and
clipped there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Direction = Literal["up", "down", "both"]

CLIP = 10.0
PIECE_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Detection:
    """Where in the values that were fed a change was detected, and what it looked like."""

    index: int
    statistic: float
    rose: bool
    rows: int
    """Rows since the change began, by the detector's own estimate."""
    mean: float
    """Mean of the values since then, outliers clipped."""


class Detector(Protocol):
    """A change detector; it starts anew after each detection.

    However a stream is cut into calls of ``feed``, and wherever the detector is written as JSON and
    read again in between, detections and statistic are the same to the last bit.
    """

    skipped: int
    """Values so far that were not finite."""

    def feed(self, values: Floats) -> list[Detection]:
        """Return the detections in ``values``, fed in order; what is not finite is skipped."""
        ...

    @property
    def statistic(self) -> float:
        """What is compared with ``threshold``; 0 before the first value."""
        ...

    @property
    def threshold(self) -> float: ...

    def to_json(self) -> dict[str, Any]:
        """State as JSON without NaN or infinity, to be given to the constructor as ``state``."""
        ...


class PiecewiseDetector(ABC):
    """A detector that is fed what is finite, some thousands of values at a time."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    """Of its state."""

    def __init__(self, state: Json | None) -> None:
        known = checked_state(state, self.kind, self.version)
        self.skipped = int(known["skipped"]) if known else 0

    def feed(self, values: Floats) -> list[Detection]:
        """Return the detections in ``values``, fed in order; the detector starts anew after each."""
        found: list[Detection] = []
        fed = 0
        for positions, piece in finite_pieces(values):
            found += self._detections(positions, piece)
            fed += piece.size
        self.skipped += len(values) - fed
        return found

    @abstractmethod
    def _detections(self, positions: Indices, values: Floats) -> Iterable[Detection]:
        """Return the detections in finite values that stand at these positions of the stream."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON without NaN or infinity."""
        header = {"detector": self.kind, "version": self.version, "skipped": self.skipped}
        return header | self._state_to_json()

    @abstractmethod
    def _state_to_json(self) -> dict[str, Any]:
        """Return what the detector knows, beside what all detectors count."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What values are compared with: their mean and standard deviation out of sample."""

    mean: float
    sd: float

    def standardise(self, values: Floats) -> Floats:
        """Return the values in standard deviations from the mean, clipped; NaN stays NaN.

        >>> Scale(1.0, 0.5).standardise(np.array([1.0, 2.0, 1e308]))
        array([ 0.,  2., 10.])
        """
        reach = CLIP * self.sd
        near = np.clip(values, self.mean - reach, self.mean + reach)
        return np.clip((near - self.mean) / self.sd, -CLIP, CLIP)


@dataclass(frozen=True, slots=True)
class Range:
    """Values between ``low`` and ``high`` are brought to [0, 1]; others are clipped."""

    low: float
    high: float

    def to_unit(self, values: Floats) -> Floats:
        """Return the values as shares of the way from ``low`` to ``high``, clipped; NaN stays NaN.

        >>> Range(10.0, 20.0).to_unit(np.array([-1e308, 15.0, 1e308]))
        array([0. , 0.5, 1. ])
        """
        return (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)

    def from_unit(self, share: float) -> float:
        """Return the value at this share of the way."""
        return self.low + share * (self.high - self.low)


class Blocks:
    """Means of consecutive blocks of ``length`` values, whatever calls they come in.

    >>> blocks = Blocks(2)
    >>> blocks.means(np.array([1.0, 3.0, 5.0]))
    (array([1]), array([2.]))
    >>> blocks.means(np.array([7.0, 9.0]))
    (array([0]), array([6.]))
    """

    def __init__(self, length: int, state: Json | None = None) -> None:
        self.length = length
        self._total = float(state["total"]) if state else 0.0
        self._rows = int(state["rows"]) if state else 0

    def means(self, values: Floats) -> tuple[Indices, Floats]:
        """Return the last position and the mean of every block that is complete now."""
        length = self.length
        if length == 1:
            return np.arange(values.size), values
        ends = np.arange(length - self._rows - 1, values.size, length)
        head = min((length - self._rows) % length, values.size)
        whole = (values.size - head) // length * length
        sums = np.cumsum(values[head : head + whole].reshape(-1, length), axis=1)[:, -1]
        self._keep(values[:head])
        if self._rows == length:
            sums = np.concatenate([[self._total], sums])
            self._total, self._rows = 0.0, 0
        self._keep(values[head + whole :])
        return ends, sums / length

    def _keep(self, values: Floats) -> None:
        """Add values, one after the other, to the block that is not complete yet."""
        self._total = float(np.cumsum(np.concatenate([[self._total], values]))[-1])
        self._rows += values.size

    def to_json(self) -> dict[str, Any]:
        return {"total": self._total, "rows": self._rows}


def checked_state(state: Json | None, kind: str, version: int) -> Json | None:
    """Return ``state`` when it is one of this kind and version; None when there is none.

    Raises
    ------
    ValueError
        for the state of another detector, or of another version of this one.
    """
    if state is None:
        return None
    if (state.get("detector"), state.get("version")) != (kind, version):
        found = f"{state.get('detector')} version {state.get('version')}"
        raise ValueError(f"expected the state of {kind} version {version}, got {found}")
    return state


def finite_pieces(values: npt.ArrayLike) -> Iterator[tuple[Indices, Floats]]:
    """Yield positions and values of what is finite, some thousands of rows at a time.

    Arrays of that size stay in the processor's cache while one operation after the other runs over
    them.
    """
    stream = np.asarray(values, dtype=np.float64)
    for start in range(0, stream.size, PIECE_ROWS):
        piece = stream[start : start + PIECE_ROWS]
        positions = np.flatnonzero(np.isfinite(piece))
        yield positions + start, piece if positions.size == piece.size else piece[positions]
