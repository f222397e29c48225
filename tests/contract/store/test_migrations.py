"""The schema's way up and down, with rows in every table, on every database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Engine, LargeBinary, MetaData, Table, inspect, text
from sqlalchemy.types import Integer

from ctrain.errors import IllegalTransition, PermanentError, StateConflict
from ctrain.store import SqlStore, migrations, open_store
from ctrain.store.opening import database_at
from ctrain.store.schema import HEAD, metadata
from ctrain.store.upgrade import current_revision, downgrade, upgrade
from tests.contract.store.builders import FLIGHTS, Backend

SCRIPTS = ScriptDirectory(str(Path(str(migrations.__file__)).parent))
REVISIONS = [script.revision for script in reversed([*SCRIPTS.walk_revisions()])]

CHECKED: Mapping[str, Any] = {
    "phase": "ACCEPTED",
    "status": "OK",
    "outcome": "fired",
    "runs.id": "run-1",
    "run_id": "run-1",
    "event_id": 1,
    "segments.kind": "rows",
    "alias_intents.kind": "promotion",
    "alias_intents.outcome": "done",
    "requests.kind": "cancel",
    "outbox.status": "pending",
    "role": "viewer",
    "pushed_batches.kind": "rows",
}
"""Values of columns, by table and column or by column, that a constraint looks at."""
NOT_KEPT = {"outbox"}
"""Tables that a revision makes anew: what waits in them is not worth a translation."""


@pytest.fixture
def engine(backend: Backend) -> Iterator[Engine]:
    engine = database_at(backend.url).create_engine(timedelta(seconds=1))
    yield engine
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    assert SCRIPTS.get_heads() == [HEAD]


def test_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        assert current_revision(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made = _definitions(engine)
    downgrade(engine)
    metadata.create_all(engine)
    assert made == _definitions(engine)


def test_what_is_there_outlives_every_step_up_and_down(engine: Engine) -> None:
    upgrade(engine, REVISIONS[0])
    for before, after in pairwise(REVISIONS):
        _fill(engine)
        kept, shape = _rows(engine), _definitions(engine)
        upgrade(engine, after)
        higher = _definitions(engine)
        assert _shared(kept, _rows(engine)) == _shared(_rows(engine), kept)
        downgrade(engine, before)
        assert _rows(engine) == kept
        assert _definitions(engine) == shape
        upgrade(engine, after)
        assert _definitions(engine) == higher
    store = SqlStore(engine)
    with store.read() as tx:
        assert [run.id for run in tx.runs()] == ["run-1"]
    downgrade(engine)
    assert _definitions(engine) == {}


def test_panes_become_the_lowest_level_and_only_that_goes_back(engine: Engine) -> None:
    upgrade(engine, "0002")
    _run(engine, "INSERT INTO panes (policy, grid, start, profile, rows) VALUES ('p', 'g', 5, 'x', 7)")
    upgrade(engine, "0003")
    columns = "(policy, grid, level, start, profile, rows)"
    higher = f"INSERT INTO pane_profiles {columns} VALUES ('p', 'g', {{}}, {{}}, 'x', 9)"
    _run(engine, higher.format(1, 5))
    _run(engine, higher.format(0, 6))
    downgrade(engine, "0002")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT start, rows FROM panes ORDER BY start")).all() == [
            (5, 7),
            (6, 9),
        ]


def test_requests_outlive_a_change_of_their_kinds(engine: Engine) -> None:
    upgrade(engine, "0003")
    insert = (
        "INSERT INTO requests (policy, kind, actor, created_at, arguments, answer) "
        "VALUES ('p', '{}', 'ann', 1, '', '')"
    )
    _run(engine, insert.format("cancel"))
    with pytest.raises(Exception, match=r"ck_requests_kind|kind"):
        _run(engine, insert.format("approve"))
    upgrade(engine)
    _run(engine, insert.format("approve"))
    for revision, kinds in (("0004", ["cancel", "approve"]), ("0003", ["cancel"])):
        downgrade(engine, revision)
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT kind FROM requests ORDER BY id").scalars().all()
        assert found == kinds


def test_guards_hold_after_every_way_here(engine: Engine) -> None:
    refused = {
        "UPDATE runs SET phase = 'PROMOTING'": IllegalTransition,
        "UPDATE events SET actor = 'me'": StateConflict,
        "DELETE FROM events": StateConflict,
    }
    upgrade(engine)
    _fill(engine)
    downgrade(engine, REVISIONS[1])
    for revision in (REVISIONS[1], HEAD):
        upgrade(engine, revision)
        for statement, error in refused.items():
            with pytest.raises(error):
                _run(engine, statement)


def test_failed_migration_leaves_nothing(engine: Engine) -> None:
    _run(engine, "CREATE TABLE runs (stranger INTEGER)")
    with pytest.raises(Exception, match=r"runs.* already exists"):
        upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {"runs"}


def test_database_of_a_newer_version_is_refused(backend: Backend) -> None:
    store = backend.open()
    _run(store._engine, "UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(PermanentError, match="revision 9999, written by a newer ctrain"):
        open_store(backend.url)


def test_old_database_is_brought_up_to_date_by_opening_it(engine: Engine, backend: Backend) -> None:
    upgrade(engine, REVISIONS[1])
    _fill(engine)
    store = open_store(backend.url, create=False)
    with store.read() as tx:
        assert [run.id for run in tx.runs()] == ["run-1"]
        assert tx.active_run(FLIGHTS) is None
    store.close()


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _tables(engine: Engine) -> list[Table]:
    found = MetaData()
    found.reflect(engine)
    return [one for one in found.sorted_tables if one.name not in {"alembic_version", "phase_moves"}]


def _fill(engine: Engine) -> None:
    """A row in each table that has none."""
    tables = _tables(engine)
    with engine.begin() as connection:
        for table in tables:
            if connection.execute(table.select().limit(1)).first() is None:
                connection.execute(table.insert(), {one.name: _value(table, one) for one in table.columns})


def _value(table: Table, column: Any) -> Any:
    given = CHECKED.get(f"{table.name}.{column.name}", CHECKED.get(column.name))
    if given is not None:
        return given
    if isinstance(column.type, Boolean) or column.name == "paused":
        return True
    if isinstance(column.type, LargeBinary):
        return b"\x00\xff profile"
    if isinstance(column.type, Integer):
        return 1
    return "{}"


def _rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table whose rows are kept, by column."""
    tables = [table for table in _tables(engine) if table.name not in NOT_KEPT]
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in tables
        }


def _shared(
    rows: dict[str, list[dict[str, Any]]], others: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Of tables and columns that both have."""
    return {
        name: [
            {key: row[key] for key in row if key in other}
            for row, other in zip(rows[name], others[name], strict=True)
        ]
        for name in rows.keys() & others.keys()
    }


def _definitions(engine: Engine) -> dict[str, str]:
    """Each table, index, constraint and trigger of ours as the database tells it, but for white space."""
    query = _OF_SQLITE if engine.dialect.name == "sqlite" else _OF_POSTGRES
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    own = {name: sql for name, sql in rows if not name.startswith(("alembic_", "sqlite_"))}
    return {name: re.sub(r"\s+", " ", sql).replace(" )", ")").strip() for name, sql in own.items()}


_OF_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
_OF_POSTGRES = """
    SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT conrelid::regclass || ' constraint ' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT table_name || ' column ' || column_name,
        concat_ws(' ', data_type, is_nullable, collation_name, regexp_replace(column_default, '_seq.', ''))
    FROM information_schema.columns WHERE table_schema = 'public'
    """
