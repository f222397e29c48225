"""How long panes, windows and comparisons of a first policy are: they follow the rate of the rows.

All lengths are parts or multiples of one **step**, about the time in which a hundredth of the file's rows
came. Where rows are many enough, 160 panes make a step: an eighth of it has the twenty blocks of a
comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from ctrain.errors import InputError

STEPS_PER_FILE = 100
LEAST_STEP_ROWS = 50
"""Fewer rows compare no two models, however short the file is."""
PANES_PER_STEP = 160
LEAST_PANES = 40
"""In a step, however far apart rows are."""
STEPS_TO_GROW_OLD = 4.5
"""A model is old once so many steps of new labels have come."""
LEAST_INSTANTS = 100
"""With fewer different event times panes hold all or nothing."""
LONGEST_RUN = 1_000_000
"""Rows between two false alarms that are aimed at, at most; else ten times the file."""

SECOND = timedelta(seconds=1)
MINUTE, HOUR, DAY = 60, 3600, 86_400
_PANES = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(MINUTE * one for one in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(HOUR * one for one in (1, 2, 3, 4, 6, 8, 12)),
    *(DAY * one for one in (1, 2, 7, 14, 28)),
)
_SHORTEST_REAL = MINUTE
"""The shortest pane of real time: the daemon looks every few seconds."""
_ROUND = (
    (2 * DAY, DAY),
    (6 * HOUR, HOUR),
    (HOUR, 10 * MINUTE),
    (10 * MINUTE, 5 * MINUTE),
    (2 * MINUTE, MINUTE),
)
"""From which length on a window is a multiple of what."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The lengths of a policy, and the rows that come in them."""

    rows: int
    """Rows of the file."""
    rows_per_day: float
    pane: timedelta
    step: timedelta

    @property
    def step_rows(self) -> int:
        """Rows that come in a step, to two digits."""
        return two_digits(self.rows_per_day * (self.step / timedelta(days=1)))

    @property
    def window(self) -> timedelta:
        """A step; where that is two days or more, the next whole weeks: they hold every weekday as often."""
        length = self.step
        while length >= timedelta(days=2) and length % timedelta(weeks=1):
            length += self.pane
        return length

    @property
    def pane_rows(self) -> float:
        return self.rows_per_day * (self.pane / timedelta(days=1))

    @property
    def old_rows(self) -> int:
        """Labelled rows that a model has not seen and is old with."""
        return two_digits(STEPS_TO_GROW_OLD * self.step_rows)

    @property
    def run_length(self) -> int:
        """Rows between two false alarms of the change detector."""
        return two_digits(min(LONGEST_RUN, 10 * self.rows))


def pace_by_rows(rows: int) -> Pace:
    """Return the pace of rows whose order is their time, one a second."""
    return _pace(rows, rows, 1.0, 1)


def pace_by_time(instants: npt.NDArray[np.int64]) -> Pace:
    """Return the pace of rows by their event times, microseconds in ascending order.

    The rate is that of the middle 98 % of the rows: single wrong instants do not change it.

    Raises
    ------
    InputError
        when all rows have nearly the same event time.
    """
    first, last = instants[[len(instants) // 100, -1 - len(instants) // 100]]
    span = float(last - first) / 1e6
    if span < _SHORTEST_REAL:
        raise InputError(
            "--event-time: nearly all rows have the same event time;"
            " leave the option out to go by the order of the rows"
        )
    gaps = np.diff(instants)
    gap = float(np.median(gaps[gaps > 0])) / 1e6
    inside = np.count_nonzero((instants >= first) & (instants <= last))
    return _pace(len(instants), span * len(instants) / inside, gap, _SHORTEST_REAL)


def _pace(rows: int, seconds: float, gap: float, shortest: int) -> Pace:
    """``gap``: the usual time between two different instants, which no pane should fall below."""
    rate = rows / seconds
    step_rows = max(rows / STEPS_PER_FILE, LEAST_STEP_ROWS)
    wanted = max(step_rows / PANES_PER_STEP / rate, gap, shortest)
    fitting = [one for one in _PANES if one <= wanted * 1.01]
    pane = (
        max(fitting)
        if max(fitting) >= gap * 0.99
        else next((one for one in _PANES if one >= gap), _PANES[-1])
    )
    panes = max(LEAST_PANES, math.ceil(step_rows / rate / pane))
    return Pace(rows, rate * DAY, pane * SECOND, _rounded(panes, pane) * SECOND)


def _rounded(panes: int, pane: int) -> int:
    """The nearest length that a person would write, a multiple of the pane and of ``LEAST_PANES`` or more."""
    up = down = panes * pane
    while up % _unit(up):
        up += pane
    while down % _unit(down):
        down -= pane
    nearest = down if panes * pane - down < up - panes * pane else up
    return nearest if nearest >= LEAST_PANES * pane else up


def _unit(seconds: int) -> int:
    return next((unit for least, unit in _ROUND if seconds >= least), 1)


def two_digits(value: float) -> int:
    """Return a whole number near ``value`` that has two digits and noughts.

    >>> two_digits(453.1), two_digits(12_345), two_digits(7)
    (450, 12000, 7)
    """
    whole = max(1, round(value))
    digits = max(0, math.floor(math.log10(whole)) - 1)
    return int(round(whole / 10**digits) * 10**digits)
