"""Profiles of any stretch of panes on any grid, as merges of a tree of panes.

Panes are numbered from 1970. A node of level L is the merge of the 2^L panes from a multiple of 2^L
on; it is made once, when its last pane closes, and kept in the store. A stretch is split at the
number in it that is divisible by the highest power of two: to either side lie nodes whose sizes
fall towards the end, at most two for each power of two. Merges are remembered from the split
outwards, so that a window that moves on by a pane needs one or two new ones, whatever its length.
How a stretch is merged depends on its two ends alone: floats of a profile are the same in every
process, and none is ever subtracted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ctrain.engine.instants import EPOCH
from ctrain.engine.profile_memory import ProfileMemory
from ctrain.stats.profile import Profile, merge

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.ports import Store, Transaction

WINDOWS_REMEMBERED = 4
"""Whole windows, for monitors that look at the same one."""
COLUMN_BYTES = 400
"""Of a column without any count."""


class Stretch(NamedTuple):
    """Panes ``first`` up to but without ``last`` on one grid."""

    grid: str
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    @property
    def level(self) -> int | None:
        """Level of the node that this is; None when it is not one."""
        size = self.size
        return None if size & (size - 1) or self.first % size else size.bit_length() - 1

    @property
    def is_split(self) -> bool:
        """True when it has nodes to both sides of its split point: no other stretch has it as a part."""
        return self.first < split_point(self.first, self.last) < self.last and self.level is None

    def parts(self) -> tuple[Stretch, Stretch]:
        """Two stretches of which this one is the merge; it has at least two panes."""
        middle = self._middle()
        return self._replace(last=middle), self._replace(first=middle)

    def _middle(self) -> int:
        split = split_point(self.first, self.last)
        smallest = self.size & -self.size
        if split == self.first and smallest < self.size:
            return self.last - smallest
        if split == self.last and smallest < self.size:
            return self.first + smallest
        return split if self.first < split < self.last else (self.first + self.last) // 2


def split_point(first: int, last: int) -> int:
    """The number in ``[first, last]`` that is divisible by the highest power of two; ``0 <= first < last``.

    >>> split_point(5, 11), split_point(0, 9), split_point(7, 8)
    (8, 0, 8)
    """
    if first == 0:
        return 0
    zeros = ((first - 1) ^ last).bit_length() - 1
    return last >> zeros << zeros


class _Known(NamedTuple):
    """Panes from ``low`` up to ``high`` have all been counted, and none from ``top`` on."""

    low: int
    high: int
    top: int


class PaneTree:
    """The panes of one policy, as counted so far. Used by one thread at a time."""

    def __init__(
        self, store: Store, policy: PolicyName, pane: timedelta, memory: ProfileMemory | None = None
    ) -> None:
        self._room = memory or ProfileMemory()
        self._room.join(self)
        self._store = store
        self._policy = policy
        self.pane = pane
        self.fresh: dict[Stretch, Profile] = {}
        """Nodes that are not in the store yet."""
        self._memory: OrderedDict[Stretch, tuple[Profile, int]] = OrderedDict()
        self._bytes = 0
        self._grids: set[str] = set()
        """Of what is in memory, and perhaps others."""
        self._asked: dict[Stretch, Profile] = {}
        """Whole windows, for monitors that look at the same one."""
        self._known: dict[str, _Known] = {}

    def number(self, instant: datetime) -> int:
        """Number of the pane that holds the instant."""
        return (instant - EPOCH) // self.pane

    def start_of(self, number: int) -> datetime:
        return EPOCH + self.pane * number

    def merged(self, grid: str, start: datetime, end: datetime) -> Profile:
        """The profile of the rows of ``[start, end)``: starts of panes, all counted on this grid.

        Raises LookupError when there is no such pane, or one that has not been counted.
        """
        key = Stretch(grid, self.number(start), self.number(end))
        found = self._asked.get(key)
        if found is None:
            found = self._profile(key)
            while len(self._asked) >= WINDOWS_REMEMBERED:
                del self._asked[next(iter(self._asked))]
            self._asked[key] = found
        return found

    def rows(self, grid: str, start: datetime, end: datetime) -> dict[datetime, int]:
        """Rows of the counted panes of ``[start, end)``, by their start, in order."""
        with self._store.read() as tx:
            found = dict(tx.pane_rows(self._policy, grid, start, end))
        for key, profile in self.fresh.items():
            if key.grid == grid and key.size == 1 and start <= self.start_of(key.first) < end:
                found[self.start_of(key.first)] = profile.rows
        return dict(sorted(found.items()))

    def missing(self, grid: str, start: datetime, end: datetime) -> list[int]:
        """Numbers of the panes of ``[start, end)`` that have not been counted on this grid, in order."""
        first, last = self.number(start), self.number(end)
        known = self._known.get(grid)
        if known is not None and known.low <= first <= known.high:
            first = known.high
            if first == known.top:
                return list(range(first, last))
        counted = {self.number(one) for one in self.rows(grid, self.start_of(first), end)}
        return [one for one in range(first, last) if one not in counted]

    def add(self, grid: str, number: int, profile: Profile, *, since: datetime, largest: int) -> None:
        """Keep the profile of a pane, and the nodes that it completes, of up to ``largest`` panes.

        Every pane from ``since`` up to this one has been counted.
        """
        first, last = self.number(since), number + 1
        self.fresh[Stretch(grid, number, last)] = profile
        low = self._know(grid, first, last)
        size = 2
        while size <= largest and last % size == 0 and last - size >= low:
            node = Stretch(grid, last - size, last)
            self.fresh[node] = self._merge(node)
            size *= 2

    def known_until(self, grid: str, start: datetime, end: datetime) -> None:
        """Take note that every pane of ``[start, end)`` has been counted on this grid."""
        self._know(grid, self.number(start), self.number(end))

    def _know(self, grid: str, first: int, last: int) -> int:
        known = self._known.get(grid, _Known(first, first, first))
        if not known.low <= first <= known.high:
            known = _Known(first, first, known.top)
        high = max(known.high, last)
        self._known[grid] = _Known(known.low, high, max(known.top, high))
        return known.low

    def save(self, tx: Transaction) -> None:
        """Put into the store what is not there yet; ``saved`` says that it was committed."""
        nodes = [
            (key.grid, self.start_of(key.first), key.size.bit_length() - 1, profile.to_bytes(), profile.rows)
            for key, profile in self.fresh.items()
        ]
        tx.save_panes(self._policy, nodes)

    def saved(self) -> None:
        for key, profile in self.fresh.items():
            self._remember(key, profile)
        self.fresh = {}
        self._asked = {}  # the next pane has windows of its own

    def keep_only(self, grids: Iterable[str]) -> None:
        """Forget what is in memory of other grids."""
        kept = set(grids)
        for grid in self._known.keys() - kept:
            del self._known[grid]
        if self._grids <= kept:
            return
        self._grids &= kept
        for key in [key for key in self._memory if key.grid not in kept]:
            self._bytes -= self._memory.pop(key)[1]

    @property
    def memory_bytes(self) -> int:
        return self._bytes

    def _profile(self, key: Stretch) -> Profile:
        if key.first >= key.last or key.first < 0:
            raise LookupError(f"there are no panes from {key.first} to {key.last}")
        if key in self.fresh:
            return self.fresh[key]
        found = self._memory.get(key)
        if found is not None:
            self._memory.move_to_end(key)
            return found[0]
        profile = self._merge(key) if key.level is None else self._node(key, key.level)
        if not key.is_split:
            self._remember(key, profile)
        return profile

    def _node(self, key: Stretch, level: int) -> Profile:
        """From the store; made of its halves when it was not made when it closed."""
        start = self.start_of(key.first)
        with self._store.read() as tx:
            stored = tx.panes(self._policy, key.grid, start, start + self.pane, level=level)
        if stored:
            return Profile.from_bytes(stored[start])
        if level == 0:
            raise LookupError(f"the pane of {start} has not been counted on {key.grid}")
        self.fresh[key] = self._merge(key)
        return self.fresh[key]

    def _merge(self, key: Stretch) -> Profile:
        return merge([self._profile(part) for part in key.parts()])

    def _remember(self, key: Stretch, profile: Profile) -> None:
        if key in self._memory:
            self._bytes -= self._memory.pop(key)[1]
        kept = profile.narrowed()
        weight = _bytes_of(kept)
        self._grids.add(key.grid)
        self._memory[key] = (kept, weight)
        self._bytes += weight
        while self._bytes > self._room.share and len(self._memory) > 1:
            self._bytes -= self._memory.popitem(last=False)[1][1]


def _bytes_of(profile: Profile) -> int:
    return sum(COLUMN_BYTES + one.cells.nbytes + one.counts.nbytes for one in profile.columns.values())
