"""PostgreSQL as ctrain uses it; no other module knows that the database is PostgreSQL.

Isolation. A write transaction of ctrain reads, decides and writes, as on SQLite under BEGIN IMMEDIATE.
What it read must not change until it commits: the cursor and counts of a policy, its newest decision,
the lease whose token it proves, and nearly always the last link of the history, one chain over all
policies. So writers come one after the other: each begins by taking one advisory lock for the length
of its transaction, and reads at READ COMMITTED, where each statement sees everything that earlier
holders committed (a snapshot taken before the wait would be old). Locks by policy would need a second,
global one for the chain in all but a few transactions; SERIALIZABLE would find the same conflict
at the commit, after the work, and make the caller repeat it. Readers take no lock: they see one snapshot
(REPEATABLE READ), and the database refuses their writes.

A holder that is killed frees the lock at once, because its connection ends. One that is stopped or cut
off in the middle of a transaction is ended by the server after ``PAUSE_ALLOWED``, before those that
wait for it give up. Everything is set with SET LOCAL, transaction by transaction, so that a pooler of
transactions may stand in between. A commit waits for the disk also where the server's default is not to:
an intent must be on record before the alias in the registry is moved.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from ctrain.errors import InputError
from ctrain.store.addresses import shown
from ctrain.store.database import READ_ONLY, SAVEPOINTS
from ctrain.store.postgres_faults import translate
from ctrain.turns import waiting

if TYPE_CHECKING:
    import psycopg

    from ctrain.domain import PolicyName

WRITERS = int.from_bytes(b"ctrain")
"""The key of the advisory lock that a writer holds."""
PAUSE_ALLOWED = timedelta(seconds=10)
"""So long may a writer be silent in the middle of its transaction."""
READ_ALLOWED = timedelta(minutes=10)
"""So long may a reader be silent: what it reads may be on its way to a slow terminal."""
STATEMENT_ALLOWED = timedelta(minutes=1)
MIGRATION_ALLOWED = timedelta(hours=1)
"""So long may a statement of a migration take, and the wait for another process that migrates."""
WAIT_FOR_THE_DISK = (
    "set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), true)"
)
COPY_PATIENCE = timedelta(seconds=15)
BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; "
"""Every read of ctrain jumps along an index. How often, the planner takes for a hundred times as much as it
is, and would rather read whole tables: of a thousand policies' verdicts for seconds, and for each look."""
CONNECTIONS_KEPT = 4
CONNECTION_AGE_SECONDS = 3600
CONNECTING = {
    "application_name": "ctrain",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Parameters of libpq where the address names no others: a peer that vanished is noticed in a minute."""


class PostgresDatabase:
    """The state of ctrain in a PostgreSQL database that somebody has created for it."""

    def __init__(self, address: URL) -> None:
        if not address.database:
            raise InputError(f"{shown(address)}: expected postgresql://HOST/DATABASE with a database")
        self._address = address.set(drivername="postgresql")
        self.shown = shown(self._address)

    def is_there(self) -> bool:
        """True: only the server knows, and says so when it is asked."""
        return True

    def create_engine(self, busy_timeout: timedelta) -> Engine:
        """An engine whose transactions hold the writers' lock, or are a snapshot that cannot write."""
        return self._engine(
            _settings(busy_timeout, STATEMENT_ALLOWED, PAUSE_ALLOWED),
            _settings(busy_timeout, STATEMENT_ALLOWED, READ_ALLOWED),
        )

    def create_sole_engine(self, busy_timeout: timedelta) -> Engine:  # noqa: ARG002  # of the Protocol
        """Refused: what is thrown away belongs into a file."""
        raise InputError(f"{self.shown}: a state that is thrown away needs sqlite:///PATH")

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Nothing to hold: a migration is one transaction, seen as a whole or not at all."""
        yield

    @contextmanager
    def migrating(self) -> Iterator[Engine]:
        """An engine with time for a migration; its transactions hold the writers' lock like others."""
        settings = _settings(MIGRATION_ALLOWED, MIGRATION_ALLOWED, STATEMENT_ALLOWED)
        engine = self._engine(settings, settings)
        try:
            yield engine
        finally:
            engine.dispose()

    def faults(self, connection: Connection) -> list[str]:
        """Constraints, indexes and guards that are not in force."""
        from ctrain.store.postgres_upkeep import faults

        return faults(connection)

    def back_up(self, out: Path) -> None:
        """Write what ``pg_dump`` makes of the database, for ``pg_restore``."""
        from ctrain.store.postgres_upkeep import dump

        dump(self._address, out)

    def copy_policy(self, policy: PolicyName, file: Path) -> None:
        """Copy what is known of the policy into a SQLite file with the newest schema."""
        from ctrain.store.copying import pick_policy
        from ctrain.store.sqlite import create_sqlite_engine

        pick_policy(self.create_engine(COPY_PATIENCE), create_sqlite_engine(file, COPY_PATIENCE), policy)

    def _engine(self, writing: str, reading: str) -> Engine:
        from ctrain.store.postgres_waiting import connect

        query = {name: value for name, value in CONNECTING.items() if name not in self._address.query}
        engine = create_engine(
            self._address.set(drivername="postgresql+psycopg").update_query_dict(query),
            use_native_hstore=False,
            pool_size=CONNECTIONS_KEPT,
            max_overflow=-1,  # as many as there are threads at work; none of them waits for another
            pool_recycle=CONNECTION_AGE_SECONDS,
            execution_options={SAVEPOINTS: True},
        )
        begin_writing = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {writing}"
            f"SELECT pg_advisory_xact_lock({WRITERS}), {WAIT_FOR_THE_DISK}"
        )
        begin_reading = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {reading}{BY_INDEX}"

        def begin(connection: Connection) -> None:
            if connection.get_execution_options().get(READ_ONLY):
                connection.exec_driver_sql(begin_reading)
                return
            with waiting(urgent=True):  # for other writers, perhaps
                connection.exec_driver_sql(begin_writing)

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "checkout", _refuse_closed)
        event.listen(engine, "begin", begin)
        event.listen(engine, "handle_error", translate, retval=True)
        return engine


def _settings(lock: timedelta, statement: timedelta, pause: timedelta) -> str:
    """SET LOCAL of what a transaction may wait for, in milliseconds."""
    allowed = {
        "lock_timeout": lock,
        "statement_timeout": max(statement, lock + timedelta(seconds=1)),
        "idle_in_transaction_session_timeout": pause,
    }
    return "".join(
        f"SET LOCAL {name} = {max(1, length // timedelta(milliseconds=1))}; "
        for name, length in allowed.items()
    )


def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.autocommit = True  # the driver begins nothing by itself


def _refuse_closed(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    """Raise DisconnectionError, so that another is opened, when the server or a pooler has closed this one.

    Both say so before they are asked; to ask would take every transaction another round trip.
    """
    import psycopg

    try:
        heard = select.poll()
        heard.register(connection.fileno(), select.POLLIN)
        while heard.poll(0):
            connection.pgconn.consume_input()
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error
