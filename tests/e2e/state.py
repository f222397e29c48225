"""What a home holds, read without ctrain's own code: SQL on the database, Parquet from the manifest."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import ENDED, Phase

REAL_TIME = {"started_at", "train_seconds"}
MEASURED = re.compile(r"trained in [0-9.]+ s")
NAMES_OF_ITS_OWN = {"mlflow_run_id", "digest", "content_digest", "intent", "policy_hash"}
"""Random, or made from something random: MLflow's run id stands in every logged model."""


def rows_of(home: Path, query: str, *values: object) -> list[dict[str, Any]]:
    """What the query finds in the state database."""
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query, values)]


def active_phase(home: Path) -> Phase | None:
    """The phase of the run that has not ended."""
    phases = [Phase(row["phase"]) for row in rows_of(home, "SELECT phase FROM runs")]
    return next((phase for phase in phases if phase not in ENDED), None)


def comparable(home: Path, name: str, query: str) -> list[dict[str, Any]]:
    """Rows of a query as another story under another name should have them too."""
    return [_plain(row, name) for row in rows_of(home, query)]


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        left_out = REAL_TIME | NAMES_OF_ITS_OWN
        return {key: _plain(one, name) for key, one in value.items() if key not in left_out}
    if isinstance(value, list):
        return [_plain(one, name) for one in value]
    if isinstance(value, str):
        text = MEASURED.sub("trained", value.replace(name, "NAME"))
        return _plain(json.loads(text), name) if text[:1] in {"{", "["} else text
    return value


def segments(home: Path, kind: str) -> list[dict[str, Any]]:
    """The manifest's rows of a kind, in the order of their commit."""
    return rows_of(home, "SELECT * FROM segments WHERE kind = ? ORDER BY sequence, id", kind)


def logged(home: Path, kind: str) -> pa.Table:
    """All rows of all segments of a kind."""
    return logged_in(home, segments(home, kind))


def logged_in(home: Path, found: Iterable[Mapping[str, Any]]) -> pa.Table:
    """All rows of these segments."""
    paths = [home / "rows" / row["path"] for row in found]
    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths])


def files_on_disk(home: Path) -> set[str]:
    """Segment files as they lie in the row log's folder."""
    root = home / "rows"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def files_in_manifest(home: Path) -> set[str]:
    return {row["path"] for row in rows_of(home, "SELECT path FROM segments")}
