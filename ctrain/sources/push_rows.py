"""Rows that were sent, judged as they will be when they are read: all of them can be used, or none is taken.

The judge is the row log's own (``normalise_rows``), so what was taken is not set aside afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ctrain.domain import SourceBatch
from ctrain.domain.pushes import PushKind
from ctrain.rows.casting import ArrowArray, Cast, cast_label, cast_prediction
from ctrain.rows.columns import (
    Column,
    extract,
    feature_columns,
    first_problem,
    found_path,
    label_columns,
    row_columns,
)
from ctrain.rows.instants import cast_instant
from ctrain.rows.normalise import normalise_labels, normalise_rows
from ctrain.sources.push_body import MOST_TABLE_BYTES
from ctrain.sources.push_bombs import decoded_bytes
from ctrain.sources.push_refusals import BadBatch, BadRow, TooLarge
from ctrain.sources.texts import without_views

if TYPE_CHECKING:
    from ctrain.sources.push_body import Objects
    from ctrain.sources.push_contract import Contract

_ABSENT = object()
_LARGEST = 2**63
MOST_KEYS = 100
"""Of a row that are looked through for what may have been meant by a column that is missing."""
_SHOWN = 60
"""Characters of a value that are repeated to its sender."""
_SENTENCES = {
    "null_id": "there is no id",
    "null_time": "there is no event time",
    "naive_time": "the event time has no zone: write it with one, such as 2026-01-31T08:00:00Z",
    "future_time": "the event time lies in the future",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that can be used, in the columns that the policy names, and what is remarkable about them."""

    table: pa.Table
    warnings: tuple[str, ...] = ()


def judge_rows(rows: Objects | pa.Table, contract: Contract, kind: PushKind, now: datetime) -> Judged:
    """Return the rows as the source of the policy finds them.

    Numbers of JSON are doubles unless all of a column are whole. A feature that no row has counts as
    missing, and that is said.

    Raises
    ------
    TooLarge
        when the values take too much memory.
    BadRow
        for the first row that the policy could not use, with the column.
    """
    columns = _columns(contract, kind)
    try:
        table = rows if isinstance(rows, pa.Table) else _table_of(rows, columns)
        table, warnings = _with_absent_features(table, columns)
        _check_columns(table.schema, columns)
        _check_size(table, columns)
        asked = without_views(_asked_for(table, columns))
        _check_rows(asked, contract, kind, now)
        return Judged(_with_instants(asked, columns), warnings)
    except pa.ArrowException as error:
        raise BadBatch(f"the rows cannot be read: {error}") from None


def _columns(contract: Contract, kind: PushKind) -> tuple[Column, ...]:
    find = row_columns if kind is PushKind.ROWS else label_columns
    return find(contract.data, contract.task)


def _table_of(rows: Objects, columns: Sequence[Column]) -> pa.Table:
    """The columns that any row has, under their paths; others of the first row stand there empty."""
    found: dict[str, Any] = {}
    for column in columns:
        for path in column.paths:
            values = [_value_at(row, path) for row in rows]
            if any(value is not _ABSENT for value in values):
                found[path] = _array_of(path, [None if value is _ABSENT else value for value in values])
                break
    others = [key for key in islice(rows[0], MOST_KEYS) if key not in found and key.isprintable()]
    return pa.table({**found, **{key: pa.nulls(len(rows)) for key in others}})


def _value_at(row: Mapping[str, Any], path: str) -> Any:
    """The value of a key, or with dots of one nested in it."""
    if path in row:
        return row[path]
    found: Any = row
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return _ABSENT
        found = found[name]
    return found


def _array_of(path: str, values: list[Any]) -> ArrowArray:
    """The values in one type; NaN, which JSON of Python has for any missing value, is null."""
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    kinds = {type(value) for value in values} - {type(None)}
    for row, value in enumerate(values):
        if isinstance(value, dict | list):
            raise BadRow(f"column {path!r} holds {_shown(value)}, expected one value", row, path)
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -_LARGEST <= value < _LARGEST for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float, bool} and not _has_large(values):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return _texts_of(path, values)


def _has_large(values: Sequence[Any]) -> bool:
    return any(isinstance(value, int) and not -_LARGEST <= value < _LARGEST for value in values)


def _texts_of(path: str, values: list[Any]) -> ArrowArray:
    """The values as texts; a number reads as it was written, 1 and 1.0 alike."""
    texts = [None if value is None else _text_of(value) for value in values]
    for row, text in enumerate(texts):
        if text is not None and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise BadRow(f"column {path!r} holds a text that is not Unicode", row, path) from None
    return pa.array(texts, pa.string())


