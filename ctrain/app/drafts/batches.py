"""The past of a policy whose rows come over HTTP: rows and labels as batches, to be sent once."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ctrain.app.drafts.history import History

MOST_ROWS = 20_000
MOST_BYTES = 8 * 2**20
"""Half of what a batch may have, for rows are not cut."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest row and the newest label as they were written: what a sender's rows look like."""

    row: str
    label: str


def write_batches(history: History, features: Sequence[str], rows: Path, labels: Path) -> Newest:
    """Write ``0001.jsonl``, ``0002.jsonl``... into both folders, whole or not at all; older ones go.

    Numbers that JSON does not have are null.
    """
    named = [history.id_column, history.time_column, *features]
    with ExitStack() as stack:
        row_files, label_files = (stack.enter_context(_Batches(folder)) for folder in (rows, labels))
        for one, labelled in history.parts():
            row_files.write(one.select(named))
            label_files.write(labelled)
        for files in (row_files, label_files):
            files.finish()
    return Newest(row_files.newest, label_files.newest)


class _Batches:
    """Files of JSON lines, each small enough for one batch; they lie aside until all are written."""

    newest = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder.with_name(f".{folder.name}.unfinished")
        self._file: IO[str] | None = None
        self._number = self._rows = self._bytes = 0

    def __enter__(self) -> _Batches:
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        shutil.rmtree(self._aside, ignore_errors=True)

    def write(self, table: pa.Table) -> None:
        for line in _lines(table):
            if self._file is None or self._rows == MOST_ROWS or self._bytes + len(line) > MOST_BYTES:
                self._next()
            assert self._file is not None
            self._file.write(f"{line}\n")
            self._rows += 1
            self._bytes += len(line) + 1
            self.newest = line

    def finish(self) -> None:
        """Let the files take the place of those that are there."""
        self._close()
        self._folder.mkdir(exist_ok=True)
        for old in self._folder.glob("*.jsonl"):
            old.unlink()
        for path in self._aside.iterdir():
            os.replace(path, self._folder / path.name)

    def _next(self) -> None:
        self._close()
        self._number += 1
        self._rows = self._bytes = 0
        self._file = (self._aside / f"{self._number:04}.jsonl").open("w", encoding="ascii")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _lines(table: pa.Table) -> Iterator[str]:
    for batch in _in_microseconds(table).to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield json.dumps({name: _sendable(value) for name, value in row.items()}, default=str)


def _in_microseconds(table: pa.Table) -> pa.Table:
    """Python's instants have no nanoseconds, and neither has the row log."""
    for at, field in enumerate(table.schema):
        if isinstance(field.type, pa.TimestampType):
            kind = pa.timestamp("us", field.type.tz)
            table = table.set_column(at, field.name, table.column(at).cast(kind, safe=False))
    return table


def _sendable(value: Any) -> Any:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value
