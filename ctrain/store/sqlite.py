"""SQLite as ctrain uses it; no other module knows that the database is SQLite.

Writers begin IMMEDIATE: a transaction that reads first and locks later loses updates or fails in
the middle. Readers see one snapshot (WAL) and are refused every write by the database itself.
``synchronous`` is FULL, a disk flush per commit: an intent must be on the disk before the alias in
the registry is moved, or after a power cut nobody would know that the move was ours. Only a database
that is thrown away with its process does without.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from ctrain.clocks import wait_for
from ctrain.errors import (
    CtrainError,
    IllegalTransition,
    InputError,
    PermanentError,
    StateConflict,
    TransientError,
)
from ctrain.store.addresses import shown
from ctrain.store.database import READ_ONLY
from ctrain.store.faults import ILLEGAL_PHASE, DuplicateRow
from ctrain.store.private import make_private_file, make_private_folder
from ctrain.turns import waiting

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

    from ctrain.domain import PolicyName

MIGRATION_TIMEOUT = timedelta(seconds=15)
"""How long a migration waits for writers that are at work."""
COPY_TIMEOUT = timedelta(seconds=15)
BUSY_PAUSE_SECONDS = 0.001
"""SQLite itself sleeps longer and longer, up to a tenth of a second: of several processes that write in turn
all would do nothing for half of the time."""
LARGE_BYTES = 100 * 10**6
"""From this size on to pick the rows of one policy is faster than to copy those of all."""

_TRANSIENT = {
    "SQLITE_BUSY": "the database is locked by another process",
    "SQLITE_LOCKED": "the database is locked by another connection",
    "SQLITE_PROTOCOL": "the database is locked by another process",
    "SQLITE_FULL": "the disk of the database is full",
    "SQLITE_IOERR": "the disk of the database gave an I/O error",
    "SQLITE_CANTOPEN": "the database file cannot be opened",
    "SQLITE_NOMEM": "there is no memory left for the database",
}
_PERMANENT = {
    "SQLITE_READONLY": "writing is refused: a read transaction, or a database that is read-only",
    "SQLITE_CORRUPT": "the database file is damaged; restore it from a backup",
    "SQLITE_NOTADB": "the file is not a SQLite database",
}


def database_file(url: URL) -> Path:
    """The file behind ``url``; a database in memory is refused, two processes could not share it."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InputError(f"{shown(url)}: expected sqlite:///PATH with a file")
    return Path(url.database).absolute()


class SqliteDatabase:
    """The state of ctrain in one file of a local disk."""

    def __init__(self, address: URL) -> None:
        self.file = database_file(address)
        self.shown = str(self.file)

    def is_there(self) -> bool:
        """Whether there is a file."""
        return self.file.exists()

    def create_engine(self, busy_timeout: timedelta) -> Engine:
        """An engine whose transactions begin IMMEDIATE, or as a snapshot that cannot write.

        Raises
        ------
        InputError
            when the folder cannot be made.
        """
        try:
            if not self.file.parent.exists():
                make_private_folder(self.file.parent)
            make_private_file(self.file)
        except OSError as error:
            raise InputError(f"{self.file}: cannot be opened: {error}") from error
        return create_sqlite_engine(self.file, busy_timeout)

    def create_sole_engine(self, busy_timeout: timedelta) -> Engine:
        """An engine for one connection whose transactions are those of ``writing`` and ``reading_only``."""
        return create_sole_engine(self.file, busy_timeout)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Held while somebody looks at the schema; nobody changes it meanwhile."""
        with opening(self.file, alone=False):
            yield

    @contextmanager
    def migrating(self) -> Iterator[Engine]:
        """An engine to change the schema with, on a database in WAL mode."""
        engine = create_sqlite_engine(self.file, MIGRATION_TIMEOUT)
        try:
            with opening(self.file, alone=True):
                enable_wal(engine)
                yield engine
        finally:
            engine.dispose()

    def faults(self, connection: Connection) -> list[str]:
        """What SQLite finds damaged in the file, rows without the row they refer to, guards that are gone."""
        from ctrain.store.sqlite_upkeep import faults

        return faults(connection)

    def back_up(self, out: Path) -> None:
        """Copy the database by the driver's backup, as one snapshot."""
        from ctrain.store.sqlite_upkeep import copy

        copy(self.file, out)

    def copy_policy(self, policy: PolicyName, file: Path) -> None:
        """Copy what is known of the policy, and of all others where that is faster than to pick rows."""
        if self.file.stat().st_size < LARGE_BYTES:
            self.back_up(file)
            return
        from ctrain.store.copying import pick_policy

        source, target = (create_sqlite_engine(one, COPY_TIMEOUT) for one in (self.file, file))
        pick_policy(source, target, policy)


