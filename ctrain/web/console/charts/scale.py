"""Scales: from values and instants to places, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=2),
    timedelta(days=7),
    timedelta(days=14),
    timedelta(days=28),
    timedelta(days=91),
    timedelta(days=364),
)
_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scale:
    """From values in ``[low, high]`` to pixels: ``low`` at ``bottom``, ``high`` at ``top``."""

    low: float
    high: float
    bottom: float
    top: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom + (self.top - self.bottom) * min(max(share, 0.0), 1.0)

    def ticks(self, about: int = 4) -> tuple[float, ...]:
        """Round numbers within the scale, about so many.

        >>> Scale(0.0, 0.27, 100, 0).ticks()
        (0.0, 0.1, 0.2)
        """
        step = round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(round(index * step, 12) for index in range(first, last + 1))


def round_step(wanted: float) -> float:
    """The least of 1, 2, 2.5, 5, 10, ... that is ``wanted`` at least.

    >>> round_step(0.0675), round_step(3.0)
    (0.1, 5.0)
    """
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in _STEPS if step * power >= wanted * (1 - 1e-9))


def scale_around(values: Iterable[float], bottom: float, top: float, *, zero: bool = False) -> Scale:
    """A scale that holds all values with a margin; with ``zero``, 0 as well.

    >>> scale_around([1.0, 3.0], 100, 0)
    Scale(low=0.84, high=3.16, bottom=100, top=0)
    """
    found = [*values, 0.0] if zero else list(values)
    low, high = min(found, default=0.0), max(found, default=1.0)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    lowest = low if zero and low == 0.0 else low - margin
    return Scale(round(lowest, 12), round(high + margin, 12), bottom, top)


@dataclass(frozen=True, slots=True)
class Period:
    """From instants in ``[start, end]`` to shares of the width."""

    start: datetime
    end: datetime

    def __call__(self, at: datetime) -> float:
        length = self.end - self.start
        share = (at - self.start) / length if length else 1.0
        return min(max(share, 0.0), 1.0)

    def ticks(self, about: int = 5) -> tuple[tuple[datetime, str], ...]:
        """Round instants within the period with what to write there, at most ``about`` + 1."""
        length = self.end - self.start
        step = next((one for one in _TIME_STEPS if one * about >= length), _TIME_STEPS[-1])
        count = math.ceil((self.start - _MONDAY) / step)
        at, found = _MONDAY + count * step, []
        while at <= self.end:
            found.append((at, _written(at, step)))
            at += step
        return tuple(found)


def _written(at: datetime, step: timedelta) -> str:
    if step >= timedelta(days=91):
        return f"{at:%b %Y}"
    if step >= timedelta(days=1):
        return f"{at.day} {at:%b}"
    return f"{at.day} {at:%b}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}"
