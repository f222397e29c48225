"""A real ``mlflow server`` on loopback, and copies of what it knows for tests that branch off."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.ports import free_port
from tests.waiting import wait_until

START_SECONDS = 120.0
STOP_SECONDS = 20.0
QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
PROXIED = "mlflow-artifacts:/"
PLACES = (
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
    ("runs", "artifact_uri"),
    ("experiments", "artifact_location"),
)
"""Where MLflow's database says that artifacts are fetched through the server."""


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """Tracking and registry over HTTP, artifacts through the server."""

    uri: str
    database: Path
    artifacts: Path

    def copy_to(self, folder: Path) -> str:
        """What the server knows now, as a store of its own in ``folder``; return its address."""
        copy = folder / "mlflow.db"
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.database)) as before, closing(sqlite3.connect(copy)) as after:
            before.backup(after)
            for table, column in PLACES:
                after.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                    (PROXIED, self.artifacts.as_uri() + "/"),
                )
            after.commit()
        return f"sqlite:///{copy}"


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """The server from healthy to stopped, with every process that it started."""
    folder.mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    server = MlflowServer(f"http://{address}", folder / "server.db", folder / "artifacts")
    host, _, port = address.partition(":")
    options = {
        "--host": host,
        "--port": port,
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{server.database}",
        "--artifacts-destination": str(server.artifacts),
    }
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)],
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until(lambda: _answers(address) or child.poll() is not None, START_SECONDS, "mlflow server")
            assert child.poll() is None, log_path.read_text()
            yield server
        finally:
            _end(child)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(child: subprocess.Popen[bytes]) -> None:
    """Stop the server and everything in its process group."""
    members = [child.pid, *(one.pid for one in psutil.Process(child.pid).children(recursive=True))]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for pid in members[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
