"""Sorted runs of hashes on disk: what a row log knows of its ids beyond what may stay in memory.

They are found again from the segments at every start: nothing is flushed, and what a process leaves behind is
deleted by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
DayNumbers = npt.NDArray[np.uint16]
Positions = npt.NDArray[np.intp]

BLOCK = 128
"""Hashes between two that are in memory."""
_BLOCK_BYTES = 8 * BLOCK


class SpilledRun:
    """Hashes in order with their days, in a file; in memory is the first hash of every block."""

    def __init__(self, path: Path, hashes: Hashes, days: DayNumbers) -> None:
        self.path = path
        self._length = len(hashes)
        self._firsts = hashes[::BLOCK].copy()
        padding = np.zeros(-len(hashes) % BLOCK, dtype=np.uint64)
        try:
            with path.open("wb") as file:
                for part in (hashes, padding, days):
                    file.write(np.ascontiguousarray(part).data)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def __len__(self) -> int:
        return self._length

    @property
    def bytes(self) -> int:
        """Memory that the run takes; its hashes lie on disk."""
        return self._firsts.nbytes

    def find(self, hashes: Hashes) -> tuple[Positions, DayNumbers]:
        """Return candidates as ``RowIndex.find`` does."""
        queries, blocks = self._blocks_of(hashes)
        if not len(queries):
            return queries, np.empty(0, dtype=np.uint16)
        wanted, of_query = np.unique(blocks, return_inverse=True)
        with self.path.open("rb", buffering=0) as file:
            descriptor = file.fileno()
            read = b"".join(
                [os.pread(descriptor, _BLOCK_BYTES, at) for at in (wanted * _BLOCK_BYTES).tolist()]
            )
            rows = np.frombuffer(read, dtype=np.uint64).reshape(-1, BLOCK)[of_query]
            asked, column = np.nonzero(rows == hashes[queries, None])
            places = blocks[asked] * BLOCK + column
            there = places < self._length
            asked, places = asked[there], places[there]
            start = len(self._firsts) * _BLOCK_BYTES
            texts = b"".join([os.pread(descriptor, 2, start + 2 * at) for at in places.tolist()])
        return queries[asked], np.frombuffer(texts, dtype=np.uint16)

    def _blocks_of(self, hashes: Hashes) -> tuple[Positions, Positions]:
        """Which hashes may be there, and in which blocks: one that begins a block may end the one before."""
        blocks = np.searchsorted(self._firsts, hashes, side="right") - 1
        queries = np.flatnonzero(blocks >= 0)
        blocks = blocks[queries]
        begins = np.flatnonzero((self._firsts[blocks] == hashes[queries]) & (blocks > 0))
        return np.concatenate([queries, queries[begins]]), np.concatenate([blocks, blocks[begins] - 1])

    def read(self) -> tuple[Hashes, DayNumbers]:
        whole = self.path.read_bytes()
        start = len(self._firsts) * _BLOCK_BYTES
        hashes = np.frombuffer(whole, dtype=np.uint64, count=self._length)
        return hashes, np.frombuffer(whole, dtype=np.uint16, offset=start)

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


class SpillFolder:
    """A folder of this process under ``root``, made when it is first asked for a file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._held: int | None = None
        self._folder: Path | None = None

    def new_file(self) -> Path:
        """Return a path at which nothing is."""
        with self._lock:
            if self._folder is None:
                self._root.mkdir(parents=True, exist_ok=True)
                self._delete_left_behind()
                self._folder = self._begin()
            return self._folder / uuid.uuid4().hex

    def _begin(self) -> Path:
        while True:
            place = self._root / f"{uuid.uuid4().hex}.lock"
            held = _locked(place)
            if held is not None:
                self._held = held
                folder = place.with_suffix("")
                folder.mkdir()
                return folder

    def _delete_left_behind(self) -> None:
        for place in self._left_behind():
            shutil.rmtree(place.with_suffix(""), ignore_errors=True)
            place.unlink(missing_ok=True)

    def _left_behind(self) -> Iterator[Path]:
        for place in list(self._root.glob("*.lock")):
            held = _locked(place)
            if held is not None:
                yield place
                os.close(held)


def _locked(place: Path) -> int | None:
    """A descriptor that holds a lock file until its process ends; None: somebody else does, or deletes it."""
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
