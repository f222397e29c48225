"""Segments in memory, for a row log that is thrown away with its process."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.domain import PolicyName, Segment, SegmentKind, Version
from ctrain.rows.segments import SegmentFolder

if TYPE_CHECKING:
    from pathlib import Path


class HeldSegments(SegmentFolder):
    """A ``SegmentFolder`` that keeps the first ``held_bytes`` in memory, and flushes nothing to the disk."""

    def __init__(self, root: Path, policy: PolicyName, held_bytes: int) -> None:
        super().__init__(root, policy)
        self._room = held_bytes
        self._tables: dict[str, pa.Table] = {}
        """By path, where nothing lies."""

    def write(
        self,
        kind: SegmentKind,
        event_date: str,
        table: pa.Table,
        sequence: int,
        *,
        version: Version | None = None,
        folder: str = "",
    ) -> Segment:
        if table.nbytes > self._room:
            return super().write(kind, event_date, table, sequence, version=version, folder=folder)
        name = uuid.uuid4().hex
        path = "/".join(["held", *([folder] if folder else []), name])
        self._tables[path] = table.combine_chunks()
        self._room -= table.nbytes
        size, policy = table.nbytes, self._policy
        return Segment(name, policy, kind, event_date, path, table.num_rows, size, sequence, version)

    def read(self, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        held = self._tables.get(segment.path)
        if held is None:
            return super().read(segment, columns)
        return held.select(list(columns)) if columns else held

    def flush(self) -> None:
        """Wait for nothing: what lies on the disk is not meant to survive."""
        self._written.clear()
        self._grown.clear()

    def delete(self, segments: Iterable[Segment]) -> None:
        gone = list(segments)
        super().delete(one for one in gone if one.path not in self._tables)
        for one in gone:
            self._forget(one.path)

    def sweep(self, kept: Iterable[Segment]) -> int:
        names = {segment.path: segment for segment in kept}
        orphans = [path for path in self._tables if path not in names]
        for path in orphans:
            self._forget(path)
        return len(orphans) + super().sweep(one for path, one in names.items() if path not in self._tables)

    def begin(self, needed_bytes: int, *, held: bool = False) -> None:
        if needed_bytes > self._room:
            super().begin(needed_bytes, held=held)

    def _forget(self, path: str) -> None:
        held = self._tables.pop(path, None)
        if held is not None:
            self._room += held.nbytes
