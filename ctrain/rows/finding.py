"""Where rows lie in a day, looked for from its end: what is asked for is mostly recent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray
from ctrain.rows.instants import microseconds_of

Places = npt.NDArray[np.intp]

_LEAST_ROWS = 1024
_GROWTH = 4


class Found(NamedTuple):
    """Rows of a table, and at the same place which of the ids each of them has."""

    rows: Places
    ids: Places


def find_ids(table: pa.Table, ids: ArrowArray) -> Found:
    """Return the rows that have one of ``ids``; a repeated id is found by its first place.

    No id occurs twice in the table, so the search ends with the stretch in which the last one is found: it
    costs what the rows behind the earliest of them cost, not what the table does.
    """
    column = table["row_id"]
    rows, places = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    found, end, size = 0, table.num_rows, max(2 * len(ids), _LEAST_ROWS)
    while end > 0 and found < len(ids):
        start = max(end - size, 0)
        part: ArrowArray = pc.index_in(column.slice(start, end - start), value_set=ids)
        numbers = np.asarray(pc.fill_null(part, -1).to_numpy())
        hits = np.flatnonzero(numbers >= 0)
        rows.append(hits + start)
        places.append(numbers[hits].astype(np.intp))
        found += len(hits)
        end, size = start, size * _GROWTH
    return Found(np.concatenate(rows), np.concatenate(places))


def overlaid_at(column: ArrowArray, values: ArrowArray, found: Found) -> ArrowArray:
    """Return ``column`` with each value in the row that was found for it; what lies before is not copied."""
    if not len(found.rows):
        return column
    first = int(found.rows.min())
    tail: ArrowArray = column.slice(first).combine_chunks()
    sources = np.full(len(tail), -1)
    sources[found.rows - first] = found.ids
    there = pa.array(sources >= 0)
    news: ArrowArray = values.take(pa.array(sources, mask=sources < 0))
    return pa.chunked_array([*column.slice(0, first).chunks, pc.if_else(there, news, tail)], column.type)


def rows_before(table: pa.Table, instant: int) -> int:
    """Return how many rows of a table in the order of event times come before ``instant`` (microseconds)."""
    column, size = table["event_at"], _LEAST_ROWS
    if not len(column) or microseconds_of(column.slice(len(column) - 1))[0] < instant:
        return len(column)
    while size < len(column) and microseconds_of(column.slice(len(column) - size, 1))[0] >= instant:
        size *= _GROWTH
    start = max(len(column) - size, 0)
    return start + int(np.searchsorted(microseconds_of(column.slice(start)), instant))


def rows_between(table: pa.Table, start: int, end: int) -> pa.Table:
    """Return the rows of ``[start, end)`` (microseconds) from a table in the order of event times."""
    first = rows_before(table, start)
    last = first + rows_before(table.slice(first), end)
    return table.slice(first, last - first)
