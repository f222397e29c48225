"""Types of columns of texts: inferred from the first values, then fixed, and values read by them.

What cannot be read stays a text: whoever needs a number finds it there and counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray
from ctrain.rows.columns import Column, Kind

ColumnType = Literal["number", "text", "boolean", "instant"]

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "NaT", "\\N")
"""What stands for nothing in columns of numbers, booleans and instants."""
MISSING_TEXTS = ("", "\\N")
"""What stands for nothing in columns of texts: ``NA`` may be Namibia, and ``null`` a name."""
_WHOLE = r"^-?(0|[1-9]\d*)(\.0+)?$"
_WHOLE_FLOAT = r"^(-?(?:0|[1-9]\d*))\.0+$"
_INFINITE = r"^([+-]?)(?i:inf|infinity)$"
_TRUE, _FALSE = ("true", "1"), ("false", "0")


def by_path(declared: Mapping[str, ColumnType], columns: Iterable[Column]) -> dict[str, ColumnType]:
    """Return declared types by the paths of columns; they are declared by path or by the policy's name."""
    found: dict[str, ColumnType] = {}
    for column in columns:
        for path in column.paths:
            declared_type = declared.get(path) or declared.get(column.name)
            if declared_type is not None:
                found[path] = declared_type
    return found


def infer_type(values: ArrowArray, kind: Kind) -> ColumnType | None:
    """Return the type that the first values of a column show; None when all of them are null."""
    if kind in ("instant", "date"):
        return "instant"
    if not _is_text(values.type):
        return None if values.null_count == len(values) else "number"
    texts = pc.drop_null(_without(values, MISSING_TEXTS if kind in ("id", "text") else MISSING))
    if not len(texts):
        return None
    words = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(["true", "false"]))
    if kind in ("number", "text") and pc.all(words).as_py():
        return "boolean"
    if kind in ("id", "text"):
        return "number" if pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py() else "text"
    return "boolean" if kind == "boolean" else "number"


def settle(values: ArrowArray, kind: Kind, column_type: ColumnType | None) -> ArrowArray:
    """Return the values as their type has them, and as the texts they are where it cannot.

    Numbers come as float64, or as texts when one of them is none. In columns of texts a number is a
    text, without the ``.0`` that whole numbers get where others are missing; leading zeros stay.
    """
    if not _is_text(values.type):
        return values
    if kind in ("id", "text"):
        values = _without(values, MISSING_TEXTS)
        if column_type == "number":
            return pc.replace_substring_regex(values, _WHOLE_FLOAT, r"\1")
        if column_type == "boolean":
            lower = pc.utf8_lower(values)
            return pc.if_else(pc.is_in(lower, value_set=pa.array(["true", "false"])), lower, values)
        return values
    values = _without(values, MISSING)
    if kind != "number":
        return values
    return _truths(values) if column_type == "boolean" else _numbers(values)


def _numbers(texts: ArrowArray) -> ArrowArray:
    texts = pc.utf8_trim_whitespace(texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        # Only plain decimals are read among texts later on: an infinity is written as one.
        return pc.replace_substring_regex(texts, _INFINITE, r"\11e999")


def _truths(texts: ArrowArray) -> ArrowArray:
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    true, false = (pc.is_in(lower, value_set=pa.array(words)) for words in (_TRUE, _FALSE))
    known = pc.or_kleene(pc.or_(true, false), pc.is_null(lower))
    if not pc.all(known).as_py():
        return _numbers(texts)
    return pc.if_else(pc.is_valid(lower), true, None)


def _without(texts: ArrowArray, missing: tuple[str, ...]) -> ArrowArray:
    return pc.if_else(pc.is_in(texts, value_set=pa.array(missing)), None, texts)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
