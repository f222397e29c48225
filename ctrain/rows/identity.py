"""Which row ids are known, and on which day: ten bytes a row, in sorted runs that grow geometrically.

An id is known by a 64-bit hash of its text. A hash that is found is a candidate, no more: the caller
compares the texts, so a collision costs a look and never a row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.rows.casting import ArrowArray

Hashes = npt.NDArray[np.uint64]
Days = npt.NDArray[np.uint16]
Positions = npt.NDArray[np.intp]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class RowIndex:
    """Days of ids by hash. Adding is amortised logarithmic; a search looks into a handful of runs."""

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, Days]] = []

    def __len__(self) -> int:
        return sum(len(hashes) for hashes, _ in self._runs)

    @property
    def bytes(self) -> int:
        return sum(hashes.nbytes + days.nbytes for hashes, days in self._runs)

    def add(self, hashes: Hashes, days: Days) -> None:
        if not len(hashes):
            return
        self._runs.append(_sorted(hashes, days))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            last, before = self._runs.pop(), self._runs.pop()
            merged = _sorted(np.concatenate([before[0], last[0]]), np.concatenate([before[1], last[1]]))
            self._runs.append(merged)

    def find(self, hashes: Hashes) -> tuple[Positions, Days]:
        """Return candidates: positions in ``hashes`` that are known, each with the day of its row.

        A position occurs once per row with that hash.
        """
        positions: list[Positions] = [np.empty(0, dtype=np.intp)]
        days: list[Days] = [np.empty(0, dtype=np.uint16)]
        for run, run_days in self._runs:
            first = np.searchsorted(run, hashes)
            hit = np.flatnonzero(run[np.minimum(first, len(run) - 1)] == hashes)
            if not len(hit):
                continue
            counts = np.searchsorted(run, hashes[hit], side="right") - first[hit]
            starts = np.repeat(first[hit] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            positions.append(np.repeat(hit, counts))
            days.append(run_days[starts + np.arange(len(starts))])
        return np.concatenate(positions), np.concatenate(days)

    def forget(self, days: Iterable[int]) -> None:
        """Drop the rows of whole days."""
        gone = np.fromiter(days, dtype=np.uint16)
        kept = [(hashes, run_days, ~np.isin(run_days, gone)) for hashes, run_days in self._runs]
        self._runs = [(hashes[keep], run_days[keep]) for hashes, run_days, keep in kept if keep.any()]


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


def _sorted(hashes: Hashes, days: Days) -> tuple[Hashes, Days]:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], days[order]
