"""A spool with a policy that takes rows and labels, and the tables of the store that it asks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from ctrain.domain import IngestState, Json, PolicyName, Task
from ctrain.domain.pushes import PushedBatch, PushKind
from ctrain.faults import Around, read_plan
from ctrain.policy.models import DataSpec
from ctrain.ports import Source
from ctrain.sources.opening import FileSources
from ctrain.sources.push_body import ARROW, JSON
from ctrain.sources.push_contract import Contract, SpoolPlaces
from ctrain.sources.push_files import SpoolFiles
from ctrain.sources.push_spool import Sent, Spool, Taken
from tests.parquet_rows import build_data

FLIGHTS = PolicyName("flights")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PUSH = {"type": "push"}
ROWS, LABELS = PushKind.ROWS, PushKind.LABELS


def pushed_data(source: Json | None = None, **changes: Any) -> DataSpec:
    """The data of a policy whose rows and labels are pushed."""
    labels = {"source": PUSH, "label": "delayed", "matures_after": "1d"}
    return build_data(**{"source": source or PUSH, "labels": labels, **changes})


def row(row_id: object = "a", **changes: Any) -> dict[str, Any]:
    """A row as a service would send it."""
    values = {
        "flight_id": row_id,
        "scheduled_at": "2026-11-20T10:00:00+09:00",
        "score": 0.25,
        "version": "3",
        "distance": 731,
        "carrier": "UA",
    }
    return values | changes


def body_of(table: pa.Table, media: str) -> bytes:
    """The rows as a body of that kind."""
    if media == ARROW:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return bytes(sink.getvalue())
    rows = [json.dumps(one, default=datetime.isoformat) for one in table.to_pylist()]
    return ("\n".join(rows) if media != JSON else f"[{', '.join(rows)}]").encode()


class StoreInMemory:
    """What a spool asks of the store."""

    def __init__(self) -> None:
        self.known = {FLIGHTS}
        self.state = IngestState()
        self.batches: dict[tuple[str, PushKind, str], PushedBatch] = {}

    @contextmanager
    def write(self) -> Iterator[Any]:
        yield self

    read = write

    def policy_record(self, policy: PolicyName) -> str | None:
        return policy if policy in self.known else None

    def ingest_state(self, _policy: PolicyName) -> IngestState:
        return self.state

    def pushed_batch(self, policy: PolicyName, kind: PushKind, batch: str) -> PushedBatch | None:
        return self.batches.get((policy, kind, batch))

    def remember_batches(self, policy: PolicyName, kind: PushKind, batches: Collection[PushedBatch]) -> None:
        for one in batches:
            self.batches.setdefault((policy, kind, one.id), one)

    def forget_batches(self, policy: PolicyName, kind: PushKind, before: datetime, limit: int) -> int:
        ours = [
            key for key, one in self.batches.items() if key[:2] == (policy, kind) and one.received_at < before
        ]
        for key in ours[:limit]:
            del self.batches[key]
        return len(ours[:limit])


class StepTimer:
    """Real time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


def faulty(plan: str) -> SpoolFiles:
    """Files at whose steps happens what the plan says."""
    return cast("SpoolFiles", Around(SpoolFiles(), "spool", read_plan(plan)))


class Door:
    """A policy whose rows and labels are pushed, with its spool."""

    def __init__(self, folder: Path, data: DataSpec | None = None, files: SpoolFiles | None = None) -> None:
        self.contract = Contract(FLIGHTS, Task.BINARY, data or pushed_data())
        self.root = folder / "push"
        self.places = SpoolPlaces(self.root)
        self.places.open(self.contract)
        self.store: Any = StoreInMemory()
        self.timer = StepTimer()
        self.spool = Spool(self.places, self.store, self.timer, files)

    def push(self, rows: object, batch_id: str | None = "b1", kind: PushKind = ROWS) -> Taken:
        body = json.dumps(rows).encode()
        return self.spool.take(FLIGHTS, kind, Sent("application/json", body, batch_id), NOW)

    def source(self, kind: PushKind = ROWS) -> Source:
        model = SimpleNamespace(task="binary")
        policy: Any = SimpleNamespace(policy=FLIGHTS, data=self.contract.data, model=model)
        sources = FileSources(self.timer, spool=self.root)
        found = sources.open_rows(policy, Path()) if kind is ROWS else sources.open_labels(policy, Path())
        assert found is not None
        return found

    def read(self, limit: int = 1000, kind: PushKind = ROWS) -> list[dict[str, Any]]:
        """Read on, and commit."""
        state = self.store.state
        before = state.rows_cursor if kind is ROWS else state.labels_cursor
        found = self.source(kind).read(before, limit)
        key = "rows_cursor" if kind is ROWS else "labels_cursor"
        self.store.state = replace(state, **{key: found.cursor})
        return [one for batch in found.batches for one in batch.table.to_pylist()]

    def files(self, kind: PushKind = ROWS) -> list[Path]:
        return sorted(self.places.folder(FLIGHTS, kind).iterdir())
