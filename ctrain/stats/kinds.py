"""Which columns of a table are numbers, categories, booleans, dates or free text."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.stats.columns import plain, text_values
from ctrain.stats.raw import Kind, kind_of
from ctrain.stats.screening import id_note

_ENOUGH_VALUES = 100
_MOST_DISTINCT = 0.5
_LONG = 20.0
"""Mean number of characters from which on distinct strings are text."""
_VARIED = 0.1
"""Standard deviation of their number, in means, below which they are keys such as a UUID."""


class Role(StrEnum):
    """How a column is profiled."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"
    PRESENCE = "presence"
    """Only missing values are counted: ids, nested values, durations, columns without a type."""


_ROLES = {
    Kind.NUMBER: Role.NUMERIC,
    Kind.BOOLEAN: Role.BOOLEAN,
    Kind.TIME: Role.DATE,
    Kind.EMPTY: Role.PRESENCE,
    Kind.OTHER: Role.PRESENCE,
}


def role_of(values: pa.ChunkedArray[Any]) -> Role:
    """Return how a column is profiled: by its type, and for strings by a sample of its values.

    >>> role_of(pa.chunked_array([[1, 2]])), role_of(pa.chunked_array([["a", "b", "a"]]))
    (<Role.NUMERIC: 'numeric'>, <Role.CATEGORICAL: 'categorical'>)
    """
    kind = kind_of(values.type)
    if kind is not Kind.TEXT:
        return _ROLES[kind]
    if is_free_text(values):
        return Role.TEXT
    return Role.PRESENCE if id_note(_table(values), "values") else Role.CATEGORICAL


def is_free_text(values: pa.ChunkedArray[Any]) -> bool:
    """Whether most of at least 100 strings are distinct, and they are long and of many lengths.

    >>> is_free_text(pa.chunked_array([[f"they said {'it rains ' * (n % 7)} {n}" for n in range(200)]]))
    True
    >>> is_free_text(pa.chunked_array([[f"{n:040d}" for n in range(200)]]))
    False
    """
    stored = plain(values).type
    if not (pa.types.is_string(stored) or pa.types.is_large_string(stored)):
        return False
    texts = pc.drop_null(text_values(_table(values), "values"))
    if len(texts) < _ENOUGH_VALUES or pc.count_distinct(texts).as_py() <= _MOST_DISTINCT * len(texts):
        return False
    lengths = np.asarray(pc.utf8_length(texts).to_numpy(), dtype=np.float64)
    return bool(lengths.mean() >= _LONG and lengths.std() >= _VARIED * lengths.mean())


def _table(values: pa.ChunkedArray[Any]) -> pa.Table:
    return pa.Table.from_arrays([values], names=["values"])
