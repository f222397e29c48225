"""Rows from files that are added to a directory or match a glob: Parquet, CSV and JSON lines.

What has been read is decided by content, never by time stamps: names may arrive in any order, and a
file that was replaced is read again whole (the row log drops the ids that it knows), while text that
was appended is read on. A file that is not whole is left alone while it changes, and set aside when it
has not for a while; it is read if it is completed after that. Files are read in the order of their
first event, so that a history of any size is replayed as it happened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.domain import Json, SourceRead
from ctrain.rows.columns import Column
from ctrain.sources.column_types import ColumnType
from ctrain.sources.cursor import Done, Ledger
from ctrain.sources.fingerprints import fingerprint, stat_facts, stat_fingerprint
from ctrain.sources.formats import DeclaredFormat, format_of
from ctrain.sources.listing import Listing
from ctrain.sources.parquet_files import ParquetFiles
from ctrain.sources.perils import Perils
from ctrain.sources.reading import NO_CONTENT, Checked, FileKind, Reading
from ctrain.sources.text_files import TextFiles

if TYPE_CHECKING:
    from ctrain.ports import Timer

VERIFY_SECONDS = 10.0
VERIFY_FILES = 2000
"""With a timer: how often, and how many, files that were read are looked at for a replacement."""
LIVE_SECONDS = 3600.0
"""Text that was written so recently is looked at in every read: it may grow."""


class FilesSource:
    """A ``Source`` of the files under ``base`` that match ``pattern``.

    ``columns`` are those that a file must have; the one that holds instants orders the files. ``types``
    are declared for columns of text by their paths. Files without instants are read by name, or
    ``by_arrival`` in the order in which they were written. Without a timer every read looks at every file,
    and patience counts reads alone.
    """

    def __init__(
        self,
        pattern: str,
        base: Path,
        columns: Sequence[Column],
        *,
        timer: Timer | None = None,
        declared: DeclaredFormat = "auto",
        types: Mapping[str, ColumnType] | None = None,
        by_arrival: bool = False,
        perils: Perils | None = None,
    ) -> None:
        self._pattern = pattern
        self._declared: DeclaredFormat = declared
        self._settings = fingerprint(_settings(columns, declared, types or {}).encode())
        self._listing = Listing(pattern, base, timer, declared)
        self._timer = timer
        self._perils = perils or Perils()
        self._asked = {
            "columns": [asdict(one) for one in columns],
            "declared": declared,
            "types": types or {},
        }
        self._parquet = ParquetFiles(columns, timer)
        self._texts = TextFiles(columns, timer, declared, types or {})
        self._ledger = Ledger(self._settings)
        self._checked: Checked = {}
        self._live: dict[str, None] = {}
        self._all_checked: int | None = None
        """Generation of the listing all of whose files have been checked."""
        self._verified_at = float("-inf")
        self._has_noted_nothing = False
        self._by_arrival = by_arrival

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        if not self._ledger.describes(cursor):
            self._ledger = Ledger.load(cursor, self._settings)
            self._checked.clear()
            self._all_checked = None
            self._texts.reset()
        found = self._listing.files()
        self._ledger.forget_absent(found)
        reading = Reading(self._ledger, self._checked, found, limit_rows)
        for name in self._in_order(self._unread(found, reading), found, reading):
            if reading.room <= 0:
                reading.more = True
                break
            with self._perils.reading(found[name]):
                self._kind(name).take(name, found[name], reading)
        self._parquet.release()
        self._texts.release()
        if not found and not cursor and not self._has_noted_nothing:
            self._has_noted_nothing = True
            reading.notes.append(f"no file matches {self._pattern!r} yet")
        return reading.result()

    def has_unread(self, cursor: Json) -> bool:
        """True for files that are new, grow, or are waited for; ``read`` looks again at the others, too."""
        if not self._ledger.describes(cursor):
            return True
        found = self._listing.files()
        return bool(self._fresh(found)) or any(self._has_grown(name, found.get(name)) for name in self._live)

    def folders(self) -> list[str]:
        """Return the absolute paths of folders in which something may come; some may not exist yet."""
        return self._listing.folders()

    def concerns(self, path: str) -> bool:
        """Return True when a change of what is at ``path``, in one of the folders, may be news."""
        return self._listing.may_match(path)

    def _fresh(self, found: Mapping[str, str]) -> list[str]:
        """The files that have not been checked, or were not whole."""
        if self._all_checked == self._listing.generation:
            return []
        return [name for name in found if name not in self._checked]

    def _has_grown(self, name: str, path: str | None) -> bool:
        try:
            return path is None or not self._is_as_before(name, stat_fingerprint(Path(path).stat()))
        except OSError:
            return True

    def _kind(self, name: str) -> FileKind:
        found = format_of(name, self._declared)
        return self._parquet if found is None or found.kind == "parquet" else self._texts

    def _unread(self, found: Mapping[str, str], reading: Reading) -> dict[str, str]:
        """Return the stat fingerprints of the files that are new, or look different than before."""
        unread = {}
        for name in dict.fromkeys([*self._fresh(found), *self._live, *self._to_verify(found)]):
            self._checked.pop(name, None)
            seen = self._look_at(found[name], name, reading) if name in found else None
            if seen is None:
                self._live.pop(name, None)
                continue
            look = stat_fingerprint(seen)
            if self._is_as_before(name, look):
                self._checked[name] = stat_facts(seen)
            else:
                unread[name] = look
        self._all_checked = None if unread else self._listing.generation
        return unread

    def _is_as_before(self, name: str, look: str) -> bool:
        known = self._ledger.known(name)
        position = self._ledger.positions.of(name) if known is None else None
        return look in (known.stat if known else None, position.stat if position else None)

    def _to_verify(self, found: Mapping[str, str]) -> list[str]:
        """The checked files that are due for another look, but those that one call shows to be untouched."""
        if self._timer is None:
            return list(self._checked)
        now = self._timer.monotonic()
        if now - self._verified_at < VERIFY_SECONDS:
            return []
        self._verified_at = now
        return [name for name in list(islice(self._checked, VERIFY_FILES)) if not self._rests(name, found)]

    def _rests(self, name: str, found: Mapping[str, str]) -> bool:
        """True for a regular file that looks as it did when it was checked; its next turn comes last."""
        facts = self._checked[name]
        try:
            if facts is None or facts != stat_facts(os.lstat(found[name])):
                return False
        except (KeyError, OSError):
            return False
        self._checked[name] = self._checked.pop(name)
        return True

    def _look_at(self, path: str, name: str, reading: Reading) -> os.stat_result | None:
        """Return what the system says of a regular file; links out of the root are refused."""
        try:
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                target = Path(path).resolve()
                if not target.is_relative_to(self._listing.root.resolve()):
                    self._refuse_link(name, stat_fingerprint(found), reading)
                    return None
                found = target.stat()
        except (OSError, RuntimeError):  # the latter of a link that leads to itself
            return None
        self._follow(name, found)
        return found if stat.S_ISREG(found.st_mode) else None

    def _follow(self, name: str, found: os.stat_result) -> None:
        """Remember whether a file may be growing at this time."""
        if self._timer is None or self._kind(name) is self._parquet:
            return
        if self._timer.now().timestamp() - found.st_mtime < LIVE_SECONDS:
            self._live[name] = None
        else:
            self._live.pop(name, None)

    def _refuse_link(self, name: str, look: str, reading: Reading) -> None:
        known = self._ledger.known(name)
        if known is None or known.stat != look:
            message = "the link leads out of the folder of the source; it is not followed"
            reading.set_aside(name, Done(look, NO_CONTENT, None), "outside", message)
        self._checked[name] = None

    def _in_order(self, unread: dict[str, str], found: Mapping[str, str], reading: Reading) -> Iterable[str]:
        """Return the names of readable files by first event and name; settle all others."""
        readable = []
        for name, look in sorted(unread.items()):
            if self._is_perilous(name, found[name], look, reading):
                continue
            try:
                with self._perils.reading(found[name]):
                    key = self._kind(name).inspect(name, found[name], look, reading)
                written = Path(found[name]).stat().st_mtime_ns if self._by_arrival else 0
            except FileNotFoundError:
                continue
            if key is not None:
                readable.append((*key, written, name))
        return [name for *_, name in sorted(readable)]

    def _is_perilous(self, name: str, path: str, look: str, reading: Reading) -> bool:
        """True for a file that ends whoever reads it: it is set aside."""
        peril = self._perils.of(path, self._asked)
        if peril:
            message = f"reading the file ends the process ({peril}): it is damaged, or made to do so"
            reading.set_aside(name, Done(look, NO_CONTENT, None), "damaged", message)
        return bool(peril)


def _settings(columns: Sequence[Column], declared: DeclaredFormat, types: Mapping[str, ColumnType]) -> str:
    """Return all that decides what is asked of a file."""
    return repr(tuple(columns)) + (
        repr((declared, sorted(types.items()))) if types or declared != "auto" else ""
    )
