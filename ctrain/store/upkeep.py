"""What a person does with the database itself: upgrade it, take it back, check it, back it up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select

from ctrain.errors import InputError
from ctrain.lifecycle.transitions import TRANSITIONS
from ctrain.store import schema
from ctrain.store.database import READ_ONLY
from ctrain.store.opening import BUSY_TIMEOUT, absent, database_at, open_store, revision_of
from ctrain.store.upgrade import current_revision, downgrade, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ctrain.domain import PolicyName


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a database; ``faults`` is empty when all is well."""

    database: str
    revision: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Revisions of the schema before (None: there was none) and now."""

    database: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A copy that was made of a database."""

    database: str
    file: Path
    size_bytes: int


def upgrade_database(url: str) -> Upgraded:
    """Create the schema or bring it up to date, as a daemon does when it starts."""
    database = database_at(url)
    before = revision_of(database)
    open_store(url).close()
    return Upgraded(database.shown, before, schema.HEAD)


def downgrade_database(url: str, revision: str) -> Upgraded:
    """Take the schema back to an older revision, for the ctrain of that time; what is newer is lost.

    Nobody may work with the database meanwhile.

    Raises
    ------
    InputError
        when there is no database, this ctrain did not make its schema, or the revision is not an older one.
    """
    database = database_at(url)
    before = revision_of(database)
    if before is None:
        raise absent(database)
    older = revisions()[: revisions().index(before)] if before == schema.HEAD else ()
    if not older:
        raise InputError(
            f"{database.shown}: the schema has revision {before}; "
            f"this ctrain takes back {schema.HEAD}, its own"
        )
    if revision not in older:
        raise InputError(f"{revision!r}: expected a revision before {before}: {', '.join(older)}")
    engine = database.create_engine(BUSY_TIMEOUT)
    try:
        downgrade(engine, revision)
    finally:
        engine.dispose()
    return Upgraded(database.shown, before, revision)


def check_database(url: str) -> Checked:
    """Look for damage, for constraints and guards that are not in force, and at the revision.

    Nothing is changed, and daemons may go on.

    Raises
    ------
    InputError
        when there is no database of ctrain.
    """
    database = database_at(url)
    if not database.is_there():
        raise absent(database)
    engine = database.create_engine(BUSY_TIMEOUT)
    try:
        with engine.execution_options(**{READ_ONLY: True}).connect() as connection:
            revision = current_revision(connection)
            if revision is None:
                raise absent(database)
            faults = [*database.faults(connection)]
            if revision != schema.HEAD:
                faults.append(
                    f"the schema has revision {revision}, this ctrain works with {schema.HEAD}: "
                    "run `ctrain db upgrade`, or a newer ctrain"
                )
            else:
                faults += _missing(connection) or _moves(connection)
            return Checked(database.shown, revision, tuple(faults))
    finally:
        engine.dispose()


def back_up(url: str, out: Path) -> BackedUp:
    """Write a consistent copy of the database to ``out``, which nobody but its owner may read.

    Raises
    ------
    InputError
        when there is no database, or ``out`` is there already, or cannot be written.
    """
    database = database_at(url)
    if revision_of(database) is None:
        raise absent(database)
    if out.exists():
        raise InputError(f"{out}: is there already; a backup never replaces a file")
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        database.back_up(unfinished)
        unfinished.rename(out)
        return BackedUp(database.shown, out, out.stat().st_size)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def copy_policy(url: str, policy: PolicyName, file: Path) -> None:
    """Put what is known of the policy into a new SQLite file; nothing where no database is.

    Raises
    ------
    InputError
        when another ctrain has made the schema, and the database is not copied as a whole.
    """
    database = database_at(url)
    if revision_of(database) is not None:
        database.copy_policy(policy, file)


def _missing(connection: Connection) -> list[str]:
    """Tables and indexes that the code works with and the database lacks."""
    seen = inspect(connection)
    there = set(seen.get_table_names())
    lacking = [f"the table {name} is missing" for name in sorted(schema.metadata.tables.keys() - there)]
    for table in schema.metadata.sorted_tables:
        if table.name in there:
            known = {str(one["name"]) for one in seen.get_indexes(table.name)}
            wanted = {str(index.name) for index in table.indexes}
            lacking += [f"the index {name} is missing" for name in sorted(wanted - known)]
    return lacking


def _moves(connection: Connection) -> list[str]:
    """Whether the database allows the phase changes of the state machine, and no others."""
    found = {(row.from_phase, row.to_phase) for row in connection.execute(select(schema.phase_moves))}
    legal = {(before.value, after.value) for (before, _), after in TRANSITIONS.items()}
    wrong = sorted(found ^ legal)
    return [f"the table of legal phase changes is wrong about {before} -> {after}" for before, after in wrong]
