"""``ctrain db``: what it says, writes and returns, also while somebody writes to the database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.app.lease import this_holder
from ctrain.cli import app
from ctrain.domain.leases import daemon_lease
from ctrain.store import SqlStore, open_store
from ctrain.store.opening import database_at
from ctrain.store.schema import HEAD
from ctrain.store.upgrade import downgrade
from tests.contract.store.builders import event, run
from tests.support.postgres import Cluster, database_of, running_cluster


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CTRAIN_DATABASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CTRAIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{home / 'state.db'}")
    with store.write() as tx:
        tx.create_run(run())
        tx.append_event(event())
    yield store
    store.close()


def call(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["db", *arguments])
    return done.exit_code, done.stdout, done.stderr


def answer(*arguments: str) -> dict[str, object]:
    code, out, _ = call(*arguments, "--json")
    return {"code": code, **json.loads(out)}


def test_upgrade_creates_and_then_has_nothing_to_do(home: Path) -> None:
    file = str(home / "state.db")
    assert call("upgrade") == (0, f"{file}: revision none -> {HEAD}\n", "")
    assert call("upgrade") == (0, f"{file}: revision {HEAD}, nothing to do\n", "")
    assert answer("upgrade") == {"code": 0, "database": file, "before": HEAD, "after": HEAD}


def test_an_old_schema_is_told_and_brought_up_to_date(home: Path, store: SqlStore) -> None:
    downgrade(store._engine, "0004")
    told = f"the schema has revision 0004, this ctrain works with {HEAD}"
    assert answer("check")["faults"] == [f"{told}: run `ctrain db upgrade`, or a newer ctrain"]
    assert call("check")[0] == 3
    assert answer("upgrade")["before"] == "0004"
    assert call("check") == (0, f"{home / 'state.db'}: nothing is wrong\n", "")


def test_the_schema_is_taken_back_for_an_older_ctrain(home: Path, store: SqlStore) -> None:
    store.close()
    file = str(home / "state.db")
    assert call("downgrade", "0006") == (
        0,
        f"{file}: revision {HEAD} -> 0006; start no newer ctrain on it\n",
        "",
    )
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]
        assert database.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
    code, _, said = call("downgrade", "0004")
    assert (code, said) == (
        2,
        f"{file}: the schema has revision 0006; this ctrain takes back {HEAD}, its own\n",
    )
    assert answer("upgrade") == {"code": 0, "database": file, "before": "0006", "after": HEAD}
    assert answer("downgrade", "0006")["after"] == "0006"


@pytest.mark.parametrize("revision", ["0000", "6", HEAD])
def test_it_is_taken_back_to_what_there_was_alone(home: Path, store: SqlStore, revision: str) -> None:
    store.close()
    code, _, said = call("downgrade", revision)
    assert code == 2
    assert said.startswith(f"{revision!r}: expected a revision before {HEAD}: 0001, 0002, ")


def test_nothing_is_taken_back_from_under_a_daemon(home: Path, store: SqlStore) -> None:
    holder = "elsewhere:1:2:3"
    with store.write() as tx:
        tx.acquire_lease(daemon_lease(holder), holder, tx.database_now(), timedelta(minutes=1))
    code, _, said = call("downgrade", "0006")
    assert (code, said) == (1, f"a daemon ({holder}) works with this database; stop it first\n")


def test_nothing_is_taken_back_from_under_a_daemon_that_sleeps(home: Path, store: SqlStore) -> None:
    """Its lease has run out, but it lives, and would wake up to a schema that it does not know."""
    holder, long_ago = this_holder(), timedelta(hours=1)
    with store.write() as tx:
        tx.acquire_lease(daemon_lease(holder), holder, tx.database_now() - long_ago, long_ago / 2)
    code, _, said = call("downgrade", "0006")
    assert (code, said) == (1, f"a daemon ({holder}) works with this database; stop it first\n")


def test_what_is_not_there_is_not_taken_back(home: Path) -> None:
    assert call("downgrade", "0001")[0] == 2
    assert not (home / "state.db").exists()


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("DROP TRIGGER events_never_deleted", "the guard events_never_deleted is missing"),
        ("DROP INDEX uq_runs_active", "the index uq_runs_active is missing"),
        ("DROP TABLE detectors", "the table detectors is missing"),
        (
            "INSERT INTO phase_moves VALUES ('ACCEPTED', 'PROMOTING')",
            "the table of legal phase changes is wrong about ACCEPTED -> PROMOTING",
        ),
        (
            "INSERT INTO comparison_points VALUES (9, 'run-9', 'SHADOWING', 1, '{}')",
            "row 9 of comparison_points refers to a row of runs that is not there",
        ),
    ],
)
def test_what_is_not_in_force_is_found(home: Path, store: SqlStore, damage: str, fault: str) -> None:
    with closing(sqlite3.connect(home / "state.db")) as raw, raw:
        raw.execute(damage)
    assert answer("check") == {
        "code": 3,
        "database": str(home / "state.db"),
        "revision": HEAD,
        "faults": [fault],
    }


def test_a_damaged_file_is_found(home: Path, store: SqlStore) -> None:
    with store.write() as tx:
        for number in range(2000):
            tx.append_event(event(f"event {number}"))
    store.close()
    with closing(sqlite3.connect(home / "state.db")) as raw:
        (page,) = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_events_policy_id'"
        ).fetchone()
    with (home / "state.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    told = answer("check")
    assert told["code"] == 3
    assert "damaged" in str(told["faults"])


def test_a_backup_holds_what_was_committed_while_a_writer_is_at_work(home: Path, store: SqlStore) -> None:
    out = home / "copy.db"
    with store.write() as tx:
        tx.append_event(event("not committed"))
        made = answer("backup", "--out", str(out))
    assert made == {
        "code": 0,
        "database": str(home / "state.db"),
        "file": str(out),
        "bytes": out.stat().st_size,
    }
    assert out.stat().st_mode & 0o777 == 0o600
    copied = open_store(f"sqlite:///{out}", create=False)
    with copied.read() as tx:
        assert tx.runs() == [run()]
        assert tx.events() == [event()]
    copied.close()


def test_a_backup_never_replaces_a_file(home: Path, store: SqlStore) -> None:
    out = home / "copy.db"
    out.write_text("older")
    assert call("backup", "--out", str(out)) == (
        2,
        "",
        f"{out}: is there already; a backup never replaces a file\n",
    )
    assert out.read_text() == "older"


def test_a_backup_for_which_there_is_no_room_leaves_no_file(home: Path, store: SqlStore) -> None:
    """A limit on the size of files stands for the disk."""
    limited = (
        "import resource, sys; from ctrain.cli import app; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_960, 40_960)); app(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "db", "backup", "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    told = f"{home / 'state.db'}: cannot be copied into {home / 'backups'}: disk I/O error; is there room"
    assert done.stderr.startswith(told)
    assert list((home / "backups").iterdir()) == []


def test_a_backup_without_a_name_goes_into_the_home(home: Path, store: SqlStore) -> None:
    first, second = (Path(str(answer("backup")["file"])) for _ in range(2))
    assert first != second
    assert {first, second} == set((home / "backups").iterdir())


@pytest.mark.parametrize("command", ["check", "backup"])
def test_where_nothing_is_nothing_is_made(home: Path, command: str) -> None:
    code, out, error = call(command)
    assert (code, out) == (2, "")
    assert error == f"{home / 'state.db'}: there is no database of ctrain; has a daemon run here?\n"
    assert not home.exists()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def server(home: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = cluster.create()
    monkeypatch.setenv("CTRAIN_DATABASE_URL", url.replace("ctrain@", "ctrain:s3cret@"))
    yield url
    cluster.drop(url)


def test_on_postgresql(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = database_at(server.replace("ctrain@", "ctrain:s3cret@")).shown
    assert "ctrain:***@" in shown
    assert call("check")[0] == 2
    assert answer("upgrade") == {"code": 0, "database": shown, "before": None, "after": HEAD}
    assert answer("check") == {"code": 0, "database": shown, "revision": HEAD, "faults": []}
    store = open_store(server)
    with store.write() as tx:
        tx._connection.exec_driver_sql("ALTER TABLE runs DISABLE TRIGGER runs_legal_phase")
        tx._connection.exec_driver_sql("DROP INDEX uq_runs_active")
    store.close()
    assert answer("check")["faults"] == [
        "the guard runs_legal_phase is missing or switched off",
        "the index uq_runs_active is missing",
    ]
    made = Path(str(answer("backup")["file"]))
    assert made.read_bytes().startswith(b"PGDMP")
    monkeypatch.setenv("PATH", str(home))
    code, _, error = call("backup", "--out", str(home / "again.dump"))
    assert code == 1
    assert error.startswith("pg_dump is not on the PATH")
    assert not (home / "again.dump").exists()


def test_a_backup_that_fails_leaves_no_file_and_no_password(
    home: Path, server: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer("upgrade")
    cluster.execute("DROP ROLE IF EXISTS poor")
    cluster.execute("CREATE ROLE poor LOGIN; GRANT SELECT ON alembic_version TO poor", database_of(server))
    monkeypatch.setenv("CTRAIN_DATABASE_URL", server.replace("ctrain@", "poor:s3cret@"))
    code, out, error = call("backup", "--out", str(home / "poor.dump"))
    assert (code, out) == (1, "")
    assert "pg_dump failed" in error
    assert "permission denied" in error
    assert "s3cret" not in error
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["status"], ["db", "check"], ["db", "backup"], ["check", "flight-delay"]]
)
def test_a_server_that_is_not_there_is_told_without_the_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("CTRAIN_DATABASE_URL", "postgresql://ctrain:s3cret@/ctrain?host=/nowhere")
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the connection to the database is lost" in done.stderr
    assert "s3cret" not in done.stderr
