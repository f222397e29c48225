"""Checks and copies of a SQLite file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import PermanentError

if TYPE_CHECKING:
    from sqlalchemy import Connection

GUARDS = {"runs_legal_phase", "events_never_updated", "events_never_deleted"}
MOST_FAULTS = 20


def faults(connection: Connection) -> list[str]:
    """What SQLite finds damaged, rows without the row they refer to, and guards that are gone."""
    found = _damage(connection)
    if found:
        return found
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(MOST_FAULTS)
    found = [f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in orphans]
    guards = {name for (name,) in connection.exec_driver_sql(_TRIGGERS)}
    return found + [f"the guard {name} is missing" for name in sorted(GUARDS - guards)]


def _damage(connection: Connection) -> list[str]:
    try:
        lines = connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_FAULTS})").scalars().all()
    except PermanentError as error:  # so much that not even the check gets through
        return [str(error)]
    return [f"damaged: {line}" for line in lines if line != "ok"]


def copy(file: Path, out: Path) -> None:
    """Copy the database to ``out`` as one snapshot, on the disk when this returns.

    Raises
    ------
    PermanentError
        when it cannot be copied, or the copy is damaged, as its original must be.
    """
    try:
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(out)) as copied,
        ):
            source.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")
            problem = copied.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise PermanentError(
            f"{file}: cannot be copied into {out.parent}: {error}; is there room, and is the database whole? "
            "`ctrain db check` says"
        ) from error
    if problem != "ok":
        raise PermanentError(f"{file}: is damaged, a copy of it is no backup: {problem}")
    with out.open("rb") as written:
        os.fsync(written.fileno())


_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
