"""A registry and a launcher that outlive whoever uses them: SQLite with MLflow's tables, and job folders."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import JobState, JobStatus, ModelVersion, RunId, TrainingJob, Version
from ctrain.errors import PermanentError
from tests.chaos.checker.evidence import WITNESS
from tests.support.fakes import Model
from tests.support.slopes import SlopeModel

TABLES = """
CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version TEXT, PRIMARY KEY (name, alias));
CREATE TABLE model_versions (name TEXT, version TEXT, digest TEXT, slope REAL, PRIMARY KEY (name, version));
CREATE TABLE model_version_tags (
    name TEXT, version TEXT, key TEXT, value TEXT, PRIMARY KEY (name, version, key)
);
"""
"""As MLflow calls them, with what a model of the small world consists of."""


class DurableRegistry:
    """A ``Registry`` of one model in a file; every call is a transaction of its own."""

    def __init__(self, path: Path, model: str = "clicks") -> None:
        self.path = path
        self._model = model
        if not path.exists():
            with closing(sqlite3.connect(path)) as database:
                database.executescript(TABLES + WITNESS)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA synchronous = OFF")
            with database:
                yield database

    def register(
        self, model: Model, tags: Mapping[str, str], digest: str = "", *, recorded: bool = True
    ) -> Version:
        assert isinstance(model, SlopeModel)
        with self._open() as database:
            count = database.execute("SELECT count(*) FROM model_versions").fetchone()[0]
            version = Version(str(count + 1))
            kept = digest or f"digest-{version}"
            row = (self._model, version, kept, model.slope)
            database.execute("INSERT INTO model_versions VALUES (?, ?, ?, ?)", row)
            full = {**tags, **({"ctrain.digest": kept} if recorded else {})}
            _put_tags(database, self._model, version, full)
        return version

    @property
    def aliases(self) -> dict[str, Version]:
        """What is written there goes nowhere; see ``set_alias``."""
        with self._open() as database:
            return dict(database.execute("SELECT alias, version FROM registered_model_aliases"))

    @property
    def models(self) -> Mapping[Version, Model]:
        with self._open() as database:
            found = database.execute("SELECT version, slope FROM model_versions")
            return {Version(version): SlopeModel(slope) for version, slope in found}

    def newest_write(self) -> int:
        """The number of the newest write of an alias."""
        with self._open() as database:
            return int(database.execute("SELECT max(number) FROM witnessed_alias_writes").fetchone()[0])

    def tamper(self, version: Version) -> None:
        """Change the artifact behind everybody's back."""
        with self._open() as database:
            database.execute("UPDATE model_versions SET digest = 'another' WHERE version = ?", (version,))

    def alias(self, model: str, alias: str) -> Version | None:
        return self.aliases.get(alias)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        with self._open() as database:
            database.execute(
                "INSERT INTO registered_model_aliases VALUES (?, ?, ?) "
                "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
                (self._model, alias, version),
            )

    def delete_alias(self, model: str, alias: str) -> None:
        with self._open() as database:
            database.execute("DELETE FROM registered_model_aliases WHERE alias = ?", (alias,))

    def version(self, model: str, version: Version) -> ModelVersion:
        with self._open() as database:
            query = "SELECT count(*) FROM model_versions WHERE version = ?"
            if not database.execute(query, (version,)).fetchone()[0]:
                raise PermanentError(f"there is no version {version} of {model}")
            found = database.execute(
                "SELECT key, value FROM model_version_tags WHERE version = ?", (version,)
            )
            return ModelVersion(
                "model", version, f"models:/model/{version}", f"mlrun-{version}", dict(found.fetchall())
            )

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:
        with self._open() as database:
            query = "SELECT version FROM model_version_tags WHERE key = 'ctrain.run_id' AND value = ?"
            found = database.execute(query, (run_id,)).fetchone()
        return None if found is None else self.version(model, found[0])

    def digest(self, model: str, version: Version) -> str:
        with self._open() as database:
            query = "SELECT digest FROM model_versions WHERE version = ?"
            return str(database.execute(query, (version,)).fetchone()[0])

    def annotate_run(self, mlflow_run_id: str, **told: Any) -> None:
        """Nobody looks at runs here."""

    def attach_files(self, mlflow_run_id: str, files: Mapping[str, str]) -> None:
        """Nobody looks at files here."""

    def annotate_version(
        self, model: str, version: Version, *, tags: Mapping[str, str], description: str | None = None
    ) -> None:
        with self._open() as database:
            _put_tags(database, self._model, version, tags)


def _put_tags(database: sqlite3.Connection, model: str, version: Version, tags: Mapping[str, str]) -> None:
    rows = [(model, version, key, value) for key, value in tags.items()]
    database.executemany("INSERT OR REPLACE INTO model_version_tags VALUES (?, ?, ?, ?)", rows)


class DurableLauncher:
    """A ``Launcher`` that trains inline; what came of a job lies in its folder."""

    def __init__(
        self, registry: DurableRegistry, train: Callable[[pa.Table, Mapping[str, object]], Model]
    ) -> None:
        self._registry = registry
        self._train = train

    def start(self, job: TrainingJob) -> None:
        path = _ended(job.folder)
        if path.exists():
            return
        rows = pq.read_table(Path(job.folder) / "rows.parquet")
        version = self._registry.register(self._train(rows, job.context.params), job.registration["tags"])
        result = {
            "version": version,
            "mlflow_run_id": f"mlrun-{version}",
            "digest": self._registry.digest("", version),
            "train_seconds": 0.5,
            "importance": {},
        }
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(JobStatus(JobState.SUCCEEDED, result=result))))
        os.replace(partial, path)

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:
        path = _ended(folder)
        if not path.exists():
            return JobStatus(JobState.ABSENT)
        found = json.loads(path.read_text())
        return JobStatus(**{**found, "state": JobState(found["state"])})

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        """Nothing runs that could be stopped."""


def _ended(folder: str) -> Path:
    return Path(folder) / "ended.json"
