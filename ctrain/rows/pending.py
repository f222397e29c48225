"""Labels that wait for their row.

They lie in segments of their own until most of a segment's labels have found their row: a label that
was used stays on disk for a while, and is known as used because its row is known.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray, Mask
from ctrain.rows.identity import hash_ids
from ctrain.rows.spill import Hashes

if TYPE_CHECKING:
    from ctrain.domain import IngestState


class PendingLabels:
    """The newest label of every id whose row has not arrived; immutable."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._hashes = np.sort(hash_ids(_ids(table)))

    def __len__(self) -> int:
        return self.table.num_rows

    def with_labels(self, labels: pa.Table) -> PendingLabels:
        """Return these and further labels, the further ones in the place of older ones."""
        if not len(self):
            return PendingLabels(labels)
        older = self.without(_ids(labels)).table
        return PendingLabels(pa.concat_tables([older, labels]).combine_chunks())

    def without(self, ids: ArrowArray) -> PendingLabels:
        return PendingLabels(self.table.filter(~self._is_among(ids)))

    def of(self, ids: ArrowArray, hashes: Hashes) -> pa.Table:
        """Return the labels that wait for rows with these ids."""
        if not len(self) or not self._may_have(hashes).any():
            return self.table.slice(0, 0)
        return self.among(ids)

    def among(self, ids: ArrowArray) -> pa.Table:
        """Return those of the labels whose ids are among ``ids``."""
        return self.table.filter(self._is_among(ids))

    def _is_among(self, ids: ArrowArray) -> Mask:
        found: ArrowArray = pc.is_in(_ids(self.table), value_set=ids)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def _may_have(self, hashes: Hashes) -> Mask:
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.asarray(self._hashes[places] == hashes)


def waits_since(state: IngestState, now: datetime) -> datetime:
    """The present; by the newest event when the clock is behind it."""
    return max(now, state.newest_event_at or now)


def _ids(table: pa.Table) -> ArrowArray:
    return table["row_id"].combine_chunks()
