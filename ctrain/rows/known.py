"""What is known of ids: the day of their row, and the label that is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import SegmentKind
from ctrain.rows.arrivals import UNKNOWN, KnownDays
from ctrain.rows.casting import ArrowArray
from ctrain.rows.identity import IndexMemory, RowIndex, hash_ids
from ctrain.rows.manifest import day_number, day_text
from ctrain.rows.spill import DayNumbers, Hashes, Positions

if TYPE_CHECKING:
    from ctrain.rows.days import Days
    from ctrain.rows.manifest import Manifest
    from ctrain.rows.segments import SegmentFolder

_ADDED_AT_ONCE = 1_000_000


class KnownRows:
    """Looks ids up; whatever the index finds is compared with the ids that are stored."""

    def __init__(self, days: Days, answer: pa.DataType, memory: IndexMemory | None = None) -> None:
        self._days = days
        self._answer = answer
        self._index = RowIndex(memory)

    def read_segments(self, files: SegmentFolder, manifest: Manifest) -> None:
        """Take in what the committed segments know; reads the ids of all of them."""
        hashes, numbers, waiting = [], [], 0
        for segment in manifest:
            if segment.kind is not SegmentKind.ROWS or segment.is_pending:
                continue
            found = hash_ids(files.read(segment, ["row_id"])["row_id"].combine_chunks())
            hashes.append(found)
            numbers.append(np.full(len(found), day_number(segment.event_date), dtype=np.uint16))
            waiting += len(found)
            if waiting >= _ADDED_AT_ONCE:
                self.add(np.concatenate(hashes), np.concatenate(numbers))
                hashes, numbers, waiting = [], [], 0
        if hashes:
            self.add(np.concatenate(hashes), np.concatenate(numbers))

    @property
    def is_there(self) -> bool:
        """False when a part on the disk has been lost."""
        return self._index.is_there

    def add(self, hashes: Hashes, days: DayNumbers) -> None:
        self._index.add(hashes, days)

    def forget(self, days: Iterable[str]) -> None:
        self._index.forget([day_number(day) for day in days])

    def locate(self, ids: ArrowArray, hashes: Hashes) -> KnownDays:
        """Return the day of each id's row, UNKNOWN where there is none."""
        located = np.full(len(ids), UNKNOWN, dtype=np.int32)
        self._confirm(located, ids, *self._index.find(hashes))
        if self._index.spills:
            unknown = np.flatnonzero(located == UNKNOWN)
            positions, days = self._index.find_spilled(hashes[unknown])
            self._confirm(located, ids, unknown[positions], days)
        return located

    def _confirm(self, located: KnownDays, ids: ArrowArray, positions: Positions, days: DayNumbers) -> None:
        """Put in the days of the candidates whose ids are there."""
        for day in np.unique(days):
            candidates = positions[days == day]
            asked = ids.take(candidates)
            _, found = self._days.find(day_text(day), asked)
            same: ArrowArray = pc.is_in(asked, value_set=asked.take(found.ids))
            located[candidates[same.to_numpy(zero_copy_only=False)]] = day

    def labels(self, ids: ArrowArray, days: KnownDays) -> ArrowArray:
        """Return the stored label of each id, null where there is none."""
        labels: ArrowArray = pa.array([None] * len(ids), self._answer)
        for day in np.unique(days[days != UNKNOWN]):
            asked = np.flatnonzero(days == day)
            table, found = self._days.find(day_text(day), ids.take(asked))
            places = np.full(len(ids), -1)
            places[asked[found.ids]] = np.arange(len(found.rows))
            there = places >= 0
            stored: ArrowArray = table["label"].take(found.rows).combine_chunks()
            labels = pc.if_else(pa.array(there), stored.take(pa.array(places, mask=~there)), labels)
        return labels