def _text_of(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _with_absent_features(table: pa.Table, columns: Sequence[Column]) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with nulls for features that it lacks, and what the sender is told of them."""
    warnings = []
    for column in columns:
        if column.feature and found_path(table.schema, column) is None:
            problem = first_problem(table.schema, [column])
            assert problem is not None
            warnings.append(f"{problem.message}. Its values count as missing")
            table = table.append_column(column.paths[0], pa.nulls(table.num_rows))
    return table, tuple(warnings)


def _check_columns(schema: pa.Schema, columns: Sequence[Column]) -> None:
    for column in columns:
        problem = first_problem(schema, [column])
        if problem is not None:
            raise BadRow(problem.message, None, column.paths[-1])


def _check_size(table: pa.Table, columns: Sequence[Column]) -> None:
    needed = sum(decoded_bytes(extract(table, column)) for column in columns)
    if needed > MOST_TABLE_BYTES:
        raise TooLarge(f"the values take {needed} bytes, a batch at most {MOST_TABLE_BYTES}: send several")


def _check_rows(table: pa.Table, contract: Contract, kind: PushKind, now: datetime) -> None:
    """Raise BadRow for the first row that would be set aside, or whose feature means nothing."""
    batches = [SourceBatch(table, "batch", 0)]
    if kind is PushKind.ROWS:
        found = normalise_rows(batches, contract.data, contract.task, now)
    else:
        found = normalise_labels(batches, contract.data, contract.task)
    for aside in found.set_aside:
        row, reason = int(aside["source_row"][0].as_py()), str(aside["reason"][0].as_py())
        raise _bad_row(table, contract, kind, row, reason)
    wrong = [(int(np.argmax(mask)), name) for name, mask in found.wrong.items()]
    if wrong:
        row, name = min(wrong)
        column = next(one for one in feature_columns(contract.data) if one.name == name)
        raise _bad_value(table, column, row, f"a {column.kind}")


def _bad_row(table: pa.Table, contract: Contract, kind: PushKind, row: int, reason: str) -> BadRow:
    by_name = {column.name: column for column in _columns(contract, kind)}
    if reason == "null_id":
        return BadRow(_SENTENCES[reason], row, _path(table, _columns(contract, kind)[0]))
    if reason in _SENTENCES:
        return BadRow(_SENTENCES[reason], row, _path(table, by_name[contract.data.event_time.column]))
    column, meant = _culprit(table.slice(row, 1), contract, by_name)
    return _bad_value(table, column, row, meant)


def _culprit(row: pa.Table, contract: Contract, columns: Mapping[str, Column]) -> tuple[Column, str]:
    """The column whose value means nothing, and what was expected there."""
    data, task = contract.data, contract.task
    time = columns.get(data.event_time.column)
    if time is not None and cast_instant(extract(row, time), time.zone).bad[0]:
        return time, "an instant after 1970 such as 2026-01-31T08:00:00Z"
    answers = {"binary": "0 or 1", "multiclass": "a class"}
    scores = {"binary": "a probability", "multiclass": "a class"}
    for name, cast, meant in (
        (data.prediction, cast_prediction, scores.get(task, "a number")),
        (data.labels.label, cast_label, answers.get(task, "a number")),
    ):
        column = columns.get(name) if name is not None else None
        if column is not None and _is_bad(cast(extract(row, column), task)):
            return column, meant
    return next(iter(columns.values())), "a value that can be read as text"


def _is_bad(cast: Cast) -> bool:
    return bool(cast.bad[0])


def _bad_value(table: pa.Table, column: Column, row: int, meant: str) -> BadRow:
    path = _path(table, column)
    try:
        shown = _shown(extract(table.slice(row, 1), column)[0].as_py())
    except (OverflowError, ValueError):  # an instant that Python cannot tell
        shown = "what is out of range"
    return BadRow(f"column {path!r} holds {shown}, expected {meant}", row, path)


def _path(table: pa.Table, column: Column) -> str:
    return found_path(table.schema, column) or column.paths[0]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _asked_for(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The columns that the policy names and no others, under their paths."""
    return pa.table({_path(table, column): extract(table, column) for column in columns})


def _with_instants(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The same table with event times as instants."""
    for column in columns:
        if column.kind == "instant":
            path = _path(table, column)
            values = cast_instant(extract(table, column), column.zone).values
            table = table.set_column(table.column_names.index(path), path, values)
    return table
