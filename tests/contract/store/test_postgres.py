"""What the PostgreSQL implementation promises beyond the suite: waits, restarts, pauses, faults, secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from ctrain.domain import IngestState, Phase
from ctrain.errors import CtrainError, InputError, PermanentError, TransientError
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import SqlStore, open_store, postgres
from ctrain.store.opening import database_at
from ctrain.store.postgres_waiting import NEAR_SECONDS, WaitingConnection
from ctrain.turns import Turns, computing
from tests.contract.store.builders import FLIGHTS, OTHER, START, Backend, event, run, verdict
from tests.support.postgres import Cluster, database_of, program
from tests.waiting import wait_until

PASSWORD = "s3cret/word"
SLOW = timedelta(seconds=20)


@pytest.fixture
def backend(postgres_url: str) -> Backend:
    return Backend(postgres_url)


@pytest.fixture
def raw(filled: Backend) -> Iterator[psycopg.Connection]:
    """A person with psql."""
    with psycopg.connect(filled.url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE runs SET phase = 'PROMOTING'", "illegal phase change"),
        ("UPDATE runs SET phase = 'RUNNING'", "ck_runs_phase|illegal phase change"),
        ("INSERT INTO runs SELECT 9, 'r', {} FROM runs", "uq_runs_active"),
        ("UPDATE events SET actor = 'me'", "events are append-only: UPDATE refused"),
        ("DELETE FROM events", "events are append-only: DELETE refused"),
        ("TRUNCATE events CASCADE", "events are append-only: TRUNCATE refused"),
    ],
)
def test_the_database_itself_refuses(
    store: SqlStore, raw: psycopg.Connection, statement: str, said: str
) -> None:
    with store.write() as tx:
        tx.create_run(run())
        tx.append_event(event())
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'runs'"
    ordered = f"{columns} ORDER BY ordinal_position"
    rest = [name for (name,) in raw.execute(ordered) if name not in {"number", "id"}]
    with pytest.raises(psycopg.Error, match=said):
        raw.execute(statement.format(", ".join(f'"{name}"' for name in rest)).encode())
    with store.read() as tx:
        assert tx.runs() == [run()]
        assert tx.events() == [event()]


def test_a_refused_change_leaves_the_rest_of_the_transaction(store: SqlStore) -> None:
    with store.write() as tx:
        tx.create_run(run())
        with pytest.raises(CtrainError, match="another run is active"):
            tx.create_run(run(2))
        with pytest.raises(CtrainError, match="illegal phase change"):
            tx.save_run(run(phase=Phase.PROMOTING), expected=Phase.QUEUED)
        tx.append_event(event())
    with store.read() as tx:
        assert [one.id for one in tx.runs()] == ["run-1"]
        assert tx.events() == [event()]


@pytest.mark.parametrize(
    ("write", "wanted"),
    [
        (True, {"transaction_isolation": "read committed", "transaction_read_only": "off"}),
        (False, {"transaction_isolation": "repeatable read", "transaction_read_only": "on"}),
        (True, {"synchronous_commit": "on", "lock_timeout": "3s"}),
        (True, {"idle_in_transaction_session_timeout": "10s"}),
        (False, {"idle_in_transaction_session_timeout": "10min", "application_name": "ctrain"}),
    ],
)
def test_transactions_have_the_settings_that_promises_need(
    cluster: Cluster, filled: Backend, write: bool, wanted: dict[str, str]
) -> None:
    cluster.execute(f"ALTER DATABASE {database_of(filled.url)} SET synchronous_commit = off")
    store = filled.open(busy_timeout=timedelta(seconds=3))
    with store.write() if write else store.read() as tx:
        found = {name: tx._connection.exec_driver_sql(f"SHOW {name}").scalar() for name in wanted}
    store.close()
    assert found == wanted


MANY_VERDICTS = """
INSERT INTO verdicts (policy, monitor, as_of, policy_hash, status, value, threshold, n, reason, features)
SELECT 'p' || p, 'm' || m, at, 'h', 'OK', '0.1', '0.2', 5, '', '[]'
FROM generate_series(1, 40) p, generate_series(1, 5) m, generate_series(1, 200) at"""
MANY_POLICIES = """
INSERT INTO policies (name, policy_hash, path, identity, paused, registered_at, updated_at, main_monitor)
SELECT 'p' || p, 'h', '', '{}', false, 0, 0, 'm1' FROM generate_series(1, 40) p"""


def test_a_look_at_all_policies_reads_no_table_as_a_whole(store: SqlStore, raw: psycopg.Connection) -> None:
    """The planner takes a jump from monitor to monitor for a hundred; a table grows for years."""
    for statement in (MANY_POLICIES, MANY_VERDICTS, "ANALYZE"):
        raw.execute(statement.encode())
    with store.read() as tx:
        names = tx.policies()
        assert len(tx.verdict_lines(names)) == 200
        assert {len(values) for values in tx.main_values(names, 30).values()} == {30}
        read = tx._connection.exec_driver_sql(
            "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'verdicts'"
        ).scalar()
    assert read == 0


def test_nothing_of_a_transaction_stays_with_its_connection(store: SqlStore) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with store.write() as tx:
        during = [tx._connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    with store._engine.raw_connection() as pooled:
        driver = pooled.driver_connection
        assert driver is not None
        after = [driver.execute(f"SHOW {name}").fetchone()[0] for name in names]
    assert "0" not in during
    assert after == ["0", "0", "0"]


@pytest.mark.parametrize("closed_by", ["a pooler", "a restart"])
def test_a_connection_that_was_closed_while_nobody_used_it_fails_nothing(
    store: SqlStore, cluster: Cluster, closed_by: str
) -> None:
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, IngestState(rows_total=7))
    with store.read() as one, store.read() as other:  # two connections in the pool
        numbers = [
            tx._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for tx in (one, other)
        ]
    if closed_by == "a pooler":
        cluster.execute("; ".join(f"SELECT pg_terminate_backend({number}, 9000)" for number in numbers))
    else:
        cluster.restart()
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, IngestState(rows_total=8))
    with store.read() as one, store.read() as other:
        assert one.ingest_state(FLIGHTS) == other.ingest_state(FLIGHTS) == IngestState(rows_total=8)


def test_a_server_that_is_down_is_transient_and_back_when_it_is(store: SqlStore, cluster: Cluster) -> None:
    cluster.stop()
    try:
        for _ in range(3):
            with pytest.raises(TransientError), store.read():
                pytest.fail("nobody is there")
    finally:
        cluster.start()
    with store.write() as tx:
        tx.create_run(run())


@pytest.mark.parametrize("at_commit", [False, True])
def test_a_crash_of_the_server_in_the_middle_leaves_nothing(
    store: SqlStore, cluster: Cluster, at_commit: bool
) -> None:
    def write() -> None:
        with store.write() as tx:
            tx.create_run(run())
            cluster.kill()
            if not at_commit:
                tx.append_event(event())

    try:
        with pytest.raises(TransientError):
            write()
    finally:
        cluster.start()
    with store.read() as tx:
        assert tx.runs() == []


def test_a_writer_that_pauses_is_ended_and_those_who_wait_go_on(
    filled: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = filled.open()
    monkeypatch.setattr(postgres, "PAUSE_ALLOWED", timedelta(milliseconds=100))
    paused = filled.open()
    entered, go_on, told = Event(), Event(), []

    def pause() -> None:
        try:
            with paused.write() as tx:
                tx.create_run(run())
                entered.set()
                go_on.wait(SLOW.total_seconds())
                tx.append_event(event())
        except TransientError as error:
            told.append(str(error))

    thread = Thread(target=pause)
    thread.start()
    entered.wait(SLOW.total_seconds())
    with patient.write() as tx:
        assert tx.runs() == []
        tx.create_run(run(2))
    go_on.set()
    thread.join()
    assert "paused for too long" in told[0]
    with paused.read() as tx:
        assert [one.id for one in tx.runs()] == ["run-2"]
    paused.close()
    patient.close()


def test_writers_of_different_policies_wait_for_each_other(store: SqlStore, filled: Backend) -> None:
    """The chain of events is one over all policies: two appends at once would fork it."""
    other, written = filled.open(), Event()

    def append() -> None:
        with other.write() as tx:
            tx.append_event(event("second", policy=OTHER))
        written.set()

    with store.write() as tx:
        tx.append_event(event("first"))
        thread = Thread(target=append)
        thread.start()
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(
            lambda: tx._connection.exec_driver_sql(waiting).first() is not None, what="a waiting writer"
        )
        assert not written.is_set()
    thread.join()
    with store.read() as tx:
        assert [one.message for one in tx.events()] == ["second", "first"]
    other.close()


def test_a_server_that_takes_long_is_waited_for_while_others_compute(
    raw: psycopg.Connection, filled: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctrain.turns._OF_THIS_PROCESS", Turns(patience_seconds=3600.0))
    asks, computed = Event(), Event()

    def ask() -> None:
        with WaitingConnection.connect(filled.url, autocommit=True) as connection:
            connection._usual_seconds = 2 * NEAR_SECONDS
            with computing():
                asks.set()
                connection.execute("SELECT pg_advisory_lock(1)")

    def compute() -> None:
        with computing():
            computed.set()

    raw.execute("SELECT pg_advisory_lock(1)")
    threads = [Thread(target=one) for one in (ask, compute)]
    threads[0].start()
    assert asks.wait(30)
    threads[1].start()
    assert computed.wait(30)
    assert threads[0].is_alive()
    raw.execute("SELECT pg_advisory_unlock(1)")
    for one in threads:
        one.join()


def test_how_long_a_server_usually_takes_follows_its_answers(filled: Backend) -> None:
    with WaitingConnection.connect(filled.url, autocommit=True) as connection:
        connection._usual_seconds = 1000 * NEAR_SECONDS
        for _ in range(200):
            connection.execute("SELECT 1")
        assert connection._usual_seconds < NEAR_SECONDS


def test_text_with_nul_is_kept_without_it(store: SqlStore) -> None:
    with store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", verdict(reason="new category 'A\0B'"))
        tx.record_verdict(FLIGHTS, "h1", verdict(reason="new category 'A\0B'"))
        tx.append_event(event("a\0b", evidence={"category": "A\0B"}))
    with store.read() as tx:
        assert tx.latest_verdicts(FLIGHTS)[0].reason == "new category 'A\N{REPLACEMENT CHARACTER}B'"
        assert tx.events()[0].evidence == {"category": "A\0B"}
        assert check_links(all_links(tx)).intact


def test_a_user_without_rights_is_told_so(store: SqlStore, filled: Backend, cluster: Cluster) -> None:
    name = database_of(filled.url)
    cluster.execute("DROP ROLE IF EXISTS reader")
    cluster.execute("CREATE ROLE reader LOGIN")
    cluster.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name)
    reader = open_store(cluster.url(name, user="reader"), create=False)
    with reader.read() as tx:
        assert tx.runs() == []
    with pytest.raises(PermanentError, match="permission denied for table runs"), reader.write() as tx:
        tx.create_run(run())
    reader.close()
    cluster.execute("DROP OWNED BY reader; DROP ROLE reader", name)


def test_a_database_without_a_state_is_not_made_when_there_should_be_one(backend: Backend) -> None:
    with pytest.raises(InputError, match="there is no database of ctrain"):
        backend.open(create=False)


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        (
            "postgresql://ctrain:{}@/nowhere?host={folder}",
            PermanentError,
            '"nowhere" does not exist',
        ),
        ("postgresql://nobody:{}@/postgres?host={folder}", PermanentError, '"nobody" does not exist'),
        ("postgres://ctrain:{}@/x?host=/nowhere", TransientError, "connection to the database is lost"),
        ("postgresql://ctrain:{}@localhost", InputError, r"ctrain:\*\*\*@localhost: expected .* a database"),
        ("postgresql://ctrain@localhost?password={}", InputError, "password=hidden"),
        ("postgresql://ctrain:s3cret@db:54s3cret32/ctrain", InputError, "must be percent-encoded"),
        ("postgresql//ctrain:s3cret@db/ctrain", InputError, "the address of the database: expected"),
        ("oracle://ctrain:{}@db/x", InputError, r"oracle://ctrain:\*\*\*@db/x: expected sqlite:///PATH"),
    ],
)
def test_what_cannot_be_opened_is_told_without_the_password(
    cluster: Cluster, address: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        open_store(address.format(PASSWORD.replace("/", "%2F"), folder=cluster.folder))
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "s3cret" not in str(seen)
        assert "s3cret" not in repr(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def test_what_is_thrown_away_is_on_no_server(backend: Backend) -> None:
    with pytest.raises(InputError, match="needs sqlite:///PATH"):
        backend.open(durable=False)


def test_a_backup_brings_everything_back(
    store: SqlStore, filled: Backend, cluster: Cluster, tmp_path: Path
) -> None:
    with store.write() as tx:
        tx.create_run(run())
        tx.append_event(event())
    out = tmp_path / "state.dump"
    database_at(filled.url).back_up(out)
    restored = cluster.create()
    restore = program("pg_restore")
    assert restore is not None
    subprocess.run([restore, f"--dbname={restored}", str(out)], check=True)
    again = open_store(restored, create=False)
    with again.read() as tx:
        assert tx.runs() == [run()]
        assert tx.events() == [event()]
        assert tx.ingest_state(FLIGHTS) == IngestState()
    with again.write() as tx:
        tx.add_comparison_point(run().id, Phase.SHADOWING, START, {})
    again.close()
    cluster.drop(restored)
