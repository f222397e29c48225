"""Surroundings that fail: PostgreSQL, an MLflow server behind a door, and disks that can be filled."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.chaos.checker.evidence import WITNESS
from tests.chaos.door import ERRING, SHUT, SLOW, Door
from tests.chaos.surroundings import Surroundings, Trouble
from tests.e2e.mlflow_server import MlflowServer
from tests.support.postgres import Cluster

SMALL_DISK = "256M"
"""ctrain wants 100 MB to be free."""
PIECE, FOR_THE_CLOCK = 1 << 20, 1 << 16
FULL_ARTIFACTS = "disk of the artifacts full"


class Services:
    """Servers that all episodes share; each has a database and models of its own.

    ``small`` says that the server's artifacts lie on a small disk of their own.
    """

    def __init__(self, cluster: Cluster, mlflow: MlflowServer, *, small: bool = False) -> None:
        self.cluster, self.mlflow, self.small = cluster, mlflow, small
        port = urlsplit(mlflow.uri).port
        assert port is not None
        self.door = Door(port)
        with closing(sqlite3.connect(mlflow.database)) as database:
            database.executescript(WITNESS)


class FailingSurroundings(Surroundings):
    """A PostgreSQL database, models in an MLflow server, and a home on a small disk where one can be had."""

    every_number = False

    def __init__(self, home: Path, services: Services, episode: int) -> None:
        super().__init__(home)
        self.names = tuple(f"{name}-{episode}" for name in Surroundings.names)
        self._services = services
        self._on_small_disk = False
        self._address = services.cluster.create()

    @contextmanager
    def ready(self) -> Iterator[None]:
        with small_disk(self.home) as self._on_small_disk:
            try:
                yield
            finally:
                self._services.cluster.drop(self._address)

    def environ(self) -> Mapping[str, str]:
        return {
            "CTRAIN_DATABASE_URL": self._address,
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self._services.door.port}",
        }

    def troubles(self) -> Mapping[str, Trouble]:
        found: dict[str, Trouble] = {
            "database away": self._database_away,
            "database killed": self._database_killed,
            "MLflow away": partial(self._services.door.being, SHUT),
            "MLflow slow": partial(self._services.door.being, SLOW),
            "MLflow in error": partial(self._services.door.being, ERRING),
        }
        if self._on_small_disk:
            found["disk of the home full"] = partial(full, self.home, FOR_THE_CLOCK)
        if self._services.small:
            found[FULL_ARTIFACTS] = partial(full, self._services.mlflow.artifacts)
        return found

    def state(self) -> Path:
        copy = self.home.with_name("state.db")
        copy.unlink(missing_ok=True)
        carry_over(self._address, copy)
        return copy

    def registry(self) -> Path:
        return self._services.mlflow.database

    @contextmanager
    def _database_away(self) -> Iterator[None]:
        self._services.cluster.stop()
        try:
            yield
        finally:
            self._services.cluster.start()

    @contextmanager
    def _database_killed(self) -> Iterator[None]:
        self._services.cluster.kill()
        self._services.cluster.start()
        yield


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A folder on a small disk in memory; false where this process may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=0700", "ctrain-chaos", str(folder)]
    mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path, left_bytes: int = 0) -> Iterator[None]:
    """Nothing more than so much can be written to the disk of a folder."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PIECE))
    os.truncate(ballast, ballast.stat().st_size - left_bytes)
    try:
        yield
    finally:
        ballast.unlink()


def carry_over(address: str, copy: Path) -> None:
    """Every table of a PostgreSQL database in an SQLite one, for whoever reads only that."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(address) as source, closing(sqlite3.connect(copy)) as target:
        for (table,) in source.execute(tables).fetchall():
            found = source.execute(f'SELECT * FROM "{table}"'.encode())
            assert found.description is not None
            columns = ", ".join(f'"{one.name}"' for one in found.description)
            target.execute(f'CREATE TABLE "{table}" ({columns})')
            places = ", ".join("?" * len(found.description))
            rows = ([_plain(value) for value in row] for row in found.fetchall())
            target.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)
        target.commit()


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, datetime) else value
