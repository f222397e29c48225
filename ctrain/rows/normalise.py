"""Tables as a source found them, turned into rows and labels of the row log.

What cannot be used is set aside row by row with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import CLOCK_SKEW, FUTURE
from ctrain.rows.aside import REASONS, lines_table, origin_of, side_by_side
from ctrain.rows.casting import (
    ArrowArray,
    Cast,
    Mask,
    as_mask,
    cast_boolean,
    cast_label,
    cast_number,
    cast_prediction,
    cast_text,
)
from ctrain.rows.columns import (
    Column,
    expected,
    extract,
    feature_columns,
    found_path,
    label_columns,
    row_columns,
)
from ctrain.rows.early import waiting_rows
from ctrain.rows.instants import INSTANT, cast_date, cast_instant, microseconds_of

if TYPE_CHECKING:
    from ctrain.domain import RejectedLine, SourceBatch
    from ctrain.policy.models import DataSpec

Marks = dict[str, Mask]
"""Which rows cannot be used, by reason; a reason overrules those before it."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """Usable rows or labels in the order of arrival, and source rows that were set aside."""

    table: pa.Table
    set_aside: tuple[pa.Table, ...] = ()
    """Source rows with ``reason``, ``source_path``, ``source_row`` and ``source_line``."""
    early: tuple[pa.Table, ...] = ()
    """Those of them that are read again in their time, as ``waiting_rows`` makes them."""
    wrong: Mapping[str, Mask] = field(default_factory=dict)
    """Rows of ``table`` whose value of a feature means nothing, where there are any."""
    absent: Mapping[str, Mask] = field(default_factory=dict)
    """Rows of ``table`` whose file lacks the column of a feature, where there are any."""
    new_columns: Mapping[str, int] = field(default_factory=dict)
    """Columns that no earlier file had: the earliest event of their file, in microseconds since 1970."""

    @property
    def rejected(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for table in self.set_aside:
            counts.update(str(one) for one in table["reason"].to_pylist())
        return dict(counts)


@dataclass(frozen=True, slots=True)
class _Converted:
    """The columns of one table as far as they could be read, and what could not."""

    values: dict[str, ArrowArray]
    marks: Marks
    wrong: dict[str, Mask] = field(default_factory=dict)
    absent: Sequence[str] = ()


def answer_type(task: str) -> pa.DataType:
    """Return the type of labels and predictions: a class as text for multiclass, else a number."""
    return pa.string() if task == "multiclass" else pa.float64()


def row_schema(data: DataSpec, task: str) -> pa.Schema:
    """Return the columns of a row: as ``RowLog.read`` promises, without ``late`` and scores."""
    answer = answer_type(task)
    fields: list[tuple[str, pa.DataType]] = [("row_id", pa.string()), ("event_at", INSTANT)]
    fields += [("prediction", answer), ("model_version", pa.string())]
    for one in feature_columns(data):
        fields.append((one.name, pa.string() if one.kind == "text" else pa.float64()))
    return pa.schema([*fields, ("label", answer)])


def label_schema(task: str) -> pa.Schema:
    return pa.schema([("row_id", pa.string()), ("label", answer_type(task))])


def normalise_rows(batches: Sequence[SourceBatch], data: DataSpec, task: str, now: datetime) -> Normalised:
    """Return the rows of ``batches``; ``label`` is null unless labels are in the rows' own table."""
    columns = {one.name: one for one in row_columns(data, task)}
    own_label = data.labels.label if data.labels.source is None else None
    features = feature_columns(data)
    casts: list[tuple[str, str | None, Callable[[ArrowArray], Cast]]] = [
        ("prediction", data.prediction, partial(cast_prediction, task=task)),
        ("model_version", data.model_version, cast_text),
        ("label", own_label, partial(cast_label, task=task)),
    ]
    time = columns[data.event_time.column]

    def convert(table: pa.Table) -> _Converted:
        found, bad = _cast_all(table, [(target, columns[name], cast) for target, name, cast in casts if name])
        wrong = {}
        for one in features:
            found[one.name], wrong[one.name] = _cast_feature(extract(table, one), one)
        instants = cast_instant(extract(table, time), time.zone)
        found["event_at"] = instants.values
        found["row_id"], without_id = _cast_ids(extract(table, columns[data.id]))
        unread = instants.bad | instants.naive
        marks = {
            "bad_value": bad | instants.bad,
            FUTURE: _after(instants.values, now + CLOCK_SKEW),
            "naive_time": instants.naive,
            "null_time": _is_null(instants.values) & ~unread,
            "null_id": without_id,
        }
        absent = [one.name for one in features if found_path(table.schema, one) is None]
        return _Converted(found, marks, wrong, absent)

    return _normalise(batches, row_schema(data, task), convert, now)


def normalise_labels(batches: Sequence[SourceBatch], data: DataSpec, task: str) -> Normalised:
    """Return ids and labels; a null label is one that has not arrived yet, and is left out."""
    key, label = label_columns(data, task)

    def convert(table: pa.Table) -> _Converted:
        found, bad = _cast_all(table, [("label", label, partial(cast_label, task=task))])
        found["row_id"], without_id = _cast_ids(extract(table, key))
        return _Converted(found, {"bad_value": bad, "null_id": without_id})

    normalised = _normalise(batches, label_schema(task), convert)
    table = normalised.table
    return Normalised(table.filter(pc.is_valid(table["label"])), normalised.set_aside)


