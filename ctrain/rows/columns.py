"""Which columns of a file a policy names, where they lie, and what types they may have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import Task
from ctrain.rows.casting import ArrowArray, plain_type

if TYPE_CHECKING:
    from ctrain.policy.models import DataSpec

Kind = Literal["id", "instant", "number", "text", "boolean", "date"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the policy names: the first of ``paths`` that a file has is read.

    A path is the name of a column or, with dots, of a field nested in one.
    """

    name: str
    paths: tuple[str, ...]
    kind: Kind
    zone: str | None = None
    """For instants and dates: the zone of those without an offset."""
    feature: bool = False
    """Rows are of use without it: a value that is missing or of another type is null, and counted."""


@dataclass(frozen=True, slots=True)
class ColumnProblem:
    """Why no row of a file can be used: a short reason, and a sentence for a person."""

    reason: Literal["missing_column", "repeated_column", "wrong_type", "naive_time"]
    message: str
    bearable: bool = False
    """Only features are concerned: the rows can be used once other files have shown what is meant."""


def row_columns(data: DataSpec, task: str) -> tuple[Column, ...]:
    """Return the columns that every file of rows must have."""
    answer: Kind = "text" if task == Task.MULTICLASS else "number"
    time = data.event_time
    wanted = [
        Column(data.id, _paths(data, data.id), "id"),
        Column(time.column, _paths(data, time.column), "instant", time.timezone),
    ]
    wanted += feature_columns(data)
    if data.prediction is not None:
        wanted.append(Column(data.prediction, _paths(data, data.prediction), answer))
    if data.model_version is not None:
        wanted.append(Column(data.model_version, _paths(data, data.model_version), "text"))
    if data.labels.source is None:
        wanted.append(Column(data.labels.label, _paths(data, data.labels.label), answer))
    return tuple(wanted)


def feature_columns(data: DataSpec) -> tuple[Column, ...]:
    """Return the columns of the features, in the order of ``Features.names``."""
    features = data.features
    kinds: list[tuple[Kind, tuple[str, ...]]] = [
        ("number", features.numeric),
        ("text", features.categorical),
        ("boolean", features.boolean),
        ("date", features.date),
        ("text", features.text),
    ]
    return tuple(
        Column(name, _paths(data, name), kind, data.event_time.timezone if kind == "date" else None, True)
        for kind, names in kinds
        for name in names
    )


def label_columns(data: DataSpec, task: str) -> tuple[Column, ...]:
    """Return the columns that every file of labels must have.

    Renames are made for the rows' table; here they apply where the name itself is not a column.
    """
    answer: Kind = "text" if task == Task.MULTICLASS else "number"
    key, label = data.labels.id or data.id, data.labels.label
    return (
        Column(key, (key, *_paths(data, key)), "id"),
        Column(label, (label, *_paths(data, label)), answer),
    )


def _paths(data: DataSpec, name: str) -> tuple[str, ...]:
    return (data.columns.get(name, name),)


def locate(schema: pa.Schema, path: str) -> pa.DataType | None:
    """Return the type of the column or nested field at ``path``, None when there is none."""
    if path in schema.names:
        found: pa.DataType = schema.field(path).type
        return found
    head, _, rest = path.partition(".")
    if not rest or head not in schema.names:
        return None
    kind: pa.DataType = schema.field(head).type
    for name in rest.split("."):
        index = kind.get_field_index(name) if isinstance(kind, pa.StructType) else -1
        if not isinstance(kind, pa.StructType) or index < 0:
            return None
        kind = kind.field(index).type
    return kind


def found_path(schema: pa.Schema, column: Column) -> str | None:
    """Return the path at which a file with this schema has the column."""
    return next((path for path in column.paths if locate(schema, path) is not None), None)


def extract(table: pa.Table, column: Column) -> ArrowArray:
    """Return the values of a column as one array; nulls for one that the table lacks."""
    path = found_path(table.schema, column)
    if path is None:
        return pa.nulls(table.num_rows)
    head, *fields = [path] if path in table.schema.names else path.split(".")
    values: ArrowArray = table[head]
    for name in fields:
        values = pc.struct_field(values, name)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def first_problem(schema: pa.Schema, columns: Iterable[Column]) -> ColumnProblem | None:
    """Return why files with this schema cannot be read, or None when they can.

    What concerns features alone comes last and is marked as bearable.
    """
    found = [problem for column in columns if (problem := _problem(schema, column)) is not None]
    return min(found, key=lambda problem: problem.bearable, default=None)


def _problem(schema: pa.Schema, column: Column) -> ColumnProblem | None:
    twice = [path for path in column.paths if schema.names.count(path.partition(".")[0]) > 1]
    if twice:
        return ColumnProblem("repeated_column", f"column {twice[0]!r} is there more than once")
    path = found_path(schema, column)
    if path is None:
        message = _missing(column.paths[-1], leaf_paths(schema))
        return ColumnProblem("missing_column", message, column.feature)
    kind = locate(schema, path)
    assert kind is not None
    wanted = expected(kind, column)
    if wanted is not None:
        message = f"column {path!r} holds {kind}, expected {wanted}"
        return ColumnProblem("wrong_type", message, column.feature)
    if _is_naive(kind, column):
        return ColumnProblem(
            "naive_time",
            f"column {path!r} holds instants without a zone; "
            "name their zone in data.event_time.timezone, or write them with one",
        )
    return None


def _missing(path: str, names: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(path, names, n=1, cutoff=0.0)
    hint = f"; the nearest that exists is {nearest[0]!r}" if nearest else "; the file has no columns"
    return f"column {path!r} is missing{hint}"


def leaf_paths(schema: pa.Schema) -> list[str]:
    """Return the names of all columns, and the dotted paths of fields nested in them."""
    names: list[str] = []
    pending = [(field.name, field.type) for field in reversed(list(schema))]
    while pending:
        path, kind = pending.pop()
        names.append(path)
        if pa.types.is_struct(kind):
            fields = [kind.field(index) for index in range(kind.num_fields)]
            pending += [(f"{path}.{field.name}", field.type) for field in reversed(fields)]
    return names


def expected(kind: pa.DataType, column: Column) -> str | None:
    """Return what was expected when a type cannot hold the column's values, None when it can."""
    kind = plain_type(kind)
    if pa.types.is_null(kind) or _is_text(kind):
        return None
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    match column.kind:
        case "instant" | "date":
            fits = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
            return (
                None
                if fits
                else f"{column.kind}s (timestamps, dates, or texts of ISO 8601 or day.month.year)"
            )
        case "number" | "boolean":
            return None if number or pa.types.is_boolean(kind) else f"{column.kind}s"
        case "id":
            fits = number or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)
            return None if fits else "ids (texts or whole numbers)"
        case "text":
            return "texts" if pa.types.is_nested(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_naive(kind: pa.DataType, column: Column) -> bool:
    if column.kind != "instant" or column.zone is not None:
        return False
    return pa.types.is_date(kind) or (isinstance(kind, pa.TimestampType) and kind.tz is None)
