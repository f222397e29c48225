"""What every room of a database answers: how it is opened, and what is said of it.

Nobody but the rooms (``sqlite``, ``postgres``) knows which database it is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ctrain.domain import PolicyName

READ_ONLY = "ctrain_read_only"
"""Execution option of connections whose transactions must not write."""
SAVEPOINTS = "ctrain_savepoints"
"""Execution option of connections where a refused statement would end the whole transaction."""


class Database(Protocol):
    """A database at an address; making one of these connects to nothing."""

    @property
    def shown(self) -> str:
        """The address for people, without any secret."""

    def is_there(self) -> bool:
        """False when nothing can be at the address before somebody creates it."""

    def create_engine(self, busy_timeout: timedelta) -> Engine:
        """An engine whose transactions are one writer's at a time, or a snapshot that cannot write."""

    def create_sole_engine(self, busy_timeout: timedelta) -> Engine:
        """An engine for one thread and one connection, of a database that is thrown away."""

    def looking(self) -> AbstractContextManager[None]:
        """Held while somebody looks whether the schema is the newest."""

    def migrating(self) -> AbstractContextManager[Engine]:
        """An engine to change the schema with; no second process changes it meanwhile."""

    def faults(self, connection: Connection) -> list[str]:
        """What is wrong with the files, constraints and guards of the database, a line each."""

    def back_up(self, out: Path) -> None:
        """Write a consistent copy to a file that is not there yet; daemons may go on."""

    def copy_policy(self, policy: PolicyName, file: Path) -> None:
        """Put at least all that is known of the policy into a new SQLite file."""
