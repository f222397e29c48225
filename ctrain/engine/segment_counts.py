"""Rows of closed panes by the value of a column, with what is wrong with them.

Each pane is read from the row log once and remembered; a window is the sum of its panes. What cannot
be remembered across a restart is read again: a closed pane never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.engine.arrivals import outside
from ctrain.engine.window_sums import WindowSums
from ctrain.stats.grid import CategoricalGrid
from ctrain.stats.profile import EPOCH, event_microseconds
from ctrain.stats.segments import NULL, OTHER

if TYPE_CHECKING:
    from ctrain.policy.monitors import Between
    from ctrain.ports import RowLog
    from ctrain.stats.reference import Reference

READ_AT_ONCE = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

Amounts = npt.NDArray[np.int64]
"""By segment; the others together come last."""


@dataclass(frozen=True)
class Segments:
    """What is counted: rows by the values of a column, and what is wrong with values of features."""

    by: str
    values: tuple[str, ...]
    features: tuple[str, ...] = ()
    ranges: Mapping[str, Between] = field(default_factory=dict)
    categories: Mapping[str, CategoricalGrid] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """How the segments are shown, those of ``values`` and the rest."""
        return (*self.values, OTHER)

    def codes(self, rows: pa.Table) -> Amounts:
        """The segment of each row."""
        by: Any = rows[self.by]
        found: Any = pc.index_in(by.fill_null(NULL), value_set=pa.array(self.values, pa.string()))
        return np.asarray(found.fill_null(len(self.values)).to_numpy(), dtype=np.int64)

    def marks(self, rows: pa.Table) -> dict[tuple[str, str], npt.NDArray[np.bool_]]:
        """Which rows have something wrong, by kind of count and feature."""
        found = {}
        for name in self.features:
            null = np.asarray(rows[name].is_null().to_numpy(), dtype=np.bool_)
            found["nulls", name] = null
            if name in self.ranges:
                found["outside", name] = outside(rows[name], self.ranges[name])
            if name in self.categories:
                grid = self.categories[name]
                known: Any = pc.is_in(rows[name], value_set=pa.array(grid.categories, pa.string()))
                found["unseen", name] = ~np.asarray(known.to_numpy(), dtype=np.bool_) & ~null
        return found


Counted = dict[tuple[str, str], Amounts]
"""By kind of count and feature; ``rows`` has no feature."""
ROWS = ("rows", "")


class PaneSegments:
    """The counts of one monitor's panes."""

    def __init__(self, segments: Segments, pane: timedelta) -> None:
        self.segments = segments
        self.pane = pane
        self._sums: WindowSums[Counted] = WindowSums(_added)

    def load(self, row_log: RowLog, start: datetime, end: datetime) -> None:
        """Have the panes of ``[start, end)``, and forget those before."""
        missing = self._sums.missing(self._number(start), self._number(end))
        step = max(READ_AT_ONCE // self.pane, 1)
        for first in missing[::step]:
            last = min(first + step, missing.stop)
            self._sums.put(self._count(row_log, first, last), last)

    def window(
        self, start: datetime, end: datetime, chosen: Sequence[str]
    ) -> dict[str, dict[tuple[str, str], int]]:
        """The counts of ``[start, end)``, which has been loaded, by segment; the others come last."""
        nothing: Counted = {ROWS: np.zeros(len(self.segments.names), dtype=np.int64)}
        counted = self._sums.total(self._number(start), self._number(end)) or nothing
        places = {name: self.segments.values.index(name) for name in chosen}
        rest = np.setdiff1d(np.arange(len(self.segments.names)), list(places.values()))
        found = {name: {key: int(one[at]) for key, one in counted.items()} for name, at in places.items()}
        return {**found, OTHER: {key: int(one[rest].sum()) for key, one in counted.items()}}

    def covers(self, wanted: Segments, pane: timedelta) -> bool:
        """True when everything that is wanted is counted here."""
        known = set(self.segments.values) >= set(wanted.values)
        return known and self.pane == pane and replace(self.segments, values=wanted.values) == wanted

    def _count(self, row_log: RowLog, first: int, last: int) -> Iterator[tuple[int, Counted]]:
        rows = row_log.read(self._start(first), self._start(last), include_late=False)
        pane = event_microseconds(rows) // (self.pane // MICROSECOND)
        codes, marks = self.segments.codes(rows), self.segments.marks(rows)
        width = len(self.segments.names)
        numbers, begins = np.unique(pane, return_index=True)
        for number, begin, stop in zip(numbers, begins, [*begins[1:], len(pane)], strict=True):
            here = codes[begin:stop]
            counted = {
                key: np.bincount(here[mask[begin:stop]], minlength=width) for key, mask in marks.items()
            }
            kept = {key: amounts for key, amounts in counted.items() if amounts.any()}
            yield int(number), {ROWS: np.bincount(here, minlength=width), **kept}

    def _number(self, instant: datetime) -> int:
        return (instant - EPOCH) // self.pane

    def _start(self, number: int) -> datetime:
        return EPOCH + self.pane * number


def _added(one: Counted, other: Counted) -> Counted:
    return {**one, **{key: one[key] + part if key in one else part for key, part in other.items()}}


def frequent_values(
    reference: Reference | None, by: str, most: int, fallback: Sequence[str]
) -> tuple[str, ...]:
    """The most frequent values of a column in a reference; without one, or its column, ``fallback``."""
    grid = None if reference is None else reference.grid.columns.get(by)
    if reference is None or not isinstance(grid, CategoricalGrid):
        return tuple(fallback)
    column = reference.profile.columns[by]
    counts = dict(zip(grid.categories, column.distribution(grid).tolist(), strict=False))
    counts[NULL] = counts.get(NULL, 0) + column.nulls
    ranked = sorted(counts, key=lambda one: (-counts[one], one))
    return tuple(one for one in ranked[:most] if counts[one])
