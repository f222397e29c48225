"""Checks of a PostgreSQL database, and what ``pg_dump`` makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import PermanentError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

GUARDS = {"runs_legal_phase", "events_never_updated", "events_never_deleted", "events_never_emptied"}
_QUESTIONS = {
    "the constraint {} is not validated": """
        SELECT conname FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace AND NOT convalidated
        """,
    "the index {} is not valid": """
        SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready)
        """,
}
_GUARDS = """
    SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled IN ('O', 'A')
    """
WORDS_OF_PG_DUMP = 500


def faults(connection: Connection) -> list[str]:
    """Constraints, indexes and guards that are not in force."""
    found = [
        sentence.format(name)
        for sentence, question in _QUESTIONS.items()
        for (name,) in connection.exec_driver_sql(question)
    ]
    guards = {name for (name,) in connection.exec_driver_sql(_GUARDS)}
    return found + [f"the guard {name} is missing or switched off" for name in sorted(GUARDS - guards)]


def dump(address: URL, out: Path) -> None:
    """Write an archive for ``pg_restore``; the password goes by the environment, not by the arguments.

    Raises
    ------
    PermanentError
        when ``pg_dump`` is not installed, or fails.
    """
    program = shutil.which("pg_dump")
    if program is None:
        raise PermanentError(
            "pg_dump is not on the PATH, and PostgreSQL has no other consistent backup of one database: "
            "install PostgreSQL's client programs, or use the backups of your database service"
        )
    password = address.query.get("password") or address.password  # as libpq has it
    secret = {"PGPASSWORD": str(password)} if password else {}
    bare = address._replace(drivername="postgresql", password=None).difference_update_query(["password"])
    target = bare.render_as_string()
    done = subprocess.run(
        [program, "--format=custom", "--no-owner", "--no-password", f"--file={out}", f"--dbname={target}"],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PermanentError(f"pg_dump failed: {' '.join(done.stderr.split())[:WORDS_OF_PG_DUMP]}")
    descriptor = os.open(out, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
