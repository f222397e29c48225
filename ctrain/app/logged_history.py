"""The past of a policy whose rows were pushed: there are no files of it, but the row log has them.

What the log holds is as old as the policy's retention. Labels are those that stand now; a backtest shows each
when it is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.app.wiring import open_existing_database
from ctrain.domain import Json, PolicyName, SourceBatch, SourceRead
from ctrain.errors import InputError
from ctrain.policy.data import PushSource
from ctrain.rows import ParquetRowLogs
from ctrain.rows.casting import ArrowArray
from ctrain.rows.columns import Column, label_columns, row_columns
from ctrain.rows.instants import INSTANT, MICROSECONDS_A_DAY
from ctrain.settings import Settings
from ctrain.sources.opening import FileSources

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.ports import ReferenceFile, Source, Sources

_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2149, 1, 1, tzinfo=UTC)


def past_sources(policy: Policy, environ: Mapping[str, str]) -> Sources:
    """Where a policy's past can be read: its files, or the row log of the home where they were pushed."""
    data = policy.data
    if not isinstance(data.source, PushSource):
        if isinstance(data.labels.source, PushSource):
            return LoggedSources(_logged(policy, environ), rows_too=False)
        return FileSources()
    return LoggedSources(_logged(policy, environ), rows_too=True)


def _logged(policy: Policy, environ: Mapping[str, str]) -> pa.Table:
    """All rows that the log of the policy holds; raises InputError when there are none."""
    settings = Settings.load(None, environ)
    store = open_existing_database(settings)
    name = PolicyName(policy.policy)
    log = ParquetRowLogs(settings.rows_folder, store).open(name, policy.data, policy.model.task)
    found: pa.Table = log.read(_BEGINNING, _END)
    if not found.num_rows:
        raise InputError(
            f"{name}: its rows are pushed, and {settings.home} holds none of them: name the home of the "
            "daemon that took them by CTRAIN_HOME"
        )
    return found


class LoggedSources:
    """``Sources`` that give back what a row log holds, in the columns in which it once came."""

    def __init__(self, logged: pa.Table, *, rows_too: bool) -> None:
        self._logged = logged
        self._rows_too = rows_too

    def open_rows(self, policy: Policy, folder: Path) -> Source:
        if not self._rows_too:
            return FileSources().open_rows(policy, folder)
        data = policy.data
        meant = {data.id: "row_id", data.event_time.column: "event_at"}
        if data.prediction is not None:
            meant[data.prediction] = "prediction"
        if data.model_version is not None:
            meant[data.model_version] = "model_version"
        if data.labels.source is None:
            meant[data.labels.label] = "label"
        columns = row_columns(data, policy.model.task)
        return _whole({one.paths[0]: self._of(meant.get(one.name, one.name), one) for one in columns})

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        source = policy.data.labels.source
        if not isinstance(source, PushSource):
            return FileSources().open_labels(policy, folder)
        key, label = label_columns(policy.data, policy.model.task)
        known = self._logged.filter(pc.is_valid(self._logged["label"]))
        return _whole({key.paths[0]: known["row_id"], label.paths[0]: known["label"]})

    def open_reference(self, policy: Policy, folder: Path) -> ReferenceFile | None:
        return FileSources().open_reference(policy, folder)

    def _of(self, name: str, column: Column) -> ArrowArray:
        """A column as a source may bring it: the log has dates as days since 1970."""
        values = self._logged[name]
        if column.kind != "date":
            return values
        microseconds = pc.round(pc.multiply(values, float(MICROSECONDS_A_DAY)))
        return microseconds.cast(pa.int64()).cast(INSTANT)


def _whole(columns: Mapping[str, ArrowArray]) -> Source:
    return _TableSource(pa.table(dict(columns)))


class _TableSource:
    """A ``Source`` of one table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        """The rows after the cursor."""
        begun = int(cursor.get("read", 0))
        part = self._table.slice(begun, limit_rows).combine_chunks()
        reached = begun + part.num_rows
        batches = (SourceBatch(part, "row log", begun),) if part.num_rows else ()
        return SourceRead(batches, {"read": reached}, more=reached < self._table.num_rows)

    def has_unread(self, cursor: Json) -> bool:
        """True while rows are left."""
        return int(cursor.get("read", 0)) < self._table.num_rows
