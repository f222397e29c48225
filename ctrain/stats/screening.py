"""Columns that differ between any two windows by nature, and so say nothing about drift.

The month of the year, a day counter and an id are different in every new window. They are found
by their values (and by their names where values alone cannot tell), and left out with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ctrain.stats.columns import Floats, numeric_values, plain, text_values
from ctrain.stats.grid import Counts

ID_NOTE = "left out: almost every value is different, as in an id"
CLOCK_NOTE = "left out: it only grows with time"
DATE_NOTE = "left out: it is a function of the date"
TIME_NOTE = "left out: an instant or a date differs between any two windows"

_SAMPLE_ROWS = 5000
_FEW_ROWS = 100
_ENOUGH_ROWS = 100
_AGREEMENT = 0.97
_DAY_MICROSECONDS = 86_400_000_000
_HOUR_MICROSECONDS = 3_600_000_000
_CALENDAR_NAMES = frozenset(
    (
        *("year", "quarter", "month", "week", "weekofyear", "weekday", "dayofweek", "dow", "day"),
        *("dayofmonth", "dayofyear", "doy", "yday", "date", "season", "ordinal"),
    )
)
_ZONES = range(-12, 15)
"""Hours that the time zones of the world are ahead of UTC."""
_CYCLES = frozenset(("sin", "cos"))
_Fields = Mapping[str, Counts]


def leave_out(table: pa.Table, event_at: str = "event_at") -> dict[str, str]:
    """Return a note for each column of ``table`` that drift tests should leave out.

    Left out are calendar fields longer than an hour of the day (month, day of the year, weekday,
    date...: equal to the field of the event time up to a constant, in some time zone), columns
    named as such that are a function of the date, columns that only grow with time, instants, and
    text that is almost all different. Fewer than 100 rows recognise instants only.

    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(300)]
    >>> leave_out(pa.table({"event_at": at, "month": [moment.month for moment in at]}))
    {'month': 'left out: it is the month of the event time'}
    """
    sample = _sample(table, event_at)
    calendar = _Calendar(_microseconds(sample.column(event_at)))
    notes: dict[str, str] = {}
    for column in table.column_names:
        if column == event_at:
            continue
        note = _note(sample, column, calendar) or id_note(table, column)
        if note is not None:
            notes[column] = note
    return notes


def id_note(table: pa.Table, column: str) -> str | None:
    """Return why a text column is an id: over 90 % of at least 100 values are different."""
    kind = plain(table.column(column)).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    values = pc.drop_null(text_values(table, column))
    if len(values) < _ENOUGH_ROWS or pc.count_distinct(values).as_py() <= 0.9 * len(values):
        return None
    return ID_NOTE


def _sample(table: pa.Table, event_at: str) -> pa.Table:
    """Return about 5,000 rows, evenly spaced in time and in time order."""
    moments = table.column(event_at)
    order = pc.sort_indices(moments).to_numpy()
    step = max(1, len(order) // _SAMPLE_ROWS)
    return table.take(pa.array(order[::step]))


def _microseconds(moments: pa.ChunkedArray[Any]) -> Counts:
    instants = pc.cast(pc.cast(moments, pa.timestamp("us", tz="UTC")), pa.int64())
    return np.asarray(instants.to_numpy(), dtype=np.int64)


class _Calendar:
    """The calendar fields of moments in every time zone; of all rows each is worked out when asked for."""

    def __init__(self, moments: Counts) -> None:
        self.moments = moments
        self._fields: dict[int, _Fields] = {}
        self._few = slice(None, None, max(len(moments) // _FEW_ROWS, 1))
        first = {hours: _calendar_fields(moments[self._few], hours) for hours in _ZONES}
        self._names = [(hours, field) for hours, fields in first.items() for field in fields]
        self._first = np.stack([first[hours][field] for hours, field in self._names])

    def at(self, hours: int) -> _Fields:
        """In the zone that is so many hours ahead of UTC."""
        if hours not in self._fields:
            self._fields[hours] = _calendar_fields(self.moments, hours)
        return self._fields[hours]

    def possible(self, values: Floats, known: NDArray[np.bool_]) -> list[tuple[int, str]]:
        """Return the zones and fields that the values may be.

        Of a few rows half would agree where nearly all do.
        """
        there = known[self._few]
        if not there.any():
            return self._names
        differences = values[self._few][there] - self._first[:, there]
        agree = np.mean(differences == np.median(differences, axis=1, keepdims=True), axis=1)
        return [self._names[place] for place in np.flatnonzero(agree >= 0.5)]


def _calendar_fields(moments: Counts, hours: int) -> _Fields:
    day = (moments + hours * _HOUR_MICROSECONDS) // _DAY_MICROSECONDS
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    year = dates.astype("datetime64[Y]")
    month_of_year = (month - year).astype(np.int64)
    day_of_year = (dates - year.astype("datetime64[D]")).astype(np.int64)
    return {
        "year": year.astype(np.int64) + 1970,
        "quarter": month_of_year // 3 + 1,
        "month": month_of_year + 1,
        "week": day_of_year // 7 + 1,
        "ISO week": _iso_week(day),
        "day of the year": day_of_year + 1,
        "day of the month": (dates - month.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (day + 3) % 7,
        "weekday from Sunday": (day + 4) % 7,
        "date": day,
    }


def _iso_week(day: Counts) -> Counts:
    thursday = (day - (day + 3) % 7 + 3).astype("datetime64[D]")
    new_year = thursday.astype("datetime64[Y]").astype("datetime64[D]")
    days: Counts = (thursday - new_year).astype(np.int64)
    return days // 7 + 1


def _note(sample: pa.Table, column: str, calendar: _Calendar) -> str | None:
    kind = plain(sample.column(column)).type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return TIME_NOTE
    if sample.num_rows < _ENOUGH_ROWS:
        return None
    words = set(re.split(r"[^a-z]+", column.lower()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numeric_note(numeric_values(sample, column), calendar, words)
    if words & _CALENDAR_NAMES and _follows_date(_codes(text_values(sample, column)), calendar):
        return DATE_NOTE
    return None


def _numeric_note(values: Floats, calendar: _Calendar, words: set[str]) -> str | None:
    known = np.isfinite(values)
    if np.count_nonzero(known) < _ENOUGH_ROWS:
        return None
    named = bool(words & _CALENDAR_NAMES)
    for hours, field in calendar.possible(values, known):
        if _equal_but_for_a_constant(values[known], calendar.at(hours)[field][known], named):
            return f"left out: it is the {field} of the event time"
    if _grows(values[known], calendar.moments[known]):
        return CLOCK_NOTE
    if named and words & _CYCLES and _follows_date(np.unique(values, return_inverse=True)[1], calendar):
        return DATE_NOTE
    return None


def _equal_but_for_a_constant(values: Floats, expected: Counts, named: bool) -> bool:
    """Tell whether values and field move together; where the field stands still, the name decides."""
    difference = values - expected
    offset = np.median(difference)
    agrees = difference == offset
    if np.mean(agrees) < _AGREEMENT:
        return False
    moving = expected != np.median(expected)
    if np.mean(moving) < 1 - _AGREEMENT:
        return named and bool(abs(offset) <= 1)
    return bool(np.mean(agrees[moving]) > 0.9)


def _grows(values: Floats, moments: Counts) -> bool:
    """Tell whether the mean value of an instant never falls (or never rises) while it changes."""
    _, instant = np.unique(moments, return_inverse=True)
    steps = np.diff(np.bincount(instant, values) / np.bincount(instant))
    moving = steps[steps != 0]
    if len(moving) < 20:
        return False
    rising = np.mean(moving > 0)
    return bool(max(rising, 1 - rising) > 0.999)


def _codes(values: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    return np.unique([text or "" for text in values.to_pylist()], return_inverse=True)[1]


def _follows_date(codes: NDArray[np.int64], calendar: _Calendar) -> bool:
    """Tell whether the date decides a value that changes, in some time zone."""
    dates = (calendar.at(hours)["date"] for hours in _ZONES)
    return bool(np.any(codes != codes[0])) and any(_decides(one, codes) for one in dates)


def _decides(dates: Counts, codes: NDArray[np.int64]) -> bool:
    """Tell whether nearly all rows of a date have one value; too few rows a date tell nothing."""
    if len(dates) < 2 * len(np.unique(dates)):
        return False
    return sum(_modes(dates, codes)) >= _AGREEMENT * len(dates)


def _modes(dates: Counts, codes: NDArray[np.int64]) -> Iterator[int]:
    """Yield how often the most frequent value of each date occurs."""
    width = int(codes.max(initial=0)) + 1
    keys, counts = np.unique((dates - dates.min()) * width + codes, return_counts=True)
    starts = np.unique(keys // width, return_index=True)[1]
    yield from (int(most) for most in np.maximum.reduceat(counts, starts))