def create_sqlite_engine(file: Path, busy_timeout: timedelta) -> Engine:
    """An engine whose transactions begin IMMEDIATE, or as a snapshot that cannot write."""
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": busy_timeout.total_seconds()},
        max_overflow=-1,  # as many as there are threads at work; none of them waits for another
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", partial(_begin, busy_timeout=busy_timeout))
    event.listen(engine, "handle_error", _translate, retval=True)
    return engine


def enable_wal(engine: Engine) -> None:
    """Put the database into WAL mode, which the file remembers."""
    raw = engine.raw_connection()
    try:
        mode = raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except sqlite3.Error as error:
        raise _fault(error) or PermanentError(str(error)) from error
    finally:
        raw.close()
    if mode != "wal":
        raise PermanentError(f"the database cannot use write-ahead logging ({mode}): put it on a local disk")


@contextmanager
def opening(file: Path, *, alone: bool) -> Iterator[None]:
    """Keep apart processes that look at the schema (together) and that change it (alone).

    A killed holder frees the lock. Running daemons do not hold it: it orders openings, not access.
    """
    place = file.with_name(file.name + ".lock")
    make_private_file(place)
    with place.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _prepare_to_be_thrown_away(connection: sqlite3.Connection, _record: object) -> None:
    _prepare(connection, _record)
    connection.execute("PRAGMA synchronous=OFF")


def _begin(connection: Connection, busy_timeout: timedelta) -> None:
    driver, read_only = _driver(connection), bool(connection.get_execution_options().get(READ_ONLY))
    driver.execute(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
    if read_only:
        connection.exec_driver_sql("BEGIN")
        return
    driver.execute("PRAGMA busy_timeout=0")
    try:
        if _is_busy(driver):
            with waiting(urgent=True):
                wait_for(lambda: not _is_busy(driver), busy_timeout.total_seconds(), BUSY_PAUSE_SECONDS)
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # which says why it cannot
    finally:
        driver.execute(f"PRAGMA busy_timeout={busy_timeout // timedelta(milliseconds=1)}")


def _is_busy(driver: sqlite3.Connection) -> bool:
    """Begin to write; True when somebody else does."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return _family(error) == "SQLITE_BUSY"
    return False


def create_sole_engine(file: Path, busy_timeout: timedelta) -> Engine:
    """An engine for one connection whose transactions are those of ``writing`` and ``reading_only``.

    Nothing is flushed to the disk.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(file)), connect_args={"timeout": busy_timeout.total_seconds()}
    )
    event.listen(engine, "connect", _prepare_to_be_thrown_away)
    event.listen(engine, "handle_error", _translate, retval=True)
    return engine


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """A transaction that holds the write lock from its beginning; commits on a clean exit."""
    driver = _driver(connection)
    _run(driver, "BEGIN IMMEDIATE")
    try:
        yield
        _run(driver, "COMMIT")
    except BaseException:
        if driver.in_transaction:  # some errors of the database end it by themselves
            driver.execute("ROLLBACK")
        raise


@contextmanager
def reading_only(connection: Connection) -> Iterator[None]:
    """A time in which the database refuses every write."""
    driver = _driver(connection)
    driver.execute("PRAGMA query_only=ON")
    try:
        yield
    finally:
        driver.execute("PRAGMA query_only=OFF")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _run(driver: Any, statement: str) -> None:
    try:
        driver.execute(statement)
    except sqlite3.Error as error:
        raise _fault(error) or PermanentError(str(error)) from error


def _translate(context: ExceptionContext) -> BaseException | None:
    original = context.original_exception
    file = context.engine.url.database if context.engine is not None else None
    return _fault(original, file) if isinstance(original, sqlite3.Error) else None


def _fault(error: sqlite3.Error, file: str | None = None) -> CtrainError | None:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        return DuplicateRow(f"such a row exists already: {error}")
    if name == "SQLITE_CONSTRAINT_TRIGGER":
        refused = IllegalTransition if ILLEGAL_PHASE in str(error) else StateConflict
        return refused(str(error))
    family = _family(error)
    if family in _TRANSIENT:
        return TransientError(f"{_TRANSIENT[family]} ({error})")
    if family in _PERMANENT:
        place = f"{file}: " if file else ""
        return PermanentError(f"{place}{_PERMANENT[family]} ({error})")
    return None


def _family(error: sqlite3.Error) -> str:
    """The kind of an error without its details: SQLITE_BUSY of SQLITE_BUSY_SNAPSHOT."""
    return "_".join((getattr(error, "sqlite_errorname", None) or "").split("_")[:2])
