"""The store on a SQL database: every access is a transaction that writes, or one that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctrain.store.audit import AuditAccess
from ctrain.store.callers import CallerAccess
from ctrain.store.database import READ_ONLY
from ctrain.store.decisions import DecisionAccess
from ctrain.store.fleet import FleetAccess
from ctrain.store.group_commit import GroupCommit
from ctrain.store.history import HistoryAccess
from ctrain.store.ingest import IngestAccess
from ctrain.store.intents import IntentAccess, RequestAccess
from ctrain.store.leases import LeaseAccess
from ctrain.store.observations import ObservationAccess
from ctrain.store.outbox import OutboxAccess
from ctrain.store.paging import PageAccess
from ctrain.store.policies import PolicyAccess
from ctrain.store.pruning import PruneAccess
from ctrain.store.pushes import PushAccess, ReloadAccess
from ctrain.store.runs import RunAccess
from ctrain.store.sqlite import reading_only, writing
from ctrain.store.verdicts import VerdictAccess

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class SqlTransaction(
    IngestAccess,
    ObservationAccess,
    VerdictAccess,
    DecisionAccess,
    RunAccess,
    PolicyAccess,
    HistoryAccess,
    AuditAccess,
    IntentAccess,
    RequestAccess,
    LeaseAccess,
    FleetAccess,
    PageAccess,
    CallerAccess,
    OutboxAccess,
    PruneAccess,
    PushAccess,
    ReloadAccess,
):
    """One transaction with all tables; implements ``ports.Transaction``."""


class SqlStore:
    """Implements ``ports.Store``; usable from several threads at once.

    What the database refuses is raised as TransientError (locked, disk full, I/O), StateConflict
    (such a row exists), IllegalTransition (a phase a run cannot go to) or PermanentError.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**{READ_ONLY: True})
        self._writers = GroupCommit(engine)

    @contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        """A transaction that holds the write lock from its beginning; commits on a clean exit.

        Those of several threads may be committed together. Another ``write`` of the same thread inside it
        would wait for itself.
        """
        with self._writers.transaction() as connection:
            yield SqlTransaction(connection)

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """A snapshot; the database refuses writes in it with PermanentError."""
        with self._reading.begin() as connection:
            yield SqlTransaction(connection)

    def close(self) -> None:
        """Close the connections that are idle; the store can be used again."""
        self._engine.dispose()


class SoleStore(SqlStore):
    """A ``SqlStore`` for one thread that nobody shares: one connection is open all the time.

    A transaction is begun and ended without the pool and the events of the others, which take longer
    than what is asked in it.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connection: Connection | None = None
        self._writing = False

    @contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        connection = self._open()
        with writing(connection):
            self._writing = True
            try:
                yield SqlTransaction(connection)
            finally:
                self._writing = False

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """What is there now; within a ``write`` what that has written."""
        connection = self._open()
        if self._writing:
            yield SqlTransaction(connection)
            return
        with reading_only(connection):
            yield SqlTransaction(connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        super().close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection
