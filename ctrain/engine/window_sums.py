"""Sums over windows of panes: a window that moves on by a pane costs a few additions, however long it is.

Stretches are split as those of profiles are, and the sums used last are remembered. Nothing is ever
subtracted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ctrain.engine.pane_tree import Stretch

Amount = TypeVar("Amount")

MOST_SUMS = 2_000
"""Remembered at a time; others are made again of their parts."""


class WindowSums(Generic[Amount]):
    """What is known of closed panes, by their number; a pane without anything need not be there."""

    def __init__(self, add: Callable[[Amount, Amount], Amount]) -> None:
        self._add = add
        self._panes: dict[int, Amount] = {}
        self._sums: OrderedDict[Stretch, Amount | None] = OrderedDict()
        self._low = self._high = 0

    def missing(self, first: int, last: int) -> range:
        """Return the panes of ``first`` up to ``last`` that have not been put in, and forget those before.

        Windows only move on: what lies behind the last one is in, or nothing is.
        """
        if not self._low <= first <= self._high:
            self._panes.clear()
            self._sums.clear()
            self._low = self._high = first
        for number in [one for one in self._panes if one < first]:
            del self._panes[number]
        self._low = first
        return range(self._high, max(last, self._high))

    def put(self, panes: Iterable[tuple[int, Amount]], last: int) -> None:
        """Take in panes that were missing; everything before ``last`` is known then."""
        self._panes.update(panes)
        self._high = max(self._high, last)

    def total(self, first: int, last: int) -> Amount | None:
        """Return the sum of the panes from ``first`` up to ``last``; None when there is nothing in them."""
        if last - first <= 1:
            return self._panes.get(first) if first < last else None
        key = Stretch("", first, last)
        if key in self._sums:
            self._sums.move_to_end(key)
            return self._sums[key]
        one, other = (self.total(part.first, part.last) for part in key.parts())
        whole = other if one is None else one if other is None else self._add(one, other)
        self._sums[key] = whole
        if len(self._sums) > MOST_SUMS:
            self._sums.popitem(last=False)
        return whole
