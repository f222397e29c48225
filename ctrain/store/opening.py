"""Opens a store by its address and brings its schema up to date."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.errors import InputError
from ctrain.store.addresses import EXPECTED, parse_address, shown
from ctrain.store.database import READ_ONLY
from ctrain.store.schema import HEAD
from ctrain.store.sql_store import SoleStore, SqlStore
from ctrain.store.upgrade import current_revision, upgrade

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ctrain.store.database import Database

BUSY_TIMEOUT = timedelta(seconds=15)
"""How long a transaction waits for the write lock before it gives up with TransientError."""


def database_at(url: str) -> Database:
    """The database behind the address; connects to nothing.

    Raises
    ------
    InputError
        when the address cannot be used; what it says holds no password.
    """
    address = parse_address(url)
    backend = address.get_backend_name()
    if backend == "sqlite":
        from ctrain.store.sqlite import SqliteDatabase

        return SqliteDatabase(address)
    if backend in {"postgresql", "postgres"}:
        from ctrain.store.postgres import PostgresDatabase

        return PostgresDatabase(address)
    raise InputError(f"{shown(address)}: {EXPECTED}")


def open_store(
    url: str, *, create: bool = True, busy_timeout: timedelta = BUSY_TIMEOUT, durable: bool = True
) -> SqlStore:
    """The store at ``url`` (``sqlite:///PATH``, ``postgresql://HOST/DATABASE``) with the newest schema.

    Any number may open it at once. ``durable=False`` is for a store that is thrown away with its process,
    and that one thread uses alone: commits wait for no disk.

    Raises
    ------
    InputError
        when the address cannot be used, or nothing is there and ``create`` is False.
    PermanentError
        when the database was written by a newer ctrain, or cannot hold one.
    TransientError
        when the database does not answer.
    """
    database = database_at(url)
    if not create and not database.is_there():
        raise absent(database)
    engine = database.create_engine(busy_timeout)
    try:
        revision = _revision(database, engine)
        if revision is None and not create:
            raise absent(database)
        if revision != HEAD:
            with database.migrating() as migrating:  # whoever comes second waits and finds it done
                upgrade(migrating)
    except OSError as error:
        raise InputError(f"{database.shown}: cannot be opened: {error}") from error
    except BaseException:
        engine.dispose()
        raise
    if durable:
        return SqlStore(engine)
    engine.dispose()
    return SoleStore(database.create_sole_engine(busy_timeout))


def attach_store(url: str, busy_timeout: timedelta = BUSY_TIMEOUT) -> SqlStore:
    """The store at ``url``, which a process of this version has opened before: nothing is looked at yet.

    So it can be had while the database does not answer; whoever reads it then gets TransientError.
    """
    return SqlStore(database_at(url).create_engine(busy_timeout))


def is_current(url: str) -> bool:
    """Tell whether a database is there and has the newest schema already; nothing is created."""
    return revision_of(database_at(url)) == HEAD


def revision_of(database: Database) -> str | None:
    """The revision of the schema; None where there is no database, or nothing in it."""
    if not database.is_there():
        return None
    engine = database.create_engine(BUSY_TIMEOUT)
    try:
        return _revision(database, engine)
    finally:
        engine.dispose()


def absent(database: Database) -> InputError:
    """What to raise when there should be a state of ctrain."""
    return InputError(f"{database.shown}: there is no database of ctrain; has a daemon run here?")


def _revision(database: Database, engine: Engine) -> str | None:
    with database.looking(), engine.execution_options(**{READ_ONLY: True}).begin() as seen:
        return current_revision(seen)
