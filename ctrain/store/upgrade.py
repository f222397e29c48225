"""Moves the schema of a database to a revision, all of it in one transaction."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from ctrain.errors import PermanentError
from ctrain.store.schema import HEAD

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).with_name("migrations")
_one_at_a_time = threading.Lock()
"""Alembic keeps the migration under way in module globals."""


def current_revision(connection: Connection) -> str | None:
    """The revision of the database; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def upgrade(engine: Engine, revision: str = HEAD) -> None:
    """Bring the schema up to ``revision``; nothing is done when it is there.

    Raises
    ------
    PermanentError
        when the database was written by a newer ctrain.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    with _one_at_a_time, engine.begin() as connection:
        config = _config(connection)
        found = current_revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise PermanentError(
                f"the database has revision {found}, written by a newer ctrain: update ctrain"
            )
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the schema back to ``revision``; what newer tables held is lost."""
    from alembic import command

    with _one_at_a_time, engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def revisions() -> tuple[str, ...]:
    """Of the schema, the oldest first."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory(str(_SCRIPTS)).walk_revisions()
    return tuple(reversed([script.revision for script in found]))


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