def with_lines(normalised: Normalised, lines: Sequence[RejectedLine]) -> Normalised:
    """Return the same, with lines of files that are no rows among what was set aside."""
    if not lines:
        return normalised
    return replace(normalised, set_aside=(*normalised.set_aside, lines_table(lines)))


@dataclass(frozen=True, slots=True)
class _Part:
    """What became of tables of one schema."""

    table: pa.Table
    set_aside: pa.Table | None
    early: pa.Table | None
    wrong: Mapping[str, Mask]
    absent: Mapping[str, Mask]
    new_columns: Mapping[str, int]


def _normalise(
    batches: Sequence[SourceBatch],
    schema: pa.Schema,
    convert: Callable[[pa.Table], _Converted],
    now: datetime | None = None,
) -> Normalised:
    alike = groupby(batches, key=lambda batch: batch.table.schema)
    parts = [_part(list(group), schema, convert, now) for _, group in alike]
    tables = [one.table for one in parts]
    sizes = [table.num_rows for table in tables]
    return Normalised(
        pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table(),
        tuple(one.set_aside for one in parts if one.set_aside is not None),
        tuple(one.early for one in parts if one.early is not None and one.early.num_rows),
        _joined([one.wrong for one in parts], sizes),
        _joined([one.absent for one in parts], sizes),
        {name: at for one in parts for name, at in one.new_columns.items()},
    )


def _part(
    group: Sequence[SourceBatch],
    schema: pa.Schema,
    convert: Callable[[pa.Table], _Converted],
    now: datetime | None,
) -> _Part:
    source = pa.concat_tables([batch.table for batch in group]).combine_chunks()
    converted = convert(source)
    found, wrong = converted.values, converted.wrong
    columns = [found.get(field.name, pa.nulls(source.num_rows, field.type)) for field in schema]
    table, set_aside, early = pa.table(columns, schema=schema), None, None
    reasons = _reasons(converted.marks, source.num_rows)
    if reasons.any():
        kept = reasons == 0
        unusable, origin = source.filter(pa.array(~kept)), origin_of(reasons, group)
        set_aside = side_by_side(unusable, origin)
        if now is not None:
            early = waiting_rows(unusable, origin, found["event_at"].filter(pa.array(~kept)), now)
        table, wrong = table.filter(pa.array(kept)), {name: mask[kept] for name, mask in wrong.items()}
    absent = dict.fromkeys(converted.absent, np.ones(table.num_rows, dtype=np.bool_))
    return _Part(table, set_aside, early, wrong, absent, _new_columns(group, found.get("event_at")))


def _reasons(marks: Marks, rows: int) -> npt.NDArray[np.int8]:
    """Why each row cannot be used, as a place in ``REASONS``; 0 where it can."""
    reasons = np.zeros(rows, dtype=np.int8)
    for reason, mask in marks.items():
        reasons[mask] = REASONS.index(reason)
    return reasons


def _joined(parts: Sequence[Mapping[str, Mask]], sizes: Sequence[int]) -> dict[str, Mask]:
    """One mask over the rows of all parts for each name that marks any row."""
    names = dict.fromkeys(name for part in parts for name in part)
    whole = {
        name: np.concatenate(
            [part.get(name, np.zeros(size, dtype=np.bool_)) for part, size in zip(parts, sizes, strict=True)]
        )
        for name in names
    }
    return {name: mask for name, mask in whole.items() if mask.any()}


def _new_columns(group: Iterable[SourceBatch], instants: ArrowArray | None) -> dict[str, int]:
    """When the first event of the file that brought each new column happened; without one: never."""
    found: dict[str, int] = {}
    start = 0
    for batch in group:
        if batch.new_columns and instants is not None:
            events = microseconds_of(pc.drop_null(instants.slice(start, batch.table.num_rows)))
            if len(events):
                found |= {name: int(events.min()) for name in batch.new_columns}
        start += batch.table.num_rows
    return found


def _cast_all(
    table: pa.Table, casts: Sequence[tuple[str, Column, Callable[[ArrowArray], Cast]]]
) -> tuple[dict[str, ArrowArray], Mask]:
    found: dict[str, ArrowArray] = {}
    bad = np.zeros(table.num_rows, dtype=np.bool_)
    for target, column, cast in casts:
        found[target], wrong = cast(extract(table, column))
        bad |= wrong
    return found, bad


def _cast_feature(array: ArrowArray, column: Column) -> Cast:
    """Return the values of a feature; of a type that cannot hold its values every one is wrong."""
    if expected(array.type, column) is not None:
        empty = pa.nulls(len(array), pa.string() if column.kind == "text" else pa.float64())
        return Cast(empty, ~_is_null(array))
    match column.kind:
        case "number":
            return cast_number(array)
        case "boolean":
            return cast_boolean(array)
        case "date":
            return cast_date(array, column.zone)
        case _:
            return cast_text(array)


def _cast_ids(array: ArrowArray) -> tuple[ArrowArray, Mask]:
    """Return ids as texts, and where there is none; an empty text is none."""
    texts, bad = cast_text(array)
    return texts, bad | _is_null(texts) | as_mask(pc.equal(texts, pa.scalar("")))


def _after(instants: ArrowArray, end: datetime) -> Mask:
    return as_mask(pc.greater(instants, pa.scalar(end, INSTANT)))


def _is_null(array: ArrowArray) -> Mask:
    return as_mask(pc.is_null(array))
