"""Values of a file, column by column and as a sample of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.app.drafts.features import with_times
from ctrain.app.drafts.instants import NO_TIME, ROW_SECOND, EventTimes
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.sources.tables import BATCH_ROWS, read_batches
from ctrain.stats.columns import text_values

SAMPLED_ROWS = 200_000
SAMPLED_VALUES = 20_000_000
BATCH_VALUES = 4_000_000
MOST_REPEATED = 0.01
"""Share of repeated ids from which on a column is no id."""


def batch_rows(columns: int) -> int:
    """Return how many rows of so many columns are read together."""
    return max(1000, min(BATCH_ROWS, BATCH_VALUES // max(1, columns)))


def values_of(files: TableFiles, name: str) -> Iterator[pa.ChunkedArray[Any]]:
    """Yield the values of one column in parts."""
    for path in files.paths:
        for batch in read_batches(path, [name]):
            yield pa.chunked_array([batch.column(0)])


def read_sample(files: TableFiles, columns: Sequence[str], times: EventTimes) -> pa.Table:
    """Return evenly spaced rows of the file, those that have an event time, with it."""
    most = max(1000, min(SAMPLED_ROWS, SAMPLED_VALUES // max(1, len(columns))))
    stride = -(-files.rows // most)
    parts, start = [], 0
    places: list[npt.NDArray[np.int64]] = []
    for path in files.paths:
        for batch in read_batches(path, columns, batch_rows=batch_rows(len(columns))):
            inside = np.arange(-start % stride, batch.num_rows, stride)
            parts.append(pa.Table.from_batches([batch]).select(list(columns)).take(inside))
            places.append(inside + start)
            start += batch.num_rows
    numbers = np.concatenate(places)
    instants = numbers * ROW_SECOND if times.column is None else times.instants[numbers]
    known = instants != NO_TIME
    return with_times(pa.concat_tables(parts).filter(pa.array(known)), instants[known])


def check_id(files: TableFiles, name: str) -> None:
    """Raise InputError when the first rows show that a column is no id."""
    type_ = files.schema.field(name).type
    if pa.types.is_nested(type_):
        raise InputError(f"--id: {name} holds {type_}; expected texts or numbers")
    parts: list[Any] = []
    for values in values_of(files, name):
        parts += text_values(pa.Table.from_arrays([values], names=[name]), name).chunks
        if sum(map(len, parts)) >= SAMPLED_ROWS:
            break
    ids = pa.chunked_array(parts)
    if ids.null_count:
        raise InputError(
            f"--id: {name} is missing in {ids.null_count:,} of {len(ids):,} rows; every row needs one"
        )
    different = len(ids.unique())
    if len(ids) - different > MOST_REPEATED * len(ids):
        raise InputError(
            f"--id: {name} has {different:,} different values in {len(ids):,} rows, and a repeated id is a"
            " repeated row; leave the option out to number the rows"
        )


def null_rate(sample: pa.Table, names: Sequence[str]) -> float:
    """Return how often the column that is missing most often is missing."""
    return max(_nulls(sample.column(name)) for name in names) / max(1, sample.num_rows)


def _nulls(values: pa.ChunkedArray[Any]) -> int:
    missing: Any = pc.is_null(values, nan_is_null=True)
    return int(pc.sum(missing).as_py() or 0)
