"""What the SQLite implementation promises beyond the suite: files, faults, migrations, triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError

from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import SqlStore, open_store
from ctrain.store.sqlite import create_sqlite_engine, enable_wal, opening
from tests.contract.store.builders import FLIGHTS, START, run
from tests.contract.store.builders import event as event_of

ALLOWED, REFUSED = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def engine(file: Path) -> Iterator[Engine]:
    engine = create_sqlite_engine(file, timedelta(seconds=1))
    enable_wal(engine)
    yield engine
    engine.dispose()


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
        ("mysql://u:secret@db/ctrain", r"mysql://u:\*\*\*@db/ctrain: expected sqlite:///PATH or postgresql"),
        ("state.db", "'state.db': expected a database address"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_store(url)


def test_absent_database_is_not_made_when_it_should_exist(file: Path) -> None:
    with pytest.raises(InputError, match="there is no database of ctrain"):
        open_store(f"sqlite:///{file}", create=False)
    assert not file.exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(InputError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}/home/state.db")


def test_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"PAR1 and so on" * 1000)
    with pytest.raises(PermanentError, match=f"^{file}: the file is not a SQLite database"):
        open_store(f"sqlite:///{file}")


def test_folder_in_the_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(TransientError, match="cannot be opened"):
        open_store(f"sqlite:///{file}")


def test_as_many_can_read_at_once_as_there_are_threads_to_answer(file: Path) -> None:
    store = open_store(f"sqlite:///{file}")
    with ExitStack() as readers:
        reading = [readers.enter_context(store.read()) for _ in range(40)]
        assert [tx.paused(FLIGHTS) for tx in reading] == [False] * 40
    store.close()


def test_who_writes_for_too_long_is_waited_for_no_longer_than_is_allowed(engine: Engine, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with engine.connect() as connection, pytest.raises(TransientError, match="locked by another process"):
            connection.begin()
        other.execute("ROLLBACK")
    with engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1000


def test_what_is_not_a_matter_of_waiting_is_told_at_once(file: Path) -> None:
    """Though others would be waited for for a day."""
    engine = create_sqlite_engine(file, timedelta(days=1))
    with engine.connect() as connection:
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # it is this one
        driver.set_authorizer(lambda action, *_: REFUSED if action == sqlite3.SQLITE_TRANSACTION else ALLOWED)
        with pytest.raises(DatabaseError, match="not authorized"):
            connection.begin()
    engine.dispose()


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
        fault = check_links(all_links(tx)).fault
    assert fault is not None
    assert fault.event == broken
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


def test_old_notices_are_found_by_their_index(file: Path) -> None:
    """Couriers look every half minute, while nobody else writes, and keep notices for weeks."""
    store = open_store(f"sqlite:///{file}")
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_: object, __: object, statement: str, values: tuple[object, ...], *rest: object) -> None:
        asked.append((statement, values))

    event.listen(store._engine, "before_cursor_execute", note)
    with store.write() as tx:
        tx.drop_notices(START)
    event.remove(store._engine, "before_cursor_execute", note)
    statement, values = next(one for one in asked if one[0].startswith("DELETE FROM outbox"))
    with store.read() as tx:
        plan = tx._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    store.close()
    assert "USING INDEX ix_outbox_status_next_attempt_at" in plan[0].detail
