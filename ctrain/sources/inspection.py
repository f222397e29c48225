"""What a look into each file has shown, kept so that a file that has not changed is not opened again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.rows.columns import Column, ColumnProblem, first_problem, found_path
from ctrain.sources.parquet import Fault, ParquetContent, open_parquet

if TYPE_CHECKING:
    from ctrain.ports import Timer

PATIENCE_READS = 5
PATIENCE_SECONDS = 60.0
"""A file that cannot be read yet is set aside when it stayed the same over that many reads and so long."""
HELD_BYTES = 64 * 2**20
"""How much of what an inspection has opened is held until it is read, in the same read of the source."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a whole file holds; ``stat`` is the fingerprint that it had when it was opened."""

    stat: str
    content: str
    rows: int
    first_event: int | None
    """Microseconds since 1970, when the footer tells it."""
    paths: tuple[str, ...]
    """Where the wanted columns lie."""
    extra: tuple[str, ...]
    """Columns that the policy does not use."""
    problem: ColumnProblem | None


@dataclass(frozen=True, slots=True)
class _Fit:
    """How files with one schema answer to what the policy wants."""

    paths: tuple[str, ...]
    extra: tuple[str, ...]
    problem: ColumnProblem | None
    instant: str | None


@dataclass(slots=True)
class _Wait:
    stat: str
    since: float
    fault: Fault
    reads: int = 0


class RowReader:
    """Reads rows of a file from an offset; what a limit leaves of a row group is kept for the next read."""

    def __init__(self) -> None:
        self._rest: tuple[tuple[str, str, int], pa.Table] | None = None

    def read(
        self, name: str, opened: ParquetContent, paths: Sequence[str], offset: int, limit: int
    ) -> pa.Table:
        """Return at most ``limit`` rows from ``offset`` on, at least one when there are any.

        Raises
        ------
        pyarrow.ArrowException, OSError
            when a page is damaged.
        """
        key = (name, opened.content, offset)
        kept = self._rest[1] if self._rest is not None and self._rest[0] == key else None
        self._rest = None
        table = kept if kept is not None else opened.read(paths, offset, limit)
        reached = offset + table.num_rows
        if table.num_rows < limit and reached < opened.rows:
            table = pa.concat_tables([table, opened.read(paths, reached, limit - table.num_rows)])
        if table.num_rows > limit:
            self._rest = ((name, opened.content, offset + limit), table.slice(limit))
        return table.slice(0, limit)


class Inspector:
    """Opens files, remembers what they showed, and is patient with those that are being written."""

    def __init__(self, columns: Sequence[Column], timer: Timer | None) -> None:
        self._columns = tuple(columns)
        self._instant = next((one for one in self._columns if one.kind == "instant"), None)
        self._timer = timer
        self._inspected: dict[str, Inspection] = {}
        self._waits: dict[str, _Wait] = {}
        self._held: dict[str, ParquetContent] = {}
        self._last: tuple[pa.Schema, _Fit] | None = None
        """Files of one source mostly have one schema."""

    def inspect(self, name: str, path: Path, stat: str) -> Inspection | Fault:
        """Return what the file holds; opened only when ``stat`` is not the one of the last look.

        Raises
        ------
        FileNotFoundError
            when the file has gone.
        """
        known = self._inspected.get(name)
        if known is not None and known.stat == stat:
            return known
        wait = self._waits.get(name)
        if wait is not None and wait.stat == stat and wait.fault.reason != "unreadable":
            return wait.fault
        opened = open_parquet(path)
        if isinstance(opened, Fault):
            return opened
        self._waits.pop(name, None)
        if opened.bytes + sum(one.bytes for one in self._held.values()) <= HELD_BYTES:
            self._held[name] = opened
        self._inspected[name] = self._look_into(opened, stat)
        return self._inspected[name]

    def has_waited(self, name: str, stat: str, fault: Fault) -> bool:
        """Count one more read that found the file unreadable; True when patience is at its end."""
        now = self._timer.monotonic() if self._timer else PATIENCE_SECONDS
        wait = self._waits.get(name)
        if wait is None or wait.stat != stat:
            wait = self._waits[name] = _Wait(stat, now if self._timer else 0.0, fault)
        wait.reads += 1
        if wait.reads < PATIENCE_READS or now - wait.since < PATIENCE_SECONDS:
            return False
        del self._waits[name]
        return True

    def open(self, name: str, path: Path) -> tuple[Inspection, ParquetContent] | None:
        """Return an inspected file's content, or None when it has changed since: look again later."""
        inspected = self._inspected[name]
        opened: ParquetContent | Fault | None = self._held.pop(name, None)
        if opened is None:
            try:
                opened = open_parquet(path)
            except FileNotFoundError:
                return None
        if isinstance(opened, Fault) or opened.content != inspected.content:
            self.forget(name)
            return None
        return inspected, opened

    def forget(self, name: str) -> None:
        self._inspected.pop(name, None)

    def release(self) -> None:
        """Let go of the contents that were held for this read."""
        self._held.clear()

    def _look_into(self, opened: ParquetContent, stat: str) -> Inspection:
        schema = opened.file.schema_arrow
        if self._last is None or not self._last[0].equals(schema):
            self._last = schema, self._fit(schema)
        fit = self._last[1]
        first_event = opened.first_event(fit.instant) if fit.instant is not None else None
        return Inspection(stat, opened.content, opened.rows, first_event, fit.paths, fit.extra, fit.problem)

    def _fit(self, schema: pa.Schema) -> _Fit:
        problem = first_problem(schema, self._columns)
        if problem is not None and not problem.bearable:
            return _Fit((), (), problem, None)
        found = {column: found_path(schema, column) for column in self._columns}
        paths = tuple(dict.fromkeys(path for path in found.values() if path is not None))
        used = {path if path in schema.names else path.partition(".")[0] for path in paths}
        extra = [one for one in schema.names if one not in used and not one.startswith("__index_level_")]
        return _Fit(paths, tuple(extra), problem, found[self._instant] if self._instant else None)
