"""What is looked at: tables as they lie on the disk, the row log's files, and the files of the input."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WITNESS = """
CREATE TABLE IF NOT EXISTS witnessed_alias_writes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, alias TEXT, version TEXT
);
CREATE TRIGGER IF NOT EXISTS witness_insert AFTER INSERT ON registered_model_aliases BEGIN
    INSERT INTO witnessed_alias_writes (name, alias, version) VALUES (NEW.name, NEW.alias, NEW.version);
END;
CREATE TRIGGER IF NOT EXISTS witness_update AFTER UPDATE ON registered_model_aliases BEGIN
    INSERT INTO witnessed_alias_writes (name, alias, version) VALUES (NEW.name, NEW.alias, NEW.version);
END;
CREATE TRIGGER IF NOT EXISTS witness_delete AFTER DELETE ON registered_model_aliases BEGIN
    INSERT INTO witnessed_alias_writes (name, alias, version) VALUES (OLD.name, OLD.alias, NULL);
END;
"""
"""MLflow keeps no history of aliases: its database is made to keep one, whoever writes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the policy's file allows, as a person would read it there."""

    runs: int | None = None
    per: timedelta = timedelta(days=365)
    cooldown: timedelta | None = None


@dataclass(frozen=True)
class Evidence:
    """Where everything of one policy lies after an episode, when its daemon has come to rest."""

    database: Path
    registry: Path
    """MLflow's SQLite database, with the witness in it."""
    segments: Path
    """The root of the row log."""
    rows: Path
    labels: Path
    """Folders of the input's Parquet files."""
    replaced: Path
    """Folder of what files of rows had held, and was read, before they were replaced."""
    policy: str
    model: str
    pane: timedelta = timedelta(hours=1)
    limits: Limits = field(default_factory=Limits)
    retention: timedelta | None = None
    """How long the policy keeps rows; None: for longer than an episode."""
    every_number: bool = True
    """No number of an event is left out; PostgreSQL uses one up for what it rolls back."""
    by_others: frozenset[int] = frozenset()
    """Numbers of witnessed alias writes that were not ctrain's."""

    def select(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of the state's database."""
        return _select(self.database, query, values)

    def of_policy(self, table: str, order: str) -> list[dict[str, Any]]:
        return self.select(f"SELECT * FROM {table} WHERE policy = ? ORDER BY {order}", self.policy)

    def registered(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of MLflow's database."""
        return _select(self.registry, query, values)

    def alias_writes(self) -> list[dict[str, Any]]:
        """Every write of an alias of the model since the witness came, oldest first."""
        query = "SELECT * FROM witnessed_alias_writes WHERE name = ? ORDER BY number"
        return self.registered(query, self.model)

    def aliases(self) -> dict[str, str]:
        query = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
        return {row["alias"]: str(row["version"]) for row in self.registered(query, self.model)}

    def manifest(self, kind: str) -> list[dict[str, Any]]:
        query = "SELECT * FROM segments WHERE policy = ? AND kind = ? ORDER BY sequence, id"
        return self.select(query, self.policy, kind)

    def removed_before(self) -> datetime:
        """The day before which all rows have been removed at the latest."""
        return self._kept_from(since_midnight=True)

    def kept_since(self) -> datetime:
        """The day from which on no row has been removed; those in between may be gone, by days."""
        return self._kept_from(since_midnight=False)

    def _kept_from(self, *, since_midnight: bool) -> datetime:
        [state] = self.of_policy("ingest_states", "policy") or [{"next_pane_at": None, "watermark": None}]
        if self.retention is None or state["next_pane_at"] is None:
            return EPOCH
        judged = instant(min(state["next_pane_at"], state["watermark"]))
        return midnight((midnight(judged) if since_midnight else judged) - self.retention)

    def logged(self, found: Iterable[Row]) -> list[dict[str, Any]]:
        """The rows of these segments."""
        tables = [pq.ParquetFile(self.segments / row["path"]).read() for row in found]
        return [row for table in tables for row in table.to_pylist()]

    def files(self) -> set[str]:
        """Segment files on the disk, relative to the root."""
        kinds = ("rows", "labels", "scores")
        folders = [self.segments / self.policy / kind for kind in kinds]
        return {
            path.relative_to(self.segments).as_posix()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file()
        }


def whole_files(folder: Path) -> Sequence[pa.Table]:
    """Tables of the input's files, in the order of their names."""
    return [pq.ParquetFile(path).read() for path in sorted(folder.glob("*.parquet"))]


def instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def parsed(text: str) -> Any:
    return json.loads(text)


def _select(path: Path, query: str, values: Sequence[object]) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query, values)]
