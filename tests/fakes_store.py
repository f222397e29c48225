"""A store in memory that knows the tables of ingest, enough for the row log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ctrain.domain import IngestState, Json, MonitorName, PolicyName, Segment, SegmentKind, Version


class MemoryIngestTables:
    def __init__(self) -> None:
        self.states: dict[PolicyName, IngestState] = {}
        self.rows: dict[str, Segment] = {}
        self.memories: dict[tuple[str, str, str], Json] = {}

    def ingest_state(self, policy: PolicyName) -> IngestState:
        return self.states.get(policy, IngestState())

    def save_ingest_state(self, policy: PolicyName, state: IngestState) -> None:
        self.states[policy] = state

    def add_segments(self, segments: Iterable[Segment]) -> None:
        self.rows.update((one.id, one) for one in segments)

    def remove_segments(self, policy: PolicyName, ids: Iterable[str]) -> None:
        for one in ids:
            del self.rows[one]

    def detector(self, policy: PolicyName, monitor: MonitorName, version: Version) -> Json | None:
        return self.memories.get((policy, monitor, version))

    def save_detector(self, policy: PolicyName, monitor: MonitorName, version: Version, state: Json) -> None:
        self.memories[policy, monitor, version] = state

    def segments(self, policy: PolicyName, kind: SegmentKind | None = None) -> list[Segment]:
        return [
            one for one in self.rows.values() if one.policy == policy and (kind is None or one.kind is kind)
        ]


class MemoryStore:
    """Commits on a clean exit; with ``fails`` set, a transaction is lost instead."""

    def __init__(self) -> None:
        self.tables = MemoryIngestTables()
        self.fails = False

    @contextmanager
    def write(self) -> Iterator[Any]:
        before = dict(self.tables.states), dict(self.tables.rows), dict(self.tables.memories)
        yield self.tables
        if self.fails:
            self.tables.states, self.tables.rows, self.tables.memories = before
            raise OSError("the transaction was lost")

    @contextmanager
    def read(self) -> Iterator[Any]:
        yield self.tables
