"""Parsed columns with their fixed types, and a word about the first value that does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.rows.casting import ArrowArray, cast_boolean, cast_number
from ctrain.rows.columns import Kind
from ctrain.sources.column_types import ColumnType, infer_type, settle
from ctrain.sources.cursor import Ledger
from ctrain.sources.parsed import Parsed
from ctrain.sources.reading import Reading

MOST_NOTED = 200
_CASTS = {"number": cast_number, "boolean": cast_boolean}


class TypedColumns:
    """Gives columns of texts their types; ``declared`` ones are by path."""

    def __init__(self, declared: Mapping[str, ColumnType]) -> None:
        self._declared = dict(declared)
        self._noted: set[tuple[str, str]] = set()

    def types(self, ledger: Ledger) -> dict[str, ColumnType]:
        return ledger.types | self._declared

    def table(
        self,
        name: str,
        parsed: Parsed,
        wanted: Mapping[str, Kind],
        lines: npt.NDArray[np.int64],
        reading: Reading,
    ) -> pa.Table:
        """Return the columns as a table; types that the first values show are fixed."""
        types = self.types(reading.ledger)
        columns = {}
        for path, kind in wanted.items():
            values = parsed.columns[path]
            if path not in types and (found := infer_type(values, kind)) is not None:
                types[path] = found
                reading.ledger.fix_type(path, found)
            columns[path] = settle(values, kind, types.get(path))
            self._note_bad(name, path, kind, columns[path], lines, reading)
        return pa.table(columns)

    def _note_bad(
        self,
        name: str,
        path: str,
        kind: Kind,
        values: ArrowArray,
        lines: npt.NDArray[np.int64],
        reading: Reading,
    ) -> None:
        """Say where the first value of a column lies that is not what it should be."""
        cast = _CASTS.get(kind)
        if cast is None or not pa.types.is_string(values.type):
            return
        if (name, path) in self._noted or len(self._noted) >= MOST_NOTED:
            return
        bad = np.flatnonzero(cast(values).bad)
        if len(bad):
            self._noted.add((name, path))
            at = int(bad[0])
            reading.notes.append(
                f"{name}: line {lines[at]}: column {path!r} holds {values[at].as_py()[:80]!r}, no {kind}"
            )
