"""Columns of an Arrow table as what statistics read: floats with NaN for missing, or text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DAY_MICROSECONDS = 86_400_000_000
_WRITTEN_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
"""What Arrow raises for values, and for types, that it cannot make numbers or instants of."""


def numeric_values(table: pa.Table, column: str) -> Floats:
    """Return a column as float64; null, absent and uncastable values are NaN.

    >>> numeric_values(pa.table({"x": [1, None, 3]}), "x")
    array([ 1., nan,  3.])
    """
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return as_floats(table.column(column))


def as_floats(values: pa.ChunkedArray[Any]) -> Floats:
    """Return values as float64; what is null or cannot be cast is NaN.

    >>> as_floats(pa.chunked_array([["1.5", "-2e3", "n/a", None]])).tolist()
    [1.5, -2000.0, nan, nan]
    """
    try:
        numbers = pc.cast(plain(values), pa.float64(), safe=False)
    except pa.ArrowNotImplementedError:  # lists, structs and the like are not numbers
        return np.full(len(values), np.nan)
    except pa.ArrowInvalid:
        return _parsed(plain(values))
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def _parsed(values: pa.ChunkedArray[Any]) -> Floats:
    """Return the strings that are numbers as such, each by itself."""
    try:
        written = pc.match_substring_regex(values, pattern=_WRITTEN_NUMBER)
        numbers: Any = pc.cast(pc.if_else(written, values, None), pa.float64())
    except _UNREADABLE:
        return np.full(len(values), np.nan)
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def float_blocks(
    values: pa.ChunkedArray[Any], size: int
) -> Iterator[tuple[Floats, NDArray[np.int64] | None]]:
    """Yield at most ``size`` values at a time as float64, with the places of nulls, if there are any.

    What stands at those places is arbitrary; nothing is copied where the values are float64 already.

    >>> [(len(part), missing) for part, missing in float_blocks(pa.chunked_array([[1.0, 2.0], [None]]), 10)]
    [(2, None), (1, array([0]))]
    """
    for chunk in plain(values).chunks:
        for start in range(0, len(chunk), size):
            part = chunk.slice(start, size)
            if not pa.types.is_float64(part.type):
                part = pc.cast(part, pa.float64(), safe=False)
            buffers: list[Any] = part.buffers()
            here = slice(part.offset, part.offset + len(part))
            if part.null_count == len(part):
                yield np.zeros(len(part)), np.arange(len(part))
            elif part.null_count == 0:
                yield np.frombuffer(buffers[1], np.float64)[here], None
            else:
                yield np.frombuffer(buffers[1], np.float64)[here], _zeros(buffers[0], here)


def _zeros(bitmap: Any, here: slice) -> NDArray[np.int64]:
    """Return the places, from the start of a part of a bitmap, of bits that are not set."""
    first = here.start // 8
    stored = np.frombuffer(bitmap, np.uint8)[first : -(-here.stop // 8)]
    bits = np.unpackbits(stored, bitorder="little")[here.start - 8 * first : here.stop - 8 * first]
    return np.flatnonzero(bits == 0)


def date_values(table: pa.Table, column: str) -> Floats:
    """Return a column of dates or instants as days since 1970-01-01 (UTC), a time of day as a part of one.

    Numbers are days already.

    >>> from datetime import date
    >>> date_values(pa.table({"d": [date(1970, 1, 3), None]}), "d")
    array([ 2., nan])
    """
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values = plain(table.column(column))
    if pa.types.is_date32(values.type):
        return as_floats(pc.cast(values, pa.int32()))
    if pa.types.is_time(values.type):
        return (
            as_floats(pc.cast(pc.cast(values, pa.time64("us"), safe=False), pa.int64())) / _DAY_MICROSECONDS
        )
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
    if column not in table.column_names or not is_number(plain(table.column(column)).type):
        return text_values(table, column)
    numbers = numeric_values(table, column)
    codes = np.select([numbers == 0, numbers == 1], [0, 1], 2)
    names = pa.array(["false", "true", "other"])
    return pa.chunked_array([names.take(pa.array(codes, mask=np.isnan(numbers)))])


def is_number(type_: pa.DataType) -> bool:
    """Whether a column of this type holds numbers: integers, floats or decimals."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def plain(values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return the values without dictionary encoding."""
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    return values
