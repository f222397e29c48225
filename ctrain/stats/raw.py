"""Columns as samples: what kind of values, which of them are missing, and the values themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.stats.grid import Counts
from ctrain.stats.two_sample import Numbers


class Kind(StrEnum):
    """What a column holds, whatever its storage: a change of kind is a change of type."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIME = "time"
    EMPTY = "null"
    OTHER = "other"


@dataclass(frozen=True)
class Sample:
    """One column of a table, without its missing values (nulls and NaN)."""

    type: pa.DataType
    rows: int
    values: pa.ChunkedArray[Any]

    @cached_property
    def kind(self) -> Kind:
        return kind_of(self.type)

    @property
    def n(self) -> int:
        """Number of values that are not missing."""
        return len(self.values)

    @property
    def null_rate(self) -> float:
        return (self.rows - self.n) / self.rows if self.rows else float("nan")

    def numbers(self) -> Numbers:
        """Return the values of a numeric column; integers stay integers."""
        if pa.types.is_integer(self.type):
            return np.asarray(self.values.to_numpy())
        return np.asarray(pc.cast(self.values, pa.float64()).to_numpy(), dtype=np.float64)


_KINDS = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_integer, Kind.NUMBER),
    (pa.types.is_floating, Kind.NUMBER),
    (pa.types.is_decimal, Kind.NUMBER),
    (pa.types.is_string, Kind.TEXT),
    (pa.types.is_large_string, Kind.TEXT),
    (pa.types.is_string_view, Kind.TEXT),
    (pa.types.is_duration, Kind.OTHER),
    (pa.types.is_temporal, Kind.TIME),
    (pa.types.is_null, Kind.EMPTY),
)


def kind_of(type_: pa.DataType) -> Kind:
    """Return what a column of this type holds; a dictionary of numbers is a set of names.

    >>> kind_of(pa.dictionary(pa.int8(), pa.string())), kind_of(pa.date32())
    (<Kind.TEXT: 'text'>, <Kind.TIME: 'time'>)
    """
    if pa.types.is_dictionary(type_):
        named = kind_of(type_.value_type) in {Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN}
        return Kind.TEXT if named else Kind.OTHER
    return next((kind for belongs, kind in _KINDS if belongs(type_)), Kind.OTHER)


def read_sample(table: pa.Table, column: str) -> Sample | None:
    """Return a column without its missing values, None when the table does not have it."""
    if column not in table.column_names:
        return None
    values = table.column(column)
    present = pc.drop_null(values)
    if pa.types.is_float16(values.type):
        present = pc.cast(present, pa.float32())
    if pa.types.is_floating(values.type):
        present = present.filter(pc.invert(pc.is_nan(present)))
    return Sample(values.type, table.num_rows, present)


def count_categories(reference: Sample, current: Sample) -> tuple[Counts, Counts]:
    """Return how often each category of either sample occurs in both.

    >>> rows = pa.table({"a": ["x", "y"], "b": ["y", "z"]})
    >>> one, other = read_sample(rows, "a"), read_sample(rows, "b")
    >>> count_categories(one, other)
    (array([1, 1, 0]), array([0, 1, 1]))
    """
    before, now = _counted(reference), _counted(current)
    names = [*before, *(name for name in now if name not in before)]
    return (
        np.array([before.get(name, 0) for name in names], dtype=np.int64),
        np.array([now.get(name, 0) for name in names], dtype=np.int64),
    )


def _counted(sample: Sample) -> dict[str, int]:
    plain = sample.values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    found = pc.value_counts(pc.cast(plain, pa.string()))
    counts = (int(count) for count in found.field("counts").to_numpy())
    return dict(zip((str(name) for name in found.field("values").to_pylist()), counts, strict=True))
