"""JSON lines: blocks of lines, each an object, as columns; nested fields have dotted paths."""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from ctrain.rows.casting import ArrowArray, cast_text
from ctrain.rows.columns import Kind
from ctrain.sources.parsed import BadRecord, Parsed
from ctrain.sources.records import Records

SAMPLED_LINES = 64
_THREADED_BYTES = 2**20
_BRACE = b"{"[0]
_NULL_AFTER = re.compile(rb"\}\s*null")


class JsonLinesParser:
    """Reads the wanted fields of lines."""

    def __init__(self, wanted: Mapping[str, Kind]) -> None:
        self._wanted = wanted

    def parse(self, records: Records) -> Parsed:
        """Return the fields of every line that is an object, and what is wrong with the others."""
        rows = np.flatnonzero(~records.blank())
        data = records.data[: records.size]
        columns = self._read_fast(data, rows, records) if len(rows) else None
        if columns is not None:
            return Parsed(columns, rows)
        return self._read_one_by_one(records, rows)

    def _read_fast(
        self, data: bytes, rows: npt.NDArray[np.int64], records: Records
    ) -> dict[str, ArrowArray] | None:
        """Return the columns when every line has the types of the first ones and nothing is wrong."""
        schema = self._schema(records.text(int(at)) for at in rows[:SAMPLED_LINES])
        if schema is None or not _is_utf8(data) or _has_null_rows(data, records.starts[rows]):
            return None
        try:
            table = arrow_json.read_json(
                pa.BufferReader(data),  # type: ignore[arg-type] # the stubs know files of Python only
                arrow_json.ReadOptions(use_threads=len(data) > _THREADED_BYTES, block_size=_THREADED_BYTES),
                arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowException, UnicodeDecodeError):
            return None
        if table.num_rows != len(rows):
            return None
        return {path: _as_wanted(_field(table, path), kind) for path, kind in self._wanted.items()}

    def _schema(self, lines: Iterable[bytes]) -> pa.Schema | None:
        """Return the types of the wanted fields in the first lines; None when they are of several."""
        samples = [one for one in map(_object, lines) if one is not None]
        types: dict[str, pa.DataType] = {}
        for path, kind in self._wanted.items():
            found = {_json_type(value) for one in samples if (value := value_at(one, path)) is not None}
            if found == {"int", "float"}:
                found = {"float"} if kind == "number" else found
            if len(found) > 1 or "nested" in found or ("." in path and any(path in one for one in samples)):
                return None
            types[path] = _arrow_type(found.pop() if found else "", kind)
        return _nested_schema(types)

    def _read_one_by_one(self, records: Records, rows: npt.NDArray[np.int64]) -> Parsed:
        objects: list[Mapping[str, Any]] = []
        kept: list[int] = []
        rejected: list[BadRecord] = []
        for index in rows.tolist():
            found = _parse(records.text(index), index)
            if isinstance(found, BadRecord):
                rejected.append(found)
            else:
                objects.append(found)
                kept.append(index)
        columns = {
            path: _column([value_at(one, path) for one in objects], kind)
            for path, kind in self._wanted.items()
        }
        return Parsed(columns, np.array(kept, np.int64), rejected)


def value_at(one: Mapping[str, Any], path: str) -> Any:
    """Return the field at a path: a name, or with dots a field nested in objects; None without one."""
    if path in one:
        return one[path]
    value: Any = one
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def leaf_names(lines: Iterable[bytes]) -> dict[str, None]:
    """Return the paths of all fields in these lines, in their order."""
    found: dict[str, None] = {}
    for line in lines:
        _add_names(_object(line) or {}, "", found)
    return found


def _add_names(one: Mapping[str, Any], prefix: str, found: dict[str, None]) -> None:
    pending = [(f"{prefix}{name}", value) for name, value in one.items()]
    while pending:
        path, value = pending.pop(0)
        found[path] = None
        if isinstance(value, dict):
            pending = [(f"{path}.{name}", inner) for name, inner in value.items()] + pending


def is_whole(line: bytes) -> bool:
    """True when a line without its newline is an object already: nothing can follow in it."""
    return _object(line) is not None


def _object(line: bytes) -> dict[str, Any] | None:
    found = _parse(line, 0)
    return None if isinstance(found, BadRecord) else found


def _parse(line: bytes, index: int) -> dict[str, Any] | BadRecord:
    try:
        found = json.loads(line.removeprefix(BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        return BadRecord(index, "not_utf8", f"it is not UTF-8 text (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return BadRecord(index, "bad_json", f"it is not JSON ({error.msg} at character {error.pos + 1})")
    except (RecursionError, ValueError) as error:
        return BadRecord(index, "bad_json", f"it is not JSON that can be read ({error})")
    if not isinstance(found, dict):
        return BadRecord(index, "bad_json", f"it is not a JSON object but {_named(found)}")
    return found


def _named(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _json_type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "text"}
    return names.get(type(value), "nested")


def _arrow_type(found: str, kind: Kind) -> pa.DataType:
    if found == "text":
        return pa.string()
    if found == "bool":
        return pa.bool_()
    if kind == "number":
        return pa.float64()
    if found == "int":
        return pa.int64()
    return pa.float64() if found == "float" else pa.string()


def _nested_schema(types: Mapping[str, pa.DataType]) -> pa.Schema | None:
    """Return the types as fields of structs; None when a name is a value and an object at once."""
    tree: dict[str, Any] = {}
    for path, kind in types.items():
        *heads, leaf = path.split(".")
        place = tree
        for head in heads:
            place = place.setdefault(head, {})
            if not isinstance(place, dict):
                return None
        if leaf in place:
            return None
        place[leaf] = kind
    return pa.schema(_struct(tree))


def _struct(tree: Mapping[str, Any]) -> list[tuple[str, pa.DataType]]:
    return [
        (name, pa.struct(_struct(kind)) if isinstance(kind, dict) else kind) for name, kind in tree.items()
    ]


def _field(table: pa.Table, path: str) -> ArrowArray:
    head, *fields = path.split(".")
    values: ArrowArray = table[head].combine_chunks()
    for name in fields:
        values = pc.struct_field(values, name)
    return values


def _as_wanted(values: ArrowArray, kind: Kind) -> ArrowArray:
    if kind == "number" and pa.types.is_boolean(values.type):
        return values
    if kind in ("id", "text", "instant", "date") or (
        kind == "boolean" and not pa.types.is_boolean(values.type)
    ):
        return cast_text(values).values
    return values


def _column(values: list[Any], kind: Kind) -> ArrowArray:
    """Return values of any types: numbers where numbers are wanted and all are, texts otherwise."""
    if kind == "number" and all(value is None or isinstance(value, bool | int | float) for value in values):
        return pa.array([None if value is None else _float(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else value.encode(errors="replace").decode()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        text: str | None = cast_text(pa.array([value])).values[0].as_py()
        return text
    return json.dumps(value)


def _has_null_rows(data: bytes, starts: npt.NDArray[np.int64]) -> bool:
    """False when each line begins with an object, and no ``null`` follows one: Arrow takes that for a row.

    One that comes first ends the process (a segmentation fault in Arrow 25).
    """
    first = np.frombuffer(data, np.uint8)[starts]
    return bool((first != _BRACE).any()) or _NULL_AFTER.search(data) is not None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
