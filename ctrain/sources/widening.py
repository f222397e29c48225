"""The narrowest type that holds every text of a column."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray
from ctrain.sources.column_types import MISSING, MISSING_TEXTS

_TYPES: tuple[tuple[str, pa.DataType], ...] = (
    ("integer", pa.int64()),
    ("number", pa.float64()),
    ("boolean", pa.bool_()),
    ("date", pa.date32()),
    ("instant", pa.timestamp("us")),
    ("zoned", pa.timestamp("us", tz="UTC")),
    ("text", pa.string()),
)
_ARROW = dict(_TYPES)
_WIDER = {"integer": "number", "date": "instant"}
_LEADING_ZERO = r"^[+-]?0\d"
_ZONE = r"\d\d:\d\d.*([Zz]|[+-]\d\d(:?\d\d)?)$"


class WidestType:
    """Grows with the texts that are added: integers to numbers, dates to instants, the rest to texts.

    A text with leading zeros is no number: it is a code.

    >>> widest = WidestType()
    >>> widest.add(pa.array(["1", "", "NA"]))
    >>> widest.add(pa.array(["2.5"]))
    >>> widest.cast(pa.array(["7", "NA"])).to_pylist()
    [7.0, None]
    """

    def __init__(self) -> None:
        self._name = ""

    @property
    def arrow_type(self) -> pa.DataType:
        """The type; of a column without any value it is null."""
        return _ARROW[self._name] if self._name else pa.null()

    def add(self, texts: ArrowArray) -> None:
        if self._name == "text":
            return
        values = pc.drop_null(_without(texts, MISSING))
        if not len(values):
            return
        if not self._name:
            self._name = next(name for name, _ in _TYPES if _fits(values, name))
        while not _fits(values, self._name):
            self._name = _WIDER.get(self._name, "text")

    def cast(self, texts: ArrowArray) -> ArrowArray:
        """Return the texts as values of the type; empty ones are null, in numbers also ``NA`` and such."""
        if not self._name:
            return pa.nulls(len(texts))
        if self._name == "text":
            return _without(texts, MISSING_TEXTS)
        return _cast(_without(texts, MISSING), self._name)


def _fits(values: ArrowArray, name: str) -> bool:
    if name == "text":
        return True
    if name in ("integer", "number") and pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py():
        return False
    if name in ("instant", "zoned"):
        has_zone = pc.match_substring_regex(values, _ZONE)
        if not pc.all(has_zone if name == "zoned" else pc.invert(has_zone)).as_py():
            return False
    try:
        _cast(values, name)
    except pa.ArrowInvalid:
        return False
    return True


def _cast(values: ArrowArray, name: str) -> ArrowArray:
    if name == "boolean":
        values = pc.utf8_lower(values)
        if not pc.all(pc.is_in(values, value_set=pa.array(["true", "false", None]))).as_py():
            raise pa.ArrowInvalid("neither true nor false")
        return pc.equal(values, pa.scalar("true"))
    return pc.utf8_trim_whitespace(values).cast(_ARROW[name])


def _without(texts: ArrowArray, missing: tuple[str, ...]) -> ArrowArray:
    return pc.if_else(pc.is_in(texts, value_set=pa.array(missing)), None, texts)
