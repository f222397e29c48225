"""Rows from Parquet files that are added to a directory or match a glob.

What has been read is decided by content, never by time stamps: names may arrive in any order, and a
file that was replaced is read again whole (the row log drops the ids that it knows). A file without a
valid footer is left alone while it changes, and set aside when it has not for a while; it is read if
it is completed after that. Files are read in the order of their first event, as their footers tell it,
so that a history of any size is replayed as it happened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.domain import Json, RejectedFile, SourceBatch, SourceRead
from ctrain.rows.columns import Column
from ctrain.sources.cursor import Done, Ledger, Open, fingerprint
from ctrain.sources.inspection import Inspection, Inspector, RowReader
from ctrain.sources.listing import Listing
from ctrain.sources.parquet import Fault, stat_fingerprint

if TYPE_CHECKING:
    from ctrain.ports import Timer

VERIFY_SECONDS = 10.0
VERIFY_FILES = 2000
"""With a timer: how often, and how many, files that were read are looked at for a replacement."""
MOST_IGNORED = 200
NO_CONTENT = " " * 8


@dataclass(slots=True)
class _Gathered:
    """What one read has found so far."""

    room: int
    batches: list[SourceBatch] = field(default_factory=list)
    rejected: list[RejectedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: bool = False


class FilesSource:
    """A ``Source`` of the files under ``base`` that match ``pattern``.

    ``columns`` are those that a file must have; the one that holds instants orders the files. Without
    a timer every read looks at every file, and patience counts reads alone.
    """

    def __init__(
        self, pattern: str, base: Path, columns: Sequence[Column], *, timer: Timer | None = None
    ) -> None:
        self._pattern = pattern
        self._settings = fingerprint(repr(tuple(columns)).encode())
        self._listing = Listing(pattern, base, timer)
        self._inspector = Inspector(columns, timer)
        self._timer = timer
        self._ledger = Ledger(self._settings)
        self._checked: dict[str, None] = {}
        self._all_checked: int | None = None
        """Generation of the listing all of whose files have been checked."""
        self._verified_at = float("-inf")
        self._rows = RowReader()
        self._has_noted_nothing = False

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        if not self._ledger.describes(cursor):
            self._ledger = Ledger.load(cursor, self._settings)
            self._checked.clear()
            self._all_checked = None
        found = self._listing.files()
        self._ledger.forget_absent(found)
        gathered = _Gathered(limit_rows)
        for name in self._in_order(self._unread(found, gathered), found, gathered):
            if gathered.room <= 0:
                gathered.more = True
                break
            self._take(name, Path(found[name]), gathered)
        self._inspector.release()
        if not found and not cursor and not self._has_noted_nothing:
            self._has_noted_nothing = True
            gathered.notes.append(f"no file matches {self._pattern!r} yet")
        return SourceRead(
            tuple(gathered.batches),
            self._ledger.cursor(),
            tuple(gathered.rejected),
            tuple(gathered.notes),
            gathered.more,
        )

    def _unread(self, found: Mapping[str, str], gathered: _Gathered) -> dict[str, str]:
        """Return the stat fingerprints of the files that are new, or look different than before."""
        fresh = (
            []
            if self._all_checked == self._listing.generation
            else [one for one in found if one not in self._checked]
        )
        unread = {}
        for name in [*fresh, *self._to_verify()]:
            self._checked.pop(name, None)
            look = self._look_at(found[name], name, gathered) if name in found else None
            if look is None:
                continue
            known = self._ledger.known(name)
            if known is not None and known.stat == look:
                self._checked[name] = None
            else:
                unread[name] = look
        self._all_checked = None if unread else self._listing.generation
        return unread

    def _to_verify(self) -> list[str]:
        if self._timer is None:
            return list(self._checked)
        now = self._timer.monotonic()
        if now - self._verified_at < VERIFY_SECONDS:
            return []
        self._verified_at = now
        return list(islice(self._checked, VERIFY_FILES))

    def _look_at(self, path: str, name: str, gathered: _Gathered) -> str | None:
        """Return the stat fingerprint of a regular file; links out of the root are refused."""
        try:
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                target = Path(path).resolve()
                if not target.is_relative_to(self._listing.root.resolve()):
                    self._refuse_link(name, stat_fingerprint(found), gathered)
                    return None
                found = target.stat()
        except OSError:
            return None
        return stat_fingerprint(found) if stat.S_ISREG(found.st_mode) else None

    def _refuse_link(self, name: str, look: str, gathered: _Gathered) -> None:
        known = self._ledger.known(name)
        if known is None or known.stat != look:
            message = "the link leads out of the folder of the source; it is not followed"
            self._set_aside(name, Done(look, NO_CONTENT, None), "outside", message, gathered)
        self._checked[name] = None

    def _in_order(
        self, unread: dict[str, str], found: Mapping[str, str], gathered: _Gathered
    ) -> Iterable[str]:
        """Return the names of readable files by first event and name; settle all others."""
        readable = []
        for name, look in unread.items():
            try:
                inspected = self._inspector.inspect(name, Path(found[name]), look)
            except FileNotFoundError:
                continue
            if isinstance(inspected, Fault):
                self._be_patient(name, look, inspected, gathered)
            elif not self._is_settled(name, inspected, gathered):
                first = inspected.first_event
                readable.append((first is None, first or 0, name))
        return [name for *_, name in sorted(readable)]

    def _be_patient(self, name: str, look: str, fault: Fault, gathered: _Gathered) -> None:
        known = self._ledger.known(name)
        if known is not None and known.rows is None and known.content == fault.content != NO_CONTENT:
            self._ledger.refresh(name, look)
            return
        if not self._inspector.has_waited(name, look, fault):
            return
        position = self._ledger.open.get(name)
        read = position.offset if position else (known.rows if known else 0)
        before = f"; {read} rows of it had been read before" if read else ""
        message = f"{fault.message}{before}"
        self._set_aside(name, Done(look, fault.content, None), fault.reason, message, gathered)

    def _is_settled(self, name: str, inspected: Inspection, gathered: _Gathered) -> bool:
        """True when there is nothing to read: known content, a problem with columns, or no rows."""
        known = self._ledger.known(name)
        if known is not None and known.content == inspected.content:
            self._ledger.refresh(name, inspected.stat)
            self._checked[name] = None
            return True
        done = Done(inspected.stat, inspected.content, inspected.rows)
        if inspected.problem is not None:
            aside = Done(done.stat, done.content, None)
            self._set_aside(name, aside, inspected.problem.reason, inspected.problem.message, gathered)
            return True
        if inspected.rows == 0:
            self._finish(name, done)
            return True
        return False

    def _take(self, name: str, path: Path, gathered: _Gathered) -> None:
        """Read rows of one file until it or the room ends."""
        taken = self._inspector.open(name, path)
        if taken is None:
            return
        inspected, opened = taken
        position = self._ledger.open.get(name)
        resumed = position is not None and position.content == inspected.content
        offset = position.offset if position is not None and resumed else 0
        try:
            table = self._rows.read(name, opened, inspected.paths, offset, gathered.room)
        except (pa.ArrowException, OSError) as error:
            message = f"the rows from {offset} on are damaged ({_first_line(error)})"
            aside = Done(inspected.stat, inspected.content, None)
            self._set_aside(name, aside, "damaged", message, gathered)
            return
        if not resumed:
            self._note(name, inspected, gathered)
        gathered.batches.append(SourceBatch(table, name, offset))
        gathered.room -= table.num_rows
        reached = offset + table.num_rows
        if reached >= inspected.rows:
            self._finish(name, Done(inspected.stat, inspected.content, inspected.rows))
        else:
            self._ledger.stop_at(name, Open(inspected.content, reached, inspected.rows))
            gathered.more = True

    def _note(self, name: str, inspected: Inspection, gathered: _Gathered) -> None:
        """Say what is remarkable about a file that is begun."""
        position, known = self._ledger.open.get(name), self._ledger.known(name)
        before = position.offset if position is not None else (known.rows if known is not None else None)
        if before is not None:
            fewer = f", fewer than the {before} that had been read," if inspected.rows < before else ""
            gathered.notes.append(
                f"{name}: the file was replaced; its {inspected.rows} rows{fewer} are read again, "
                "and ids that are known are dropped"
            )
        elif known is not None:
            gathered.notes.append(f"{name}: the file was set aside before; it can be read now")
        fresh = [one for one in inspected.extra if one not in self._ledger.ignored]
        if fresh and len(self._ledger.ignored) < MOST_IGNORED:
            names = ", ".join(repr(one) for one in fresh)
            gathered.notes.append(f"{name}: columns that the policy does not use are ignored: {names}")
            self._ledger.ignore((*self._ledger.ignored, *fresh))

    def _set_aside(self, name: str, done: Done, reason: str, message: str, gathered: _Gathered) -> None:
        text = f"{name}: {message}. The file is set aside; it is read when its content changes"
        gathered.rejected.append(RejectedFile(name, reason, text))
        self._finish(name, done)

    def _finish(self, name: str, done: Done) -> None:
        self._ledger.finish(name, done)
        self._inspector.forget(name)
        self._checked[name] = None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
