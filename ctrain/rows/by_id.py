"""What a row log finds by id: rows, and labels that wait for theirs; made of the segments when asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.domain import PENDING, SegmentKind
from ctrain.engine.retired_days import days_of_rows
from ctrain.rows.arrivals import UNKNOWN
from ctrain.rows.identity import IndexMemory, hash_ids
from ctrain.rows.known import KnownRows
from ctrain.rows.pending import PendingLabels
from ctrain.rows.staging import newest

if TYPE_CHECKING:
    from ctrain.domain import Segment
    from ctrain.rows.days import Days
    from ctrain.rows.manifest import Manifest
    from ctrain.rows.segments import SegmentFolder
    from ctrain.rows.staging import Staged


class ById:
    """The rows and the waiting labels of what is committed; ``labels`` is the schema of the latter."""

    def __init__(
        self,
        files: SegmentFolder,
        manifest: Manifest,
        days: Days,
        labels: pa.Schema,
        memory: IndexMemory | None,
    ) -> None:
        self._files = files
        self._manifest = manifest
        self._days = days
        self._labels = labels
        self._memory = memory
        self._rows: KnownRows | None = None
        self._pending: PendingLabels | None = None

    @property
    def rows(self) -> KnownRows:
        if self._rows is None or not self._rows.is_there:
            rows = KnownRows(self._days, self._labels.field("label").type, self._memory)
            rows.read_segments(self._files, self._manifest)
            self._rows = rows
        return self._rows

    @property
    def pending(self) -> PendingLabels:
        """The labels in pending segments whose rows are not known."""
        if self._pending is None:
            tables = [self._files.read(one) for one in self._manifest.of(SegmentKind.LABELS, PENDING)]
            table = newest([self._labels.empty_table(), *tables])
            ids = table["row_id"].combine_chunks()
            days = self.rows.locate(ids, hash_ids(ids))
            self._pending = PendingLabels(table.filter(pa.array(days == UNKNOWN)))
        return self._pending

    def add(self, staged: Staged) -> None:
        """Take in what was staged; its segments are in the manifest."""
        if self._rows is not None:
            self._rows.add(staged.hashes, staged.days)
        if staged.pending is not None:
            self._pending = staged.pending

    def forget(self, gone: Iterable[Segment]) -> None:
        """Know nothing more of segments that are in the manifest no longer."""
        segments = list(gone)
        if self._rows is not None:
            self._rows.forget(days_of_rows(segments))
        if any(one.is_pending for one in segments):
            self._pending = None
