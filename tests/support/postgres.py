"""A real PostgreSQL for tests: one small cluster for each worker, on a socket in a folder of its own.

Nothing listens on a port. The server does not run as root, and is stopped with the worker that started it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.waiting import wait_until

SUPERUSER = "ctrain"
UNPRIVILEGED = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


def program(name: str) -> str | None:
    """Path of a program of PostgreSQL; Debian keeps those of the server out of the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parent.name.zfill(3))
    return shutil.which(name, path=os.pathsep.join([*map(str, reversed(places)), os.environ.get("PATH", "")]))


@dataclass
class Cluster:
    """A running server; databases are copied from a template that is migrated once."""

    folder: Path
    made: int = 0
    server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        folder = str(self.folder)
        executable = program("postgres")
        assert executable is not None
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [*_as_somebody(), executable, "-D", f"{folder}/data", "-k", folder, *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, 30.0, "PostgreSQL's first answer")

    def stop(self) -> None:
        """End it and every connection at once, as a restart by a person does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(timeout=30)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to the whole server: nobody says good-bye.

        A process that serves a connection has a group of its own, and may finish a commit before it notices
        that its parent is gone.
        """
        assert self.server is not None
        parent = psutil.Process(self.server.pid)
        everybody = [parent, *parent.children(recursive=True)]
        for one in everybody:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.server.wait(timeout=30)
        psutil.wait_procs(everybody[1:], timeout=30)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def url(self, database: str, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def create(self) -> str:
        """The address of a new database."""
        self.made += 1
        name = f"test_{self.made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def empty(self, address: str) -> None:
        """End what is connected, and take every row of ctrain out, also where a guard keeps it."""
        name = database_of(address)
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        emptied = [
            one for (one,) in self.execute(tables, name) if one not in {"alembic_version", "phase_moves"}
        ]
        numbers = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
        statements = [
            "SET session_replication_role = replica",
            *(f"DELETE FROM {one}" for one in emptied),
            *(f"ALTER SEQUENCE {one} RESTART" for (one,) in self.execute(numbers, name)),
        ]
        self.execute("; ".join(statements), name)

    def drop(self, address: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {database_of(address)} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        """Run a statement as the superuser; the rows that it gives."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, (self.folder / "log").read_text()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def database_of(address: str) -> str:
    """The name of the database in an address of a cluster."""
    return address.partition("?")[0].rpartition("/")[2]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A server of its own; skips the test where PostgreSQL is not installed."""
    initdb = program("initdb")
    if initdb is None or program("postgres") is None:
        pytest.skip("postgres is not installed; `make services` installs it")
    # Not pytest's folder: a socket's path may have 107 characters, and somebody else must get there.
    with tempfile.TemporaryDirectory(prefix="ctrain-pg-") as name:
        cluster = Cluster(Path(name))
        if os.geteuid() == 0:
            os.chown(name, *_somebody())
        arguments = ["-D", f"{name}/data", "-U", SUPERUSER, "--auth=trust", "--no-sync", "--encoding=UTF8"]
        made = subprocess.run(
            [*_as_somebody(), initdb, *arguments, "--locale=C", "--no-instructions"],
            cwd=name,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def _somebody() -> tuple[int, int]:
    for name in UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    pytest.skip("PostgreSQL does not run as root, and there is no unprivileged user")


def _as_somebody() -> Sequence[str]:
    """What to put before a command so that it does not run as root, and ends with this process."""
    dies_with_us = ("setpriv", "--pdeathsig", "INT")
    if os.geteuid() != 0:
        return dies_with_us
    user, group = _somebody()
    return (*dies_with_us, f"--reuid={user}", f"--regid={group}", "--clear-groups")
