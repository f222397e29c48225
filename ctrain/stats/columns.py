"""Columns of an Arrow table as what statistics read: floats with NaN for missing, or text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DAY_MICROSECONDS = 86_400_000_000
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError)


def numeric_values(table: pa.Table, column: str) -> Floats:
    """Return a column as float64; null, absent and uncastable values are NaN.

    >>> numeric_values(pa.table({"x": [1, None, 3]}), "x")
    array([ 1., nan,  3.])
    """
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return as_floats(table.column(column))


def as_floats(values: pa.ChunkedArray[Any]) -> Floats:
    """Return values as float64; what is null or cannot be cast is NaN."""
    try:
        numbers = pc.cast(plain(values), pa.float64(), safe=False)
    except _UNREADABLE:
        return np.full(len(values), np.nan)
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def date_values(table: pa.Table, column: str) -> Floats:
    """Return a column of dates or instants as days since 1970-01-01 (UTC); numbers are days already.

    >>> from datetime import date
    >>> date_values(pa.table({"d": [date(1970, 1, 3), None]}), "d")
    array([ 2., nan])
    """
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values = plain(table.column(column))
    if pa.types.is_date32(values.type):
        return as_floats(pc.cast(values, pa.int32()))
    if not (pa.types.is_temporal(values.type) or pa.types.is_string(values.type)):
        return as_floats(values)
    try:
        instants = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
    except _UNREADABLE:
        return np.full(table.num_rows, np.nan)
    return as_floats(instants) / _DAY_MICROSECONDS


def text_values(table: pa.Table, column: str) -> pa.ChunkedArray[Any]:
    """Return a column as strings (booleans as ``true``/``false``); what cannot be cast is null.

    >>> text_values(pa.table({"x": [True, None]}), "x").to_pylist()
    ['true', None]
    """
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    try:
        return pc.cast(plain(table.column(column)), pa.string())
    except _UNREADABLE:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def boolean_values(table: pa.Table, column: str) -> pa.ChunkedArray[Any]:
    """Return a column as ``true`` and ``false``, also where it is stored as 1 and 0.

    Strings stay what they are; a number that is neither 0 nor 1 is ``other``.

    >>> boolean_values(pa.table({"x": [1.0, 0.0, None, 2.0]}), "x").to_pylist()
    ['true', 'false', None, 'other']
    """
    if column not in table.column_names or not _is_number(plain(table.column(column)).type):
        return text_values(table, column)
    numbers = numeric_values(table, column)
    codes = np.select([numbers == 0, numbers == 1], [0, 1], 2)
    names = pa.array(["false", "true", "other"])
    return pa.chunked_array([names.take(pa.array(codes, mask=np.isnan(numbers)))])


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def plain(values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return the values without dictionary encoding."""
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    return values
