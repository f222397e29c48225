"""Which of the rows and labels of one read are new: every id counts once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray, Mask, as_mask
from ctrain.rows.identity import hash_ids
from ctrain.rows.instants import days_of, microseconds_of
from ctrain.rows.spill import Hashes

KnownDays = npt.NDArray[np.int32]
"""Days since 1970-01-01 of the rows with given ids; UNKNOWN where there is no such row."""
UNKNOWN = -1
Locate = Callable[[ArrowArray, Hashes], KnownDays]
StoredLabels = Callable[[ArrowArray, KnownDays], ArrowArray]


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows of a read whose ids are new, in the order of arrival, and the labels that came along."""

    table: pa.Table
    """Without the column ``label``."""
    hashes: Hashes
    days: npt.NDArray[np.uint16]
    labels: pa.Table
    label_days: npt.NDArray[np.int32]
    fresh: Mask
    """Which rows of the read these are."""
    repeated: Mask
    """Which rows of the read say nothing new."""

    @property
    def duplicates(self) -> int:
        return int(np.count_nonzero(self.repeated))


@dataclass(frozen=True, slots=True)
class NewLabels:
    """The labels of a read that say something new, by the day of their row."""

    table: pa.Table
    days: KnownDays
    duplicates: int


def new_rows(table: pa.Table, locate: Locate, stored: StoredLabels) -> NewRows:
    """Return the rows with new ids.

    A repeated id is a duplicate, unless its row carries a label that the first one did not have:
    that is how labels arrive in the rows' own table.
    """
    ids = _ids(table)
    hashes = hash_ids(ids)
    known = locate(ids, hashes)
    origin = first_places(ids, hashes)
    fresh = (known == UNKNOWN) & (origin == np.arange(len(origin)))
    day = days_of(table["event_at"].combine_chunks()) if table.num_rows else np.empty(0, dtype=np.uint16)
    days = np.where(known == UNKNOWN, day[origin], known).astype(np.int32)

    repeated, kept = ~fresh, np.empty(0, dtype=np.intp)
    label = _label(table)
    if label.null_count < len(label):
        labelled = np.flatnonzero(as_mask(pc.is_valid(label)))
        chosen = labelled[last_places(ids, hashes, labelled)]
        before = label.take(origin[chosen])
        seen = known[chosen] != UNKNOWN
        if seen.any():
            before = pc.if_else(pa.array(seen), stored(ids.take(chosen), known[chosen]), before)
        says_more = ~as_mask(pc.equal(label.take(chosen), before))
        kept = chosen[says_more | ~seen]
        repeated[chosen[says_more]] = False
    own = table.select(["row_id", "label"])
    return NewRows(
        table=rows_of(table.drop_columns(["label"]), fresh),
        hashes=hashes[fresh],
        days=day[fresh],
        labels=own.take(kept) if len(kept) else own.slice(0, 0),
        label_days=days[kept],
        fresh=fresh,
        repeated=repeated,
    )


def new_labels(
    table: pa.Table, locate: Locate, stored: StoredLabels, waiting: Callable[[ArrowArray, Hashes], pa.Table]
) -> NewLabels:
    """Return the labels that are new or corrected; of several for one id the last counts."""
    ids = _ids(table)
    hashes = hash_ids(ids)
    last = last_places(ids, hashes, np.arange(table.num_rows))
    latest = table if len(last) == table.num_rows else table.take(last)
    ids, hashes = _ids(latest), hashes[last]
    days = locate(ids, hashes)
    before = stored(ids, days)
    pending = waiting(ids, hashes)
    if pending.num_rows:
        places: ArrowArray = pc.index_in(ids, value_set=_ids(pending))
        before = pc.coalesce(before, pending["label"].combine_chunks().take(places))
    says_more = ~as_mask(pc.equal(_label(latest), before))
    return NewLabels(
        table=rows_of(latest, says_more),
        days=days[says_more],
        duplicates=table.num_rows - int(np.count_nonzero(says_more)),
    )


def is_late(table: pa.Table, pane: int, watermark: int | None) -> Mask:
    """Tell which rows belong to a pane that the watermark has closed before; all in microseconds."""
    if watermark is None:
        return np.zeros(table.num_rows, dtype=np.bool_)
    ends = (microseconds_of(table["event_at"]) // pane + 1) * pane
    return np.asarray(ends <= watermark, dtype=np.bool_)


def first_places(ids: ArrowArray, hashes: Hashes) -> npt.NDArray[np.intp]:
    """Return for every id the place at which it occurs first."""
    if len(np.unique(hashes)) == len(hashes):
        return np.arange(len(hashes))
    codes = _codes(ids)
    _, first = np.unique(codes, return_index=True)
    return np.asarray(first[codes], dtype=np.intp)


def last_places(ids: ArrowArray, hashes: Hashes, among: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the places in ``among`` at which an id occurs for the last time."""
    if len(np.unique(hashes[among])) == len(among):
        return np.arange(len(among))
    codes = _codes(ids.take(among))
    _, last = np.unique(codes[::-1], return_index=True)
    return np.sort(len(among) - 1 - last)


def rows_of(table: pa.Table, mask: Mask) -> pa.Table:
    """Return the rows that are marked; mostly all are, and nothing is copied."""
    return table if mask.all() else table.filter(pa.array(mask))


def _codes(ids: ArrowArray) -> npt.NDArray[np.int32]:
    encoded: ArrowArray = pc.dictionary_encode(ids)
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int32)


def _ids(table: pa.Table) -> ArrowArray:
    ids: ArrowArray = table["row_id"].combine_chunks()
    return ids


def _label(table: pa.Table) -> ArrowArray:
    label: ArrowArray = table["label"].combine_chunks()
    return label
