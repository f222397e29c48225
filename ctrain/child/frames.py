"""Rows as the data frames that models are fitted on and asked with: the same dtypes in both.

Numbers are float64, text is ``object`` holding ``str``, and what is missing is NaN in both, which is
what scikit-learn's imputers and encoders recognise, whatever the version of pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

INTEGERS = {"integer": "int32", "long": "int64"}
FLOATS = {"float": "float32", "double": "float64"}
MICROSECONDS_A_DAY = 86_400_000_000
MOST_DAYS = 2_900_000
"""From 1970: to the year 9900."""
LARGEST_EXACT = 2.0**53
"""Integers up to here survive the way through float64."""


def training_frame(table: pa.Table) -> pd.DataFrame:
    """All columns of ``table`` with the dtypes of the training contract."""
    import pandas as pd

    return pd.DataFrame({name: _contracted(table[name]) for name in table.column_names})


def _contracted(column: pa.ChunkedArray[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa

    if (
        pa.types.is_boolean(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
    ):
        return pd.Series(column.cast(pa.float64()).to_numpy())
    return pd.Series(_with_nan(column.to_numpy(zero_copy_only=False)), dtype=object)


def _with_nan(values: Any) -> Any:
    import numpy as np

    values = np.array(values, dtype=object)
    values[[value is None for value in values]] = np.nan
    return values


def signature_frame(
    table: pa.Table, columns: Sequence[tuple[str, str, bool]]
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Columns cast to a model's signature, and which rows could be cast.

    ``columns`` holds (name, MLflow type, required); a name that is a number is a text in the rows. Rows
    that could not be cast have a stand-in value there and must not be shown to the model. A column that
    the rows lack is an error unless optional.
    """
    import numpy as np
    import pandas as pd

    usable = np.ones(table.num_rows, dtype=bool)
    cast: dict[str, Any] = {}
    for name, kind, required in columns:
        given = str(name)
        if given not in table.column_names:
            if required:
                raise ValueError(f"the model needs the column {given!r}, which the rows do not have")
            continue
        cast[name], good = _cast(table[given], kind)
        usable &= good
    return pd.DataFrame(cast), usable


def _cast(column: pa.ChunkedArray[Any], kind: str) -> tuple[Any, npt.NDArray[np.bool_]]:
    import numpy as np

    if kind in FLOATS:
        values, good = _numbers(column)
        return values.astype(FLOATS[kind]), good
    if kind in INTEGERS:
        values, good = _numbers(column)
        limits = np.iinfo(INTEGERS[kind])
        with np.errstate(invalid="ignore"):
            good &= (values == np.floor(values)) & (np.abs(values) <= min(LARGEST_EXACT, limits.max))
        return np.where(good, values, 0).astype(INTEGERS[kind]), good
    if kind == "boolean":
        values, good = _numbers(column)
        good &= (values == 0) | (values == 1)
        return np.where(good, values, 0).astype(bool), good
    if kind == "string":
        return _text(column), np.ones(len(column), dtype=bool)
    if kind == "datetime":
        return _instants(column)
    raise ValueError(
        f"columns of MLflow type {kind!r} cannot be scored; use numbers, strings, booleans or times"
    )


def _numbers(column: pa.ChunkedArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """As float64 with NaN for nulls; False where text is no number."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan), np.ones(len(column), dtype=bool)
    if (
        pa.types.is_boolean(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
    ):
        values = np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
        return values, np.ones(len(values), dtype=bool)
    given = pd.Series(column.to_pylist(), dtype=object)
    numbers = np.array(pd.to_numeric(given, errors="coerce"), dtype=np.float64)
    return numbers, np.asarray(~np.isnan(numbers) | given.isna().to_numpy(), dtype=bool)


def _text(column: pa.ChunkedArray[Any]) -> Any:
    """As a series of objects: pandas would make its own type of text of an array."""
    import pandas as pd
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = column.cast(pa.string())
    return pd.Series(_with_nan(column.to_numpy(zero_copy_only=False)), dtype=object)


def _instants(column: pa.ChunkedArray[Any]) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Times without a zone, in UTC; numbers are days since 1970-01-01, as the features of dates come."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        days = np.array(column.to_numpy(), dtype=np.float64)
        good = np.isnan(days) | (np.abs(days) < MOST_DAYS)
        microseconds = np.where(np.isnan(days) | ~good, 0, np.round(days * MICROSECONDS_A_DAY))
        times = microseconds.astype(np.int64).astype("datetime64[us]")
        times[np.isnan(days)] = np.datetime64("NaT")
        return times, good
    given = pd.Series(column.to_pylist(), dtype=object)
    instants = pd.to_datetime(given, errors="coerce", utc=True).dt.tz_localize(None)
    return instants.to_numpy(), np.asarray(instants.notna() | given.isna(), dtype=bool)
