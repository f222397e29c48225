"""A row log with a store in memory, fed as the engine feeds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctrain.domain import Ingested, IngestState, PolicyName, Segment, SourceBatch, SourceRead
from ctrain.engine.retired_days import add_retired
from ctrain.policy.models import DataSpec
from ctrain.rows import ParquetRowLogs
from ctrain.rows.log import ParquetRowLog
from ctrain.rows.memory import RowMemory
from tests.fakes_store import MemoryStore
from tests.parquet_rows import build_data

POLICY = PolicyName("flights")
NOW = datetime(2013, 6, 1, tzinfo=UTC)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2149, 1, 1, tzinfo=UTC)


def as_read(*tables: pa.Table, path: str = "a.parquet") -> SourceRead:
    """A read whose batches are these tables."""
    return SourceRead(tuple(SourceBatch(table, path, 0) for table in tables), {})


class RowLogHarness:
    """Write, commit, adopt; ``restart`` opens the log again from what is committed."""

    def __init__(
        self,
        folder: Path,
        data: DataSpec | None = None,
        task: str = "binary",
        held_bytes: int = 0,
        memory: RowMemory | None = None,
    ) -> None:
        self.folder = folder
        self.held_bytes = held_bytes
        self.memory = memory
        self.store = MemoryStore()
        self.data = data or build_data()
        self.task = task
        self.log = self.restart()

    def restart(self, data: DataSpec | None = None) -> ParquetRowLog:
        self.data = data or self.data
        logs = ParquetRowLogs(self.folder, self.store, self.held_bytes, memory=self.memory)
        log = logs.open(POLICY, self.data, self.task)
        assert isinstance(log, ParquetRowLog)
        self.log = log
        return log

    @property
    def state(self) -> IngestState:
        return self.store.tables.ingest_state(POLICY)

    def rows(self, *tables: pa.Table, now: datetime = NOW, watermark: datetime | None = None) -> Ingested:
        state = replace(self.state, watermark=watermark or self.state.watermark)
        return self.commit(self.log.write_rows(as_read(*tables), state, now))

    def labels(self, *tables: pa.Table, now: datetime = NOW) -> Ingested:
        return self.commit(self.log.write_labels(as_read(*tables), self.state, now))

    def scores(self, version: str, table: pa.Table) -> Ingested:
        return self.commit(self.log.write_scores(version, table, self.state.sequence + 1))  # type: ignore[arg-type] # a NewType

    def commit(self, ingested: Ingested) -> Ingested:
        with self.store.write() as tx:
            tx.save_ingest_state(POLICY, replace(self.state, sequence=self.state.sequence + 1))
            tx.add_segments(ingested.segments)
            tx.remove_segments(POLICY, ingested.replaced)
        self.log.adopt(ingested)
        return ingested

    def retire(self, before: datetime) -> Sequence[Segment]:
        """Remove the days before an instant; return their segments."""
        gone = self.log.retire(before)
        with self.store.write() as tx:
            tx.remove_segments(POLICY, [one.id for one in gone])
            add_retired(tx, POLICY, gone)
        self.log.delete(gone)
        return gone

    def read(self, *columns: str, scores_of: Sequence[Any] = (), **options: Any) -> list[tuple[Any, ...]]:
        """Rows of all time as tuples of these columns."""
        table = self.log.read(FIRST, LAST, scores_of=scores_of, **options)
        return list(zip(*(table[name].to_pylist() for name in columns), strict=True))

    def files(self) -> set[str]:
        """Paths of all segment files on disk."""
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.parquet")}
