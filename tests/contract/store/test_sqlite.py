"""What the SQLite implementation promises beyond the suite: files, faults, migrations, triggers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, text

from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.store import SqlStore, migrations, open_store
from ctrain.store.schema import HEAD, metadata
from ctrain.store.sqlite import create_sqlite_engine, enable_wal, opening
from ctrain.store.upgrade import current_revision, downgrade, upgrade
from tests.contract.store.builders import FLIGHTS, START, run
from tests.contract.store.builders import event as event_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def engine(file: Path) -> Iterator[Engine]:
    engine = create_sqlite_engine(file, timedelta(seconds=1))
    enable_wal(engine)
    yield engine
    engine.dispose()


def test_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        assert current_revision(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    created = create_engine("sqlite://")
    metadata.create_all(created)
    assert _definitions(engine) == _definitions(created)
    created.dispose()


def _definitions(engine: Engine) -> dict[str, str]:
    """Each CREATE TABLE and CREATE INDEX as the database remembers it, but for white space."""
    query = text("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL")
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    own = {name: sql for name, sql in rows if not name.startswith(("alembic_", "sqlite_"))}
    return {name: re.sub(r"\s+", " ", sql).replace(" )", ")").strip() for name, sql in own.items()}


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(Path(str(migrations.__file__)).parent)).get_heads() == [HEAD]


def test_migrations_go_down_and_up_again_step_by_step(engine: Engine) -> None:
    upgrade(engine)
    whole = _definitions(engine)
    downgrade(engine)
    assert _definitions(engine) == {}
    for revision in ("0001", "0002", "0003", "0004"):
        upgrade(engine, revision)
    assert _definitions(engine) == whole


def test_requests_outlive_a_change_of_their_kinds(engine: Engine) -> None:
    upgrade(engine, "0003")
    insert = (
        "INSERT INTO requests (policy, kind, actor, created_at, arguments, answer) "
        "VALUES ('p', '{}', 'ann', 1, '', '')"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(insert.format("cancel"))
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(insert.format("approve"))
    for revision, kinds in (("0004", ["cancel", "approve"]), ("0003", ["cancel"])):
        downgrade(engine, revision)
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT id, kind FROM requests ORDER BY id").all()
        assert found == list(enumerate(kinds, start=1))


def test_failed_migration_leaves_nothing(engine: Engine, file: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE runs (stranger INTEGER)"))
    with pytest.raises(Exception, match="runs already exists"):
        upgrade(engine)
    assert set(_definitions(engine)) == {"runs"}
    with engine.connect() as connection:
        assert current_revision(connection) is None


def test_database_of_a_newer_version_is_refused(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(PermanentError, match="revision 9999, written by a newer ctrain"):
        open_store(f"sqlite:///{file}")


def test_connections_have_the_settings_that_promises_need(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    engine = create_sqlite_engine(file, timedelta(seconds=3))
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 3000}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "expected sqlite:///PATH with a file"),
        ("sqlite:///:memory:", "expected sqlite:///PATH with a file"),
        ("postgresql://u:secret@db/ctrain", r"postgresql://u:\*\*\*@db/ctrain: expected sqlite:///PATH"),
        ("state.db", "expected a database address"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_store(url)


def test_absent_database_is_not_made_when_it_should_exist(file: Path) -> None:
    with pytest.raises(InputError, match="there is no database"):
        open_store(f"sqlite:///{file}", create=False)
    assert not file.exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(InputError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}/home/state.db")


def test_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"PAR1 and so on" * 1000)
    with pytest.raises(PermanentError, match="not a SQLite database"):
        open_store(f"sqlite:///{file}")


def test_folder_in_the_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(TransientError, match="cannot be opened"):
        open_store(f"sqlite:///{file}")


def test_full_disk_is_transient_and_loses_nothing(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    engine = create_sqlite_engine(file, timedelta(seconds=1))

    @event.listens_for(engine, "connect")
    def no_page_more(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=1")

    store = SqlStore(engine)
    with pytest.raises(TransientError, match="disk of the database is full"), store.write() as tx:
        tx.save_pane(FLIGHTS, "g1", START, bytes(100_000), 1)
    with store.read() as tx:
        assert tx.panes(FLIGHTS, "g1", START, START + timedelta(1)) == {}
    engine.dispose()


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'me'", "DELETE FROM events"])
def test_events_can_neither_be_changed_nor_deleted(file: Path, statement: str) -> None:
    store = open_store(f"sqlite:///{file}")
    with store.write() as tx:
        tx.append_event(event_of())
    with (
        closing(sqlite3.connect(file)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="events are append-only"),
    ):
        raw.execute(statement)
    with store.read() as tx:
        assert tx.events() == [event_of()]
    store.close()


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("UPDATE events SET actor = 'me' WHERE id = 2", 2),
        ("UPDATE events SET evidence = '{}' WHERE id = 3", 3),
        ("DELETE FROM events WHERE id = 2", 3),
        ("DELETE FROM events WHERE id = 1", 2),
    ],
)
def test_chain_shows_what_was_changed_past_the_triggers(file: Path, damage: str, broken: int) -> None:
    store = open_store(f"sqlite:///{file}")
    with store.write() as tx:
        for number in range(4):
            tx.append_event(event_of(f"event {number}"))
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("DROP TRIGGER events_never_updated")
        raw.execute("DROP TRIGGER events_never_deleted")
        raw.execute(damage)
    with store.read() as tx:
        assert tx.first_broken_event() == broken
    store.close()


@pytest.mark.parametrize("phase", ["RUNNING", "queued", ""])
def test_unknown_phases_are_refused_by_the_database(file: Path, phase: str) -> None:
    store = open_store(f"sqlite:///{file}")
    with store.write() as tx:
        tx.create_run(run())
    with closing(sqlite3.connect(file)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE runs SET phase = ?", (phase,))
    store.close()


def test_migration_waits_for_others_that_look_at_the_schema(file: Path) -> None:
    opened: list[SqlStore] = []
    opener = Thread(target=lambda: opened.append(open_store(f"sqlite:///{file}")))
    with opening(file, alone=False):
        opener.start()
        opener.join(0.3)
        assert not opened
    opener.join()
    opened[0].close()
