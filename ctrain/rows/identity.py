"""Which row ids are known, and on which day: ten bytes a row, in sorted runs that grow geometrically.

An id is known by a 64-bit hash of its text. A hash that is found is a candidate, no more: the caller
compares the texts, so a collision costs a look and never a row.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from ctrain.rows.casting import ArrowArray
from ctrain.rows.spill import DayNumbers as Days
from ctrain.rows.spill import Hashes, Positions, SpilledRun, SpillFolder

INDEX_BYTES = 32 * 2**20
LEAST_SPILL_BYTES = 40_960
"""So much an index may keep in memory however short that is."""
SMALL_RUN = 65_536
"""Runs on the disk below this length are always put together: each is a search of its own."""

_SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class IndexMemory:
    """What the indexes of all row logs may keep in memory; several threads may ask."""

    def __init__(self, folder: Path, limit_bytes: int = INDEX_BYTES) -> None:
        self.files = SpillFolder(folder)
        self._limit = limit_bytes
        self._lock = threading.RLock()
        self._numbers = count()
        self._of_owner: dict[int, int] = {}
        self._total = 0

    @property
    def bytes(self) -> int:
        return self._total

    @property
    def is_short(self) -> bool:
        return self._total > self._limit

    def join(self) -> int:
        """Return a number for a new owner."""
        return next(self._numbers)

    def tell(self, owner: int, size: int) -> None:
        """Take note of how many bytes an owner has in memory."""
        with self._lock:
            self._total += size - self._of_owner.pop(owner, 0)
            if size:
                self._of_owner[owner] = size


class RowIndex:
    """Days of ids by hash. Adding is amortised logarithmic; a search looks into a handful of runs.

    While the memory that indexes share is short, what comes to an index goes on to the disk.
    """

    def __init__(self, memory: IndexMemory | None = None) -> None:
        self._runs: list[tuple[Hashes, Days]] = []
        self._spilled: list[SpilledRun] = []
        """Largest first."""
        self._memory = memory
        if memory is not None:
            self._owner = memory.join()
            weakref.finalize(self, _leave, memory, self._owner, self._spilled, os.getpid())

    def __len__(self) -> int:
        return sum(len(hashes) for hashes, _ in self._runs) + sum(map(len, self._spilled))

    @property
    def bytes(self) -> int:
        """Memory that the index takes, without the runs that lie on disk."""
        return _bytes(self._runs) + sum(run.bytes for run in self._spilled)

    @property
    def is_there(self) -> bool:
        """False when somebody has deleted a file of it."""
        return all(run.path.exists() for run in self._spilled)

    @property
    def spills(self) -> bool:
        """True when a part is on the disk."""
        return bool(self._spilled)

    def add(self, hashes: Hashes, days: Days) -> None:
        if not len(hashes):
            return
        self._runs.append(_sorted(hashes, days))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(_merged([before, last]))
        self._tell()
        if self._memory is not None and self._memory.is_short and _bytes(self._runs) >= LEAST_SPILL_BYTES:
            self._spill(self._memory.files)

    def _spill(self, files: SpillFolder) -> None:
        """Put what is in memory on the disk; it stays where it is while nothing can be written there."""
        run, taken = _merged(self._runs), 0
        while taken < len(self._spilled) and self._takes_in(len(run[0]), self._spilled[-1 - taken]):
            taken += 1
            run = _merged([self._spilled[-taken].read(), run])
        try:
            written = SpilledRun(files.new_file(), *run)
        except OSError:
            return
        for old in self._spilled[len(self._spilled) - taken :]:
            old.delete()
        self._spilled[len(self._spilled) - taken :] = [written]
        self._runs = []
        self._tell()

    def _takes_in(self, length: int, before: SpilledRun) -> bool:
        """Whether a run of this length is put together with the one before: small ones always are."""
        return len(before) < SMALL_RUN or len(before) <= 2 * length

    def _tell(self) -> None:
        if self._memory is not None:
            self._memory.tell(self._owner, self.bytes)

    def find(self, hashes: Hashes) -> tuple[Positions, Days]:
        """Return candidates in memory: positions in ``hashes`` that are known, each with the day of its row.

        A position occurs once per row with that hash.
        """
        positions: list[Positions] = [np.empty(0, dtype=np.intp)]
        days: list[Days] = [np.empty(0, dtype=np.uint16)]
        order = np.argsort(hashes)
        hashes = hashes[order]  # neighbours are found near each other, in the processor's cache
        for run, run_days in self._runs:
            first = np.searchsorted(run, hashes)
            hit = np.flatnonzero(run[np.minimum(first, len(run) - 1)] == hashes)
            if not len(hit):
                continue
            counts = np.searchsorted(run, hashes[hit], side="right") - first[hit]
            starts = np.repeat(first[hit] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            positions.append(order[np.repeat(hit, counts)])
            days.append(run_days[starts + np.arange(len(starts))])
        return np.concatenate(positions), np.concatenate(days)

    def find_spilled(self, hashes: Hashes) -> tuple[Positions, Days]:
        """Return the candidates on the disk."""
        found = [run.find(hashes) for run in self._spilled]
        if not found:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint16)
        return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])

    def forget(self, days: Iterable[int]) -> None:
        """Drop the rows of whole days."""
        gone = np.fromiter(days, dtype=np.uint16)
        self._runs = [run for run in (_without(one, gone) for one in self._runs) if len(run[0])]
        if self._memory is not None:
            with suppress(OSError):  # what is not forgotten is a candidate that nobody confirms
                self._spilled[:] = list(self._spilled_without(gone, self._memory.files))
        self._tell()

    def _spilled_without(self, gone: Days, files: SpillFolder) -> Iterator[SpilledRun]:
        for old in self._spilled:
            run = old.read()
            kept = _without(run, gone)
            if len(kept[0]) == len(run[0]):
                yield old
                continue
            if len(kept[0]):
                yield SpilledRun(files.new_file(), *kept)
            old.delete()


def hash_ids(ids: ArrowArray) -> Hashes:
    """Return 64-bit hashes of texts without nulls; the same text has the same hash on every machine."""
    ids = ids.cast(pa.string())
    count = len(ids)
    if count == 0:
        return np.empty(0, dtype=np.uint64)
    _, offset_buffer, data = ids.buffers()
    offsets = np.frombuffer(memoryview(offset_buffer), dtype=np.int32).astype(np.int64)
    offsets = offsets[ids.offset : ids.offset + count + 1]
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    text = np.zeros(int(offsets[-1] - offsets[0]) + 8, dtype=np.uint8)
    if data is not None:
        text[:-8] = np.frombuffer(memoryview(data), dtype=np.uint8)[offsets[0] : offsets[-1]]
    words = np.ndarray((len(text) - 7,), dtype="<u8", buffer=text, strides=(1,))
    hashes = _mix(lengths.astype(np.uint64) + _SEED)
    for step in range(0, int(lengths.max(initial=0)), 8):
        active = np.flatnonzero(lengths > step)
        unused = np.maximum(8 - (lengths[active] - step), 0).astype(np.uint64) * np.uint64(8)
        word = words[starts[active] + step] << unused
        hashes[active] = _mix((hashes[active] ^ word) * _FIRST + _SEED)
    return hashes


def _mix(values: Hashes) -> Hashes:
    """Return the values stirred as splitmix64 does (Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def _merged(runs: list[tuple[Hashes, Days]]) -> tuple[Hashes, Days]:
    if len(runs) == 1:
        return runs[0]
    return _sorted(np.concatenate([one for one, _ in runs]), np.concatenate([one for _, one in runs]))


def _without(run: tuple[Hashes, Days], gone: Days) -> tuple[Hashes, Days]:
    keep = ~np.isin(run[1], gone)
    return run[0][keep], run[1][keep]


def _bytes(runs: list[tuple[Hashes, Days]]) -> int:
    return sum(hashes.nbytes + days.nbytes for hashes, days in runs)


def _leave(memory: IndexMemory, owner: int, spilled: list[SpilledRun], process_id: int) -> None:
    """Delete the runs of an index that nobody has any more; those of a fork's parent are the parent's."""
    if os.getpid() != process_id:
        return
    memory.tell(owner, 0)
    for run in spilled:
        run.delete()


def _sorted(hashes: Hashes, days: Days) -> tuple[Hashes, Days]:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], days[order]
