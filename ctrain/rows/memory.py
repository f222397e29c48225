"""Memory that the row logs of a home share: one limit for all the days that they keep.

Each log has a share for the end of its newest days, which every round of fresh rows asks for; older days are
kept as long as there is room, the least recently used ones leave first.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ctrain.domain import Version
from ctrain.rows.casting import ArrowArray
from ctrain.rows.finding import rows_before
from ctrain.rows.identity import INDEX_BYTES, IndexMemory
from ctrain.rows.instants import microseconds_of

KEPT_BYTES = 160 * 2**20
LEAST_SHARE = 32 * 2**10


@dataclass(slots=True)
class Day:
    """The rows of one day in (event_at, row_id) order, with ``late`` and ``label``."""

    table: pa.Table
    scores: dict[Version, ArrowArray] = field(default_factory=dict)
    """In the order of the rows."""
    since: int | None = None
    """Instant (microseconds) from which on the day's rows are there; None: all of them."""

    @property
    def bytes(self) -> int:
        return self.table.nbytes + sum(int(column.nbytes) for column in self.scores.values())

    def reaches(self, since: int | None) -> bool:
        """True when all rows from ``since`` on are there."""
        return self.since is None or (since is not None and since >= self.since)

    def end(self, share: float) -> Day:
        """Return about so much of it, the rows of its end, in memory of their own."""
        first = self.table.num_rows - max(int(self.table.num_rows * share), 1)
        if first <= 0:
            return self
        since = int(microseconds_of(self.table["event_at"].slice(first, 1))[0])
        first = rows_before(self.table, since)
        kept = pa.array(range(first, self.table.num_rows), pa.int64())
        return Day(
            packed(self.table.slice(first)),
            {version: column.take(kept) for version, column in self.scores.items()},
            since,
        )


def packed(table: pa.Table) -> pa.Table:
    """Return the same rows in a single piece of memory that holds nothing else.

    The columns of some hundred rows would be dozens of small pieces that last, between others that do not:
    what those leave is too small for most, so that a process would take a fifth more than it uses.
    Of a part of a longer table nothing but the part is kept, however large either is.
    """
    whole = table.combine_chunks()
    pieces = [pa.ipc.read_record_batch(one.serialize(), one.schema) for one in whole.to_batches()]
    return pa.Table.from_batches(pieces, whole.schema)


class Place(NamedTuple):
    """Whose day it is."""

    owner: int
    day: str


class DayMemory:
    """The days in memory, at most ``limit_bytes`` but for what is in use; several threads may ask."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._limit = limit_bytes
        self._lock = threading.RLock()
        self._numbers = count()
        self._recent: OrderedDict[Place, Day] = OrderedDict()
        self._others: OrderedDict[Place, Day] = OrderedDict()
        self._sizes: dict[Place, int] = {}
        self._total = 0
        self._of_owner: Counter[int] = Counter()
        """Bytes of the recent days of each."""

    @property
    def bytes(self) -> int:
        return self._total

    def join(self) -> int:
        """Return a number for a new owner of days."""
        return next(self._numbers)

    def leave(self, owner: int) -> None:
        """Drop all days of an owner."""
        with self._lock:
            for place in [one for one in self._sizes if one.owner == owner]:
                self.drop(place)

    def get(self, place: Place) -> Day | None:
        with self._lock:
            for kept in (self._recent, self._others):
                if place in kept:
                    kept.move_to_end(place)
                    return kept[place]
        return None

    def size(self, place: Place) -> int:
        """Bytes that a day counts for; 0 when it is not kept."""
        return self._sizes.get(place, 0)

    def has_room(self, size: int) -> bool:
        """True when so much of older days could be kept."""
        return sum(self._of_owner.values()) + size <= self._limit

    def put(self, place: Place, day: Day, size: int, *, recent: bool) -> int:
        """Keep a day; return how many bytes its owner is asked to give back of what it has of recent days.

        One that is not recent stays outside unless there is room for it.
        """
        with self._lock:
            self.drop(place)
            if not recent and not self.has_room(size):
                return 0
            (self._recent if recent else self._others)[place] = day
            self._sizes[place] = size
            self._total += size
            if recent:
                self._of_owner[place.owner] += size
            self._make_room(place, self._others)
            excess = self._excess(place.owner)
            if not excess:
                self._make_room(place, self._recent)
            return excess

    def drop(self, place: Place) -> None:
        with self._lock:
            size = self._sizes.pop(place, 0)
            self._total -= size
            if self._recent.pop(place, None) is not None:
                self._of_owner[place.owner] -= size
                if not self._of_owner[place.owner]:
                    del self._of_owner[place.owner]
            self._others.pop(place, None)

    def _make_room(self, wanted: Place, kept: OrderedDict[Place, Day]) -> None:
        while self._total > self._limit:
            oldest = next((one for one in kept if one != wanted), None)
            if oldest is None:
                return
            self.drop(oldest)

    def _excess(self, owner: int) -> int:
        """Bytes that an owner is to give up: those above its share, and an eighth of it, to last a while.

        Owners are asked before all is in use: else one that has less than its share would lose everything.
        """
        if self._total <= 7 * self._limit // 8:
            return 0
        share = max(self._limit // max(len(self._of_owner), 1), LEAST_SHARE)
        has = self._of_owner[owner]
        return has - 7 * share // 8 if has > share else 0


@dataclass(frozen=True, slots=True)
class RowMemory:
    """What row logs share; without a place for files an index stays in memory whole."""

    days: DayMemory = field(default_factory=DayMemory)
    index: IndexMemory | None = None


def row_memory(known: Path, processes: int) -> RowMemory:
    """The part of one of so many processes; what an index cannot keep goes to the folder ``known``."""
    return RowMemory(DayMemory(KEPT_BYTES // processes), IndexMemory(known, INDEX_BYTES // processes))
