"""The file that a policy's reference is made from: Parquet, CSV, JSON lines, or a profile of rows."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.domain import SourceBatch
from ctrain.errors import InputError
from ctrain.ports import ReferenceRows
from ctrain.rows.columns import feature_columns, found_path, row_columns
from ctrain.rows.normalise import normalise_rows
from ctrain.sources.tables import read_batches
from ctrain.stats.stored_profile import MAGIC, StoredProfile

if TYPE_CHECKING:
    from ctrain.policy.models import DataSpec, Policy

_ID, _TIME = "\0id", "\0event time"
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_NEVER = datetime(2149, 1, 1, tzinfo=UTC)
_CHUNK = 1 << 20


class ReferenceTable:
    """``ReferenceFile`` on a disk; of the policy's columns only the features are needed."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self._path = path
        self._data = policy.data
        self._task = policy.model.task
        self._seen: tuple[tuple[int, int, int], str] | None = None

    def digest(self) -> str:
        try:
            found = self._path.stat()
            touched = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._seen is None or self._seen[0] != touched:
                self._seen = touched, _digest(self._path)
        except OSError as error:
            raise InputError(f"{self._path}: the reference cannot be read: {error.strerror}") from error
        return self._seen[1]

    def read(self) -> ReferenceRows | StoredProfile:
        stored = self._stored()
        if stored is not None:
            return stored
        table = pa.Table.from_batches(read_batches(self._path))
        self._check(table.schema)
        time = next(
            one for one in row_columns(self._data, self._task) if one.name == self._data.event_time.column
        )
        timed = found_path(table.schema, time) is not None
        table = table.append_column(_ID, pa.array(range(table.num_rows), pa.int64()))
        if not timed:
            times = pa.repeat(pa.scalar(_SOME_DAY, pa.timestamp("us", "UTC")), table.num_rows)
            table = table.append_column(_TIME, times)
        batch = SourceBatch(table, str(self._path), 0)
        rows = normalise_rows([batch], self._as_rows(table.schema, timed), self._task, _NEVER).table
        if not rows.num_rows:
            raise InputError(f"{self._path}: the reference has no rows that can be used")
        return ReferenceRows(rows, timed, self._path.name)

    def _stored(self) -> StoredProfile | None:
        """What ``ctrain profile`` wrote; None of a file of rows."""
        try:
            with self._path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    return None
                file.seek(0)
                return StoredProfile.from_bytes(file.read())
        except (OSError, ValueError) as error:
            raise InputError(f"{self._path}: the reference cannot be read: {error}") from error

    def _check(self, schema: pa.Schema) -> None:
        absent = [one.name for one in feature_columns(self._data) if found_path(schema, one) is None]
        if absent:
            raise InputError(f"{self._path}: the reference lacks the feature {absent[0]}")

    def _as_rows(self, schema: pa.Schema, timed: bool) -> DataSpec:
        """What to read: the features, with an id and a time of our own where the file needs none."""
        data = self._data
        changes: dict[str, object] = {"id": _ID, "model_version": None}
        changes["labels"] = data.labels.model_copy(update={"source": data.source})
        named = data.prediction and data.columns.get(data.prediction, data.prediction)
        if named not in schema.names:
            changes["prediction"] = None
        if not timed:
            changes["event_time"] = data.event_time.model_copy(update={"column": _TIME})
        return data.model_copy(update=changes)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
