"""Parquet files: known by their whole content, read row group by row group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.domain import SourceBatch
from ctrain.rows.columns import Column
from ctrain.sources.cursor import Done, Open
from ctrain.sources.inspection import Inspection, Inspector, RowReader
from ctrain.sources.parquet import Fault
from ctrain.sources.reading import NO_CONTENT, Reading, SortKey, sort_key
from ctrain.sources.texts import with_utf8

if TYPE_CHECKING:
    from ctrain.ports import Timer


class ParquetFiles:
    """The Parquet files of one source: a file that was replaced is read again whole."""

    def __init__(self, columns: Sequence[Column], timer: Timer | None) -> None:
        self._inspector = Inspector(columns, timer)
        self._rows = RowReader()
        self._mended: set[str] = set()
        """Columns of which it has been said that they are not UTF-8."""

    def inspect(self, name: str, path: str, stat: str, reading: Reading) -> SortKey | None:
        inspected = self._inspector.inspect(name, Path(path), stat)
        if isinstance(inspected, Fault):
            self._be_patient(name, stat, inspected, reading)
            return None
        if self._is_settled(name, inspected, reading):
            return None
        return sort_key(inspected.first_event)

    def forget(self, name: str) -> None:
        self._inspector.forget(name)

    def release(self) -> None:
        self._inspector.release()

    def _be_patient(self, name: str, look: str, fault: Fault, reading: Reading) -> None:
        known = reading.ledger.known(name)
        if known is not None and known.rows is None and known.content == fault.content != NO_CONTENT:
            reading.ledger.refresh(name, look)
            return
        if not self._inspector.has_waited(name, look, fault):
            return
        position = reading.ledger.open.get(name)
        read = position.offset if position else (known.rows if known else 0)
        before = f"; {read} rows of it had been read before" if read else ""
        message = f"{fault.message}{before}"
        self._set_aside(name, Done(look, fault.content, None), fault.reason, message, reading)

    def _is_settled(self, name: str, inspected: Inspection, reading: Reading) -> bool:
        """True when there is nothing to read: known content, a problem with columns, or no rows."""
        known = reading.ledger.known(name)
        if known is not None and known.content == inspected.content:
            reading.ledger.refresh(name, inspected.stat)
            reading.checked[name] = None
            return True
        done = Done(inspected.stat, inspected.content, inspected.rows)
        problem = inspected.problem
        if problem is not None and not problem.bearable:
            aside = Done(done.stat, done.content, None)
            self._set_aside(name, aside, problem.reason, problem.message, reading)
            return True
        if inspected.rows == 0:
            self._finish(name, done, reading)
            return True
        return False

    def take(self, name: str, path: str, reading: Reading) -> None:
        taken = self._inspector.open(name, Path(path))
        if taken is None:
            return
        inspected, opened = taken
        problem = inspected.problem
        if problem is not None and not reading.ledger.has_read:
            aside = Done(inspected.stat, inspected.content, None)
            self._set_aside(name, aside, problem.reason, problem.message, reading)
            return
        position = reading.ledger.open.get(name)
        resumed = position is not None and position.content == inspected.content
        offset = position.offset if position is not None and resumed else 0
        try:
            found = self._rows.read(name, opened, inspected.paths, offset, reading.room)
            table, mended = with_utf8(found)
        except (pa.ArrowException, OSError) as error:
            message = f"the rows from {offset} on are damaged ({_first_line(error)})"
            aside = Done(inspected.stat, inspected.content, None)
            self._set_aside(name, aside, "damaged", message, reading)
            return
        fresh = () if resumed else self._note(name, inspected, reading)
        self._note_texts(name, mended, reading)
        reading.batches.append(SourceBatch(table, name, offset, fresh))
        reading.room -= table.num_rows
        reached = offset + table.num_rows
        if reached >= inspected.rows:
            self._finish(name, Done(inspected.stat, inspected.content, inspected.rows), reading)
        else:
            reading.ledger.stop_at(name, Open(inspected.content, reached, inspected.rows))
            reading.more = True

    def _note(self, name: str, inspected: Inspection, reading: Reading) -> tuple[str, ...]:
        """Say what is remarkable about a file that is begun; return the columns that are new."""
        position, known = reading.ledger.open.get(name), reading.ledger.known(name)
        before = position.offset if position is not None else (known.rows if known is not None else None)
        if before is not None:
            fewer = f", fewer than the {before} that had been read," if inspected.rows < before else ""
            reading.notes.append(
                f"{name}: the file was replaced; its {inspected.rows} rows{fewer} are read again, "
                "and ids that are known are dropped"
            )
        elif known is not None:
            reading.notes.append(f"{name}: the file was set aside before; it can be read now")
        if inspected.problem is not None:
            reading.notes.append(f"{name}: {inspected.problem.message}; the rows are read without it")
        return reading.note_unused(name, inspected.extra)

    def _note_texts(self, name: str, columns: Sequence[str], reading: Reading) -> None:
        """Say of a column, once, that bytes of its texts were written out."""
        fresh = [one for one in columns if one not in self._mended]
        self._mended.update(fresh)
        if fresh:
            names = ", ".join(map(repr, fresh))
            reading.notes.append(
                f"{name}: texts of {names} are not UTF-8; a byte that is none is read as \\x and its number"
            )

    def _set_aside(self, name: str, done: Done, reason: str, message: str, reading: Reading) -> None:
        reading.set_aside(name, done, reason, message)
        self._inspector.forget(name)

    def _finish(self, name: str, done: Done, reading: Reading) -> None:
        reading.finish(name, done)
        self._inspector.forget(name)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
