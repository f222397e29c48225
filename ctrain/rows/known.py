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
from ctrain.rows.finding import find_ids
from ctrain.rows.identity import Days as DayNumbers
from ctrain.rows.identity import Hashes, RowIndex, hash_ids
from ctrain.rows.manifest import day_number, day_text

if TYPE_CHECKING:
    from ctrain.rows.days import Days
    from ctrain.rows.manifest import Manifest
    from ctrain.rows.segments import SegmentFolder


class KnownRows:
    """Looks ids up; whatever the index finds is compared with the ids that are stored."""

    def __init__(self, days: Days, answer: pa.DataType) -> None:
        self._days = days
        self._answer = answer
        self._index = RowIndex()

    @classmethod
    def load(cls, days: Days, answer: pa.DataType, files: SegmentFolder, manifest: Manifest) -> KnownRows:
        """Return what the committed segments know; reads the ids of all of them."""
        known = cls(days, answer)
        hashes, numbers = [], []
        for segment in manifest:
            if segment.kind is SegmentKind.ROWS:
                found = hash_ids(files.read(segment, ["row_id"])["row_id"].combine_chunks())
                hashes.append(found)
                numbers.append(np.full(len(found), day_number(segment.event_date), dtype=np.uint16))
        if hashes:
            known.add(np.concatenate(hashes), np.concatenate(numbers))
        return known

    def add(self, hashes: Hashes, days: DayNumbers) -> None:
        self._index.add(hashes, days)

    def forget(self, days: Iterable[str]) -> None:
        self._index.forget([day_number(day) for day in days])

    def locate(self, ids: ArrowArray, hashes: Hashes) -> KnownDays:
        """Return the day of each id's row, UNKNOWN where there is none."""
        located = np.full(len(ids), UNKNOWN, dtype=np.int32)
        positions, days = self._index.find(hashes)
        for day in np.unique(days):
            candidates = positions[days == day]
            asked = ids.take(candidates)
            found = find_ids(self._days.load(day_text(day)).table, asked)
            same: ArrowArray = pc.is_in(asked, value_set=asked.take(found.ids))
            located[candidates[same.to_numpy(zero_copy_only=False)]] = day
        return located

    def labels(self, ids: ArrowArray, days: KnownDays) -> ArrowArray:
        """Return the stored label of each id, null where there is none."""
        labels: ArrowArray = pa.array([None] * len(ids), self._answer)
        for day in np.unique(days[days != UNKNOWN]):
            table = self._days.load(day_text(day)).table
            asked = np.flatnonzero(days == day)
            found = find_ids(table, ids.take(asked))
            places = np.full(len(ids), -1)
            places[asked[found.ids]] = np.arange(len(found.rows))
            there = places >= 0
            stored: ArrowArray = table["label"].take(found.rows).combine_chunks()
            labels = pc.if_else(pa.array(there), stored.take(pa.array(places, mask=~there)), labels)
        return labels
