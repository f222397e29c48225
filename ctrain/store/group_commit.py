"""Transactions of several threads that are committed together: one wait for the disk for all of them.

They run one after the other on one connection, as writers do anyway. Whoever ends while others wait for
their turn leaves the commit to the last of them, and returns when it is made: what is told to be committed
is on the disk. What fails takes back its own part alone; when the commit itself fails, it fails for all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ctrain.errors import CtrainError, TransientError
from ctrain.turns import waiting

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MOST_TOGETHER = 32
TURN_SECONDS = 60.0
"""How long a thread waits for its turn before it gives up."""
LOOK_SECONDS = 1.0
"""How often a thread that left the commit to another one looks whether that is still there."""


class _Group:
    """A transaction of the database that is open, and those who wait for its end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.parts = 0
        """Of members, and of those that failed."""
        self.members = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None


class GroupCommit:
    """Gives one thread after the other a transaction on ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that is committed when this returns.

        Raises
        ------
        TransientError
            when its turn does not come, or the commit that it shares with others fails.
        """
        self._take_turn()
        try:
            group = self._open()
        except BaseException:
            self._turn.release()
            raise
        group.parts += 1
        try:
            yield from self._part(group)
        except BaseException:
            self._leave_to_others(group)
            raise
        group.members += 1
        with waiting():
            self._leave_to_others(group)
            self._wait_for_the_end(group)

    def _leave_to_others(self, group: _Group) -> None:
        try:
            self._end_unless_others_come(group)
        finally:
            self._turn.release()

    def _take_turn(self) -> None:
        with self._counting:
            self._waiting += 1
        try:
            if self._turn.acquire(blocking=False):
                return
            with waiting(urgent=True):
                came = self._turn.acquire(timeout=TURN_SECONDS)
            if not came:
                raise TransientError("other threads keep the database busy")
        finally:
            with self._counting:
                self._waiting -= 1

    def _open(self) -> _Group:
        if self._group is None:
            connection = self._engine.connect()
            try:
                connection.begin()
            except BaseException:
                connection.close()
                raise
            self._group = _Group(connection)
        return self._group

    def _part(self, group: _Group) -> Iterator[Connection]:
        """What one thread does; the first one alone needs nothing to fall back to."""
        if not group.members:
            yield group.connection
            return
        try:
            savepoint = group.connection.begin_nested()
        except (SQLAlchemyError, CtrainError) as error:  # it was lost since the one before
            lost = TransientError("the connection to the database is lost")
            group.error = error if isinstance(error, CtrainError) else lost
            raise group.error from error
        try:
            yield group.connection
            savepoint.commit()
        except BaseException as error:
            try:
                savepoint.rollback()
            except (SQLAlchemyError, CtrainError) as lost:  # the database has ended the whole transaction
                group.error = lost
            if group.connection.invalidated:
                group.error = group.error or error
            raise

    def _end_unless_others_come(self, group: _Group) -> None:
        others_come = self._waiting > 0 and group.parts < MOST_TOGETHER
        if not (others_come and group.members and group.error is None):
            self._end(group)

    def _end(self, group: _Group) -> None:
        """Commit, or give up what nobody waits for."""
        self._group = None
        try:
            if group.members and group.error is None:
                group.connection.commit()
            else:
                group.connection.rollback()
        except BaseException as error:  # noqa: BLE001  # it is raised by everybody who waits for this
            group.error = group.error or error
            with suppress(SQLAlchemyError, CtrainError):
                group.connection.invalidate()  # nobody knows what it has left open
        finally:
            with suppress(SQLAlchemyError, CtrainError):
                group.connection.close()
            group.ended.set()

    def _wait_for_the_end(self, group: _Group) -> None:
        while not group.ended.wait(LOOK_SECONDS):
            with self._turn:
                if self._group is group and not self._waiting:
                    self._end(group)
        if group.error is not None:
            if group.members == 1:
                raise group.error
            raise TransientError(f"what was to be committed together was not: {group.error}") from group.error
