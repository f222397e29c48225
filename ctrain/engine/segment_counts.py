"""Rows of closed panes by the value of a column, with what is wrong with them.

Each pane is read from the row log once and remembered, together with what was counted as its rows
arrived; a window is the sum of its panes. What cannot be remembered across a restart is read again: a
closed pane never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.engine.arrivals import READ_AT_ONCE, outside
from ctrain.engine.instants import EPOCH, MICROSECOND
from ctrain.engine.segment_arrivals import amounts_by_segment
from ctrain.engine.window_sums import WindowSums
from ctrain.stats.grid import CategoricalGrid
from ctrain.stats.profile import event_microseconds
from ctrain.stats.segments import NULL, OTHER

if TYPE_CHECKING:
    from ctrain.domain import Json
    from ctrain.policy.monitors import Between
    from ctrain.ports import RowLog
    from ctrain.stats.reference import Reference


Amounts = npt.NDArray[Any]
"""By segment; the others together come last. Numbers of rows, or lowest and highest values."""
Arrivals = Callable[[datetime, datetime], Mapping[datetime, "Json"]]
"""How the rows of the panes of a stretch arrived."""


@dataclass(frozen=True)
class Segments:
    """What is counted: rows by the values of a column, and what is wrong with values of features."""

    by: str
    values: tuple[str, ...]
    features: tuple[str, ...] = ()
    ranges: Mapping[str, Between] = field(default_factory=dict)
    categories: Mapping[str, CategoricalGrid] = field(default_factory=dict)
    spreads: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """Features whose lowest and highest value are known; those of texts are places in these categories."""
    with_arrivals: bool = False
    """Type errors, missing columns and repeated ids are counted, too."""

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

    def values_to_spread(self, rows: pa.Table) -> dict[str, npt.NDArray[np.float64]]:
        """The values of the features whose spread is known, as numbers; NaN where there is none."""
        found = {}
        for name, categories in self.spreads.items():
            column: Any = rows[name]
            if categories is not None:
                places: Any = pc.index_in(column, value_set=pa.array(categories, pa.string()))
                column = pc.if_else(column.is_valid(), places.fill_null(len(categories)), None)
            found[name] = np.asarray(column.to_numpy(), dtype=np.float64)
        return found


Key = tuple[str, str]
"""Kind of count, and its feature; that of rows has none."""
Counted = dict[Key, Amounts]
ROWS: Key = ("rows", "")
DUPLICATES: Key = ("duplicates", "")
UNCOUNTED: Key = ("uncounted", "")
"""Rows of panes where it is not known how all rows arrived."""
LOWEST, HIGHEST = "lowest", "highest"
EXTREMES = {LOWEST: np.fmin, HIGHEST: np.fmax}
"""What is not added up; no value is NaN."""


class PaneSegments:
    """The counts of one monitor's panes."""

    def __init__(self, segments: Segments, pane: timedelta) -> None:
        self.segments = segments
        self.pane = pane
        self._sums: WindowSums[Counted] = WindowSums(_added)

    def load(self, row_log: RowLog, arrivals: Arrivals, start: datetime, end: datetime) -> None:
        """Have the panes of ``[start, end)``, and forget those before."""
        missing = self._sums.missing(self._number(start), self._number(end))
        step = max(READ_AT_ONCE // self.pane, 1)
        for first in missing[::step]:
            last = min(first + step, missing.stop)
            panes = dict(self._count(row_log, first, last))
            if self.segments.with_arrivals:
                self._add_arrivals(panes, arrivals(self._start(first), self._start(last)))
            self._sums.put(panes.items(), last)

    def window(self, start: datetime, end: datetime, chosen: Sequence[str]) -> dict[str, dict[Key, int]]:
        """The counts of ``[start, end)``, which has been loaded, by segment; the others come last."""
        counted = {key: one for key, one in self._total(start, end).items() if key[0] not in EXTREMES}
        return {
            name: {key: int(one[places].sum()) for key, one in counted.items()}
            for name, places in self._places(chosen).items()
        }

    def spreads(
        self, start: datetime, end: datetime, chosen: Sequence[str]
    ) -> dict[str, dict[str, tuple[float, float]]]:
        """Lowest and highest value of each feature in ``[start, end)``, by segment; NaN without values."""
        known = self._total(start, end)
        features = [name for kind, name in known if kind == LOWEST]
        return {
            segment: {
                name: (
                    float(np.fmin.reduce(known[LOWEST, name][places])),
                    float(np.fmax.reduce(known[HIGHEST, name][places])),
                )
                for name in features
            }
            for segment, places in self._places(chosen).items()
        }

    def _total(self, start: datetime, end: datetime) -> Counted:
        nothing: Counted = {ROWS: np.zeros(len(self.segments.names), dtype=np.int64)}
        return {**nothing, **(self._sums.total(self._number(start), self._number(end)) or {})}

    def _places(self, chosen: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
        """Where the amounts of each segment stand; those of the others are all that remain."""
        named = {name: np.array([self.segments.values.index(name)]) for name in chosen}
        taken = [int(one[0]) for one in named.values()]
        return {**named, OTHER: np.setdiff1d(np.arange(len(self.segments.names)), taken)}

    def covers(self, wanted: Segments, pane: timedelta) -> bool:
        """True when everything that is wanted is counted here."""
        known = set(self.segments.values) >= set(wanted.values)
        return known and self.pane == pane and replace(self.segments, values=wanted.values) == wanted

    def _count(self, row_log: RowLog, first: int, last: int) -> Iterator[tuple[int, Counted]]:
        rows = row_log.read(self._start(first), self._start(last), include_late=False)
        pane = event_microseconds(rows) // (self.pane // MICROSECOND)
        codes, marks = self.segments.codes(rows), self.segments.marks(rows)
        values = self.segments.values_to_spread(rows)
        width = len(self.segments.names)
        numbers, begins = np.unique(pane, return_index=True)
        for number, (begin, stop) in zip(numbers, pairwise([*begins, len(pane)]), strict=True):
            here = codes[begin:stop]
            counted = {
                key: np.bincount(here[mask[begin:stop]], minlength=width) for key, mask in marks.items()
            }
            kept = {key: amounts for key, amounts in counted.items() if amounts.any()}
            for name, all_values in values.items():
                for kind, extreme in EXTREMES.items():
                    kept[kind, name] = np.full(width, np.nan)
                    extreme.at(kept[kind, name], here, all_values[begin:stop])
            yield int(number), {ROWS: np.bincount(here, minlength=width), **kept}

    def _add_arrivals(self, panes: dict[int, Counted], arrivals: Mapping[datetime, Json]) -> None:
        """Put what was counted on arrival beside what the row log says."""
        of_pane = {self._number(at): one.get("by", {}).get(self.segments.by) for at, one in arrivals.items()}
        for number in sorted(panes.keys() | of_pane.keys()):
            counts, rows = of_pane.get(number) or {}, panes.get(number, {}).get(ROWS)
            known = amounts_by_segment(counts, self.segments.values)
            if rows is not None and counts.get("rows", 0) < rows.sum():
                known[UNCOUNTED] = rows
            if known:
                panes[number] = {**panes.get(number, {}), **known}

    def _number(self, instant: datetime) -> int:
        return (instant - EPOCH) // self.pane

    def _start(self, number: int) -> datetime:
        return EPOCH + self.pane * number


def _added(one: Counted, other: Counted) -> Counted:
    both = {key: EXTREMES.get(key[0], np.add)(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}


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
