"""Segments: the rows of each frequent value of a column, and the others together.

A missing value is a value of its own, called ``null``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.stats.columns import text_values

NULL = "null"
OTHER = "other"


def frequent_values(table: pa.Table, by: str, most: int) -> tuple[str, ...]:
    """Return the most frequent values of a column, the most frequent first (ties by name).

    >>> frequent_values(pa.table({"c": ["a", "b", "b", None, None, None]}), "c", 2)
    ('null', 'b')
    """
    counts = value_counts(table, by)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:most])


def value_counts(table: pa.Table, by: str) -> dict[str, int]:
    """Return how many rows each value of a column has.

    >>> value_counts(pa.table({"c": ["a", "b", "b", None]}), "c")
    {'a': 1, 'b': 2, 'null': 1}
    """
    values: Any = pc.fill_null(text_values(table, by), pa.scalar(NULL))
    found: Any = pc.value_counts(values)
    names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
    return dict(zip(names, counts, strict=True))


def rows_of_segment(table: pa.Table, by: str, value: str | None, named: Sequence[str]) -> pa.Table:
    """Return the rows whose column has ``value``, or (None) one that is not among ``named``.

    >>> rows_of_segment(pa.table({"c": ["a", "b", None]}), "c", None, ["a"])["c"].to_pylist()
    ['b', None]
    """
    values: Any = pc.fill_null(text_values(table, by), pa.scalar(NULL))
    if value is not None:
        same: Any = pc.equal(values, pa.scalar(value))
        return table.filter(same)
    known: Any = pc.is_in(values, value_set=pa.array(named, pa.string()))
    return table.filter(pc.invert(known))


def segment_label(where: tuple[str, str | None] | None) -> str:
    """Return how a segment is shown; that of all rows is empty.

    >>> segment_label(("carrier", "AA")), segment_label(("carrier", None)), segment_label(None)
    ('carrier=AA', 'carrier=other', '')
    """
    if where is None:
        return ""
    column, value = where
    return f"{column}={OTHER if value is None else value}"
