"""Columns of an Arrow table as what statistics read: floats with NaN for missing, or text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def numeric_values(table: pa.Table, column: str) -> Floats:
    """Return a column as float64; null, absent and uncastable values are NaN.

    >>> numeric_values(pa.table({"x": [1, None, 3]}), "x")
    array([ 1., nan,  3.])
    """
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    try:
        values = pc.cast(plain(table.column(column)), pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.full(table.num_rows, np.nan)
    return np.asarray(values.to_numpy(), dtype=np.float64)


def text_values(table: pa.Table, column: str) -> pa.ChunkedArray[Any]:
    """Return a column as strings (booleans as ``true``/``false``); what cannot be cast is null.

    >>> text_values(pa.table({"x": [True, None]}), "x").to_pylist()
    ['true', None]
    """
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    try:
        return pc.cast(plain(table.column(column)), pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def plain(values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return the values without dictionary encoding."""
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    return values
