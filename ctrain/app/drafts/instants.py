"""Event times of a file: a column of it, or the order of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.errors import InputError
from ctrain.rows.instants import cast_instant, microseconds_of
from ctrain.stats.columns import plain
from ctrain.stats.raw import Kind, kind_of

ROW_SECOND = 1_000_000
"""Microseconds between two rows whose order is their time."""
_SHOWN = 40
"""Characters of a value that are repeated."""
NO_TIME = np.iinfo(np.int64).min
"""Stands for an event time that is missing or means nothing."""

Instants = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EventTimes:
    """When the rows of a file happened."""

    column: str | None
    """None: rows are one second apart, in their order."""
    zone: str | None
    """Zone in which instants without an offset are read; None: they have one."""
    instants: Instants
    """Microseconds since 1970 of every row, in the order of the file; empty without a column."""

    @cached_property
    def usable(self) -> Instants:
        """Those that mean something, in ascending order."""
        known = self.instants[self.instants != NO_TIME]
        return known if self.ordered else np.sort(known)

    @property
    def without(self) -> int:
        """Rows that have no event time, or one outside 1970 to 2149."""
        return int(np.count_nonzero(self.instants == NO_TIME))

    @cached_property
    def ordered(self) -> bool:
        """Whether no row happened before the one above it."""
        return bool(np.all(np.diff(self.instants[self.instants != NO_TIME]) >= 0))


def read_times(
    column: str, type_: pa.DataType, chunks: Iterable[pa.ChunkedArray[Any]], zone: str
) -> EventTimes:
    """Return the event times of a column that comes in parts: eight bytes a row.

    Raises
    ------
    InputError
        when the column holds no instants, or none between 1970 and 2149.
    """
    kind = kind_of(type_)
    if kind not in {Kind.TIME, Kind.TEXT} or pa.types.is_time(type_):
        raise InputError(
            f"--event-time: {column} holds {type_}, no instants; expected timestamps, dates, or texts of"
            " ISO 8601 or day.month.year (leave the option out to go by the order of the rows)"
        )
    parts: list[Instants] = []
    naive, shown = _is_naive(type_), ""
    for values in chunks:
        shown = shown or (_shown(values) if kind is Kind.TEXT else "")
        for chunk in plain(values).chunks:
            instants, some_naive = _cast(chunk, zone)
            naive = naive or some_naive
            parts.append(instants)
    found = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    if not np.any(found != NO_TIME):
        raise InputError(
            f"--event-time: none of {len(found):,} values of {column}{shown} is an instant between 1970 and"
            " 2149; expected timestamps, dates, or texts such as 2026-01-31T08:00:00Z or 31.01.2026 08:00"
        )
    return EventTimes(column, zone if naive else None, found)


def row_times() -> EventTimes:
    """Return that the order of the rows is their time."""
    return EventTimes(None, None, np.empty(0, dtype=np.int64))


def _shown(values: pa.ChunkedArray[Any]) -> str:
    """The first value, for a person who wonders what is wrong with it."""
    first = next((one for one in values.slice(0, 1000).to_pylist() if one is not None), None)
    return "" if first is None else f", such as {str(first)[:_SHOWN]},"


def _is_naive(type_: pa.DataType) -> bool:
    return pa.types.is_date(type_) or (isinstance(type_, pa.TimestampType) and type_.tz is None)


def _cast(chunk: Any, zone: str) -> tuple[Instants, bool]:
    """The instants of one chunk, and whether any text had no offset."""
    without_zone = kind_of(chunk.type) is Kind.TEXT and bool(cast_instant(chunk, None).naive.any())
    values = cast_instant(chunk, zone).values
    known = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    instants = np.full(len(values), NO_TIME, dtype=np.int64)
    instants[known] = microseconds_of(pc.drop_null(values))
    return instants, without_zone
