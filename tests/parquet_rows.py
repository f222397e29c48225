"""Small tables of rows as production would write them, and sources that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import Json, SourceRead
from ctrain.policy.models import DataSpec
from ctrain.ports import Source
from ctrain.rows.columns import row_columns
from ctrain.sources.files import FilesSource

START = datetime(2013, 3, 1, tzinfo=UTC)


def build_data(**changes: Any) -> DataSpec:
    """The data part of a policy with one numeric and one categorical feature, labels in their own table."""
    spec: dict[str, Any] = {
        "source": {"type": "files", "path": "rows"},
        "labels": {"source": {"type": "files", "path": "labels"}, "label": "delayed", "matures_after": "1d"},
        "id": "flight_id",
        "event_time": {"column": "scheduled_at"},
        "prediction": "score",
        "model_version": "version",
        "features": {"numeric": ["distance"], "categorical": ["carrier"]},
        "pane": "1h",
        "allowed_lateness": "1h",
    }
    return DataSpec.model_validate(spec | changes)


def build_rows(
    ids: Sequence[str], *, start: datetime = START, step: timedelta = timedelta(minutes=10)
) -> pa.Table:
    """Rows with these ids, ``step`` apart."""
    return pa.table(
        {
            "flight_id": pa.array(ids, pa.string()),
            "scheduled_at": pa.array(
                [start + step * at for at in range(len(ids))], pa.timestamp("us", tz="UTC")
            ),
            "score": pa.array([at % 10 / 10 for at in range(len(ids))], pa.float64()),
            "version": pa.array(["1"] * len(ids), pa.string()),
            "distance": pa.array([100 + at for at in range(len(ids))], pa.int64()),
            "carrier": pa.array(["UA"] * len(ids), pa.string()),
        }
    )


def build_labels(labels: Mapping[str, float | None]) -> pa.Table:
    return pa.table(
        {
            "flight_id": pa.array(list(labels), pa.string()),
            "delayed": pa.array(list(labels.values()), pa.float64()),
        }
    )


def write_parquet(path: Path, table: pa.Table, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def open_files(
    folder: Path, pattern: str = "rows", *, data: DataSpec | None = None, **options: Any
) -> FilesSource:
    return FilesSource(pattern, folder, row_columns(data or build_data(), "binary"), **options)


def ids_of(read: SourceRead) -> list[str]:
    return [str(one) for batch in read.batches for one in batch.table["flight_id"].to_pylist()]


def drain(source: Source, cursor: Json, limit_rows: int = 1000) -> tuple[list[SourceRead], Json]:
    """Read until a read finds nothing more."""
    reads = []
    while True:
        read = source.read(cursor, limit_rows)
        reads.append(read)
        cursor = read.cursor
        if not read.more:
            return reads, cursor
