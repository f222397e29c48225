"""Tables as a source found them, turned into rows and labels of the row log.

What cannot be used is set aside row by row with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import (
    INSTANT,
    ArrowArray,
    Cast,
    Mask,
    cast_instant,
    cast_label,
    cast_number,
    cast_prediction,
    cast_text,
)
from ctrain.rows.columns import Column, extract, label_columns, row_columns

if TYPE_CHECKING:
    from ctrain.domain import SourceBatch
    from ctrain.policy.models import DataSpec

Marks = dict[str, Mask]
"""Which rows cannot be used, by reason; a reason overrules those before it."""
REASONS = ("", "null_id", "null_time", "naive_time", "future_time", "bad_value")
CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future an event may lie: clocks differ, and a row that is set aside stays so."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """Usable rows or labels in the order of arrival, and source rows that were set aside."""

    table: pa.Table
    set_aside: tuple[pa.Table, ...] = ()
    """Source rows with ``reason``, ``source_path`` and ``source_row``."""

    @property
    def rejected(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for table in self.set_aside:
            counts.update(str(one) for one in table["reason"].to_pylist())
        return dict(counts)


def answer_type(task: str) -> pa.DataType:
    """Return the type of labels and predictions: a class as text for multiclass, else a number."""
    return pa.string() if task == "multiclass" else pa.float64()


def row_schema(data: DataSpec, task: str) -> pa.Schema:
    """Return the columns of a row: as ``RowLog.read`` promises, without ``late`` and scores."""
    answer = answer_type(task)
    fields: list[tuple[str, pa.DataType]] = [("row_id", pa.string()), ("event_at", INSTANT)]
    fields += [("prediction", answer), ("model_version", pa.string())]
    fields += [(name, pa.float64()) for name in data.features.numeric]
    fields += [(name, pa.string()) for name in data.features.categorical]
    return pa.schema([*fields, ("label", answer)])


def label_schema(task: str) -> pa.Schema:
    return pa.schema([("row_id", pa.string()), ("label", answer_type(task))])


def normalise_rows(batches: Sequence[SourceBatch], data: DataSpec, task: str, now: datetime) -> Normalised:
    """Return the rows of ``batches``; ``label`` is null unless labels are in the rows' own table."""
    columns = {one.name: one for one in row_columns(data, task)}
    own_label = data.labels.label if data.labels.source is None else None
    casts: list[tuple[str, str | None, Callable[[ArrowArray], Cast]]] = [
        *((name, name, cast_number) for name in data.features.numeric),
        *((name, name, cast_text) for name in data.features.categorical),
        ("prediction", data.prediction, partial(cast_prediction, task=task)),
        ("model_version", data.model_version, cast_text),
        ("label", own_label, partial(cast_label, task=task)),
    ]
    time = columns[data.event_time.column]

    def convert(table: pa.Table) -> tuple[dict[str, ArrowArray], Marks]:
        found, bad = _cast_all(table, [(target, columns[name], cast) for target, name, cast in casts if name])
        instants = cast_instant(extract(table, time), time.zone)
        found["event_at"] = instants.values
        found["row_id"], without_id = _cast_ids(extract(table, columns[data.id]))
        unread = instants.bad | instants.naive
        return found, {
            "bad_value": bad | instants.bad,
            "future_time": _after(instants.values, now + CLOCK_SKEW),
            "naive_time": instants.naive,
            "null_time": _is_null(instants.values) & ~unread,
            "null_id": without_id,
        }

    return _normalise(batches, row_schema(data, task), convert)


def normalise_labels(batches: Sequence[SourceBatch], data: DataSpec, task: str) -> Normalised:
    """Return ids and labels; a null label is one that has not arrived yet, and is left out."""
    key, label = label_columns(data, task)

    def convert(table: pa.Table) -> tuple[dict[str, ArrowArray], Marks]:
        found, bad = _cast_all(table, [("label", label, partial(cast_label, task=task))])
        found["row_id"], without_id = _cast_ids(extract(table, key))
        return found, {"bad_value": bad, "null_id": without_id}

    normalised = _normalise(batches, label_schema(task), convert)
    table = normalised.table
    return Normalised(table.filter(pc.is_valid(table["label"])), normalised.set_aside)


def _normalise(
    batches: Sequence[SourceBatch],
    schema: pa.Schema,
    convert: Callable[[pa.Table], tuple[dict[str, ArrowArray], Marks]],
) -> Normalised:
    tables: list[pa.Table] = []
    set_aside: list[pa.Table] = []
    for _, alike in groupby(batches, key=lambda batch: batch.table.schema):
        group = list(alike)
        source = pa.concat_tables([batch.table for batch in group]).combine_chunks()
        found, marks = convert(source)
        reasons = np.zeros(source.num_rows, dtype=np.int8)
        for reason, mask in marks.items():
            reasons[mask] = REASONS.index(reason)
        table = pa.table(
            [found.get(field.name, pa.nulls(source.num_rows, field.type)) for field in schema], schema=schema
        )
        if reasons.any():
            table = table.filter(pa.array(reasons == 0))
            set_aside.append(_with_reasons(source, reasons, group))
        tables.append(table)
    return Normalised(
        pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table(), tuple(set_aside)
    )


def _with_reasons(source: pa.Table, reasons: npt.NDArray[np.int8], group: Sequence[SourceBatch]) -> pa.Table:
    """Return the source rows that cannot be used, and why and where each was found."""
    paths = np.repeat([batch.path for batch in group], [batch.table.num_rows for batch in group])
    places = np.concatenate([batch.first_row + np.arange(batch.table.num_rows) for batch in group])
    chosen = np.flatnonzero(reasons)
    texts = pa.array([REASONS[one] for one in reasons[chosen]], pa.string())
    table = source.take(chosen).append_column("reason", texts)
    table = table.append_column("source_path", pa.array(paths[chosen].tolist(), pa.string()))
    return table.append_column("source_row", pa.array(places[chosen], pa.int64()))


def _cast_all(
    table: pa.Table, casts: Sequence[tuple[str, Column, Callable[[ArrowArray], Cast]]]
) -> tuple[dict[str, ArrowArray], Mask]:
    found: dict[str, ArrowArray] = {}
    bad = np.zeros(table.num_rows, dtype=np.bool_)
    for target, column, cast in casts:
        found[target], wrong = cast(extract(table, column))
        bad |= wrong
    return found, bad


def _cast_ids(array: ArrowArray) -> tuple[ArrowArray, Mask]:
    """Return ids as texts, and where there is none; an empty text is none."""
    texts, bad = cast_text(array)
    return texts, bad | _is_null(texts) | _truth(pc.equal(texts, pa.scalar("")))


def _after(instants: ArrowArray, end: datetime) -> Mask:
    return _truth(pc.greater(instants, pa.scalar(end, INSTANT)))


def _is_null(array: ArrowArray) -> Mask:
    return _truth(pc.is_null(array))


def _truth(array: ArrowArray) -> Mask:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
