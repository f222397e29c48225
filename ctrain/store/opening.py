"""Opens a store by its address and brings its schema up to date."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ctrain.errors import InputError
from ctrain.store import sqlite
from ctrain.store.schema import HEAD
from ctrain.store.sql_store import SoleStore, SqlStore
from ctrain.store.upgrade import current_revision, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL, Engine

BUSY_TIMEOUT = timedelta(seconds=15)
"""How long a transaction waits for the write lock before it gives up with TransientError."""


def open_store(
    url: str, *, create: bool = True, busy_timeout: timedelta = BUSY_TIMEOUT, durable: bool = True
) -> SqlStore:
    """The store at ``url`` (``sqlite:///PATH``) with the newest schema; any number may open it at once.

    ``durable=False`` is for a store that is thrown away with its process, and that one thread uses alone:
    commits wait for no disk.

    Raises
    ------
    InputError
        when the address cannot be used, or nothing is there and ``create`` is False.
    PermanentError
        when the database was written by a newer ctrain, or its disk cannot hold one.
    """
    file = sqlite.database_file(_address(url))
    if not file.exists() and not create:
        raise InputError(f"{file}: there is no database; is this the home of a daemon that has run?")
    engine = sqlite.create_sqlite_engine(file, busy_timeout)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _bring_up_to_date(engine, file)
    except OSError as error:
        raise InputError(f"{file}: cannot be opened: {error}") from error
    except BaseException:
        engine.dispose()
        raise
    if durable:
        return SqlStore(engine)
    engine.dispose()
    return SoleStore(sqlite.create_sole_engine(file, busy_timeout))


def is_current(url: str) -> bool:
    """Tell whether a database is there and has the newest schema already; nothing is created."""
    file = sqlite.database_file(_address(url))
    if not file.exists():
        return False
    engine = sqlite.create_sqlite_engine(file, BUSY_TIMEOUT)
    try:
        with engine.execution_options(**{sqlite.READ_ONLY: True}).begin() as seen:
            return current_revision(seen) == HEAD
    finally:
        engine.dispose()


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise InputError(f"{url!r}: expected a database address such as sqlite:///PATH") from error
    if address.get_backend_name() != "sqlite":
        raise InputError(
            f"{address.render_as_string()}: expected sqlite:///PATH, no other database works yet"
        )
    return address


def _bring_up_to_date(engine: Engine, file: Path) -> None:
    """Migrate unless the schema is the newest; whoever comes second waits and finds it done."""
    with (
        sqlite.opening(file, alone=False),
        engine.execution_options(**{sqlite.READ_ONLY: True}).begin() as seen,
    ):
        if current_revision(seen) == HEAD:
            return
    with sqlite.opening(file, alone=True):
        sqlite.enable_wal(engine)
        upgrade(engine)
