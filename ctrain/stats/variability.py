"""How much windows inside a reference differ from the rest of it.

The distance between any window inside a reference and its rest tells what distance a window may have
for no other reason than the hour, the weekday or the weather.

References
----------
The idea of judging a distance by those between parts of the reference is the block permutation of
Politis, Romano, Wolf (1999). Subsampling. Springer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ctrain.stats.catalogue import TwoSampleTest, distance_for
from ctrain.stats.column_grid import narrow
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats
from ctrain.stats.counting import MICROSECOND
from ctrain.stats.distance import Distance
from ctrain.stats.grid import ColumnGrid, Counts, Grid
from ctrain.stats.profile import Profile, merge

MOST_WINDOWS = 1000
FEWEST_WINDOWS = 3
_CELLS_AT_ONCE = 1 << 17
"""Counts that are laid out at a time: what the caches of a processor hold."""


@dataclass(frozen=True, slots=True, eq=False)
class PaneCounts:
    """Counts of one column pane by pane: pane ``i`` occupies ``bounds[i]:bounds[i + 1]``."""

    nulls: Counts
    bounds: Counts
    cells: Counts
    counts: Counts

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", narrow(self.cells))
        object.__setattr__(self, "counts", narrow(self.counts))

    @classmethod
    def of(cls, profiles: Sequence[ColumnProfile]) -> PaneCounts:
        none = np.zeros(0, dtype=np.int64)
        sizes = [len(found.cells) for found in profiles]
        return cls(
            nulls=np.array([found.nulls for found in profiles], dtype=np.int64),
            bounds=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            cells=np.concatenate([none, *(found.cells for found in profiles)]),
            counts=np.concatenate([none, *(found.counts for found in profiles)]),
        )


@dataclass(frozen=True, slots=True)
class Variability:
    """The largest effects that windows inside a reference have against the rest of it.

    Effects are None where fewer than three disjoint windows fit: then nothing is known.
    """

    windows: int
    effects: Mapping[str, float | None]
    nulls: Mapping[str, float | None]

    def with_columns(self, other: Variability) -> Variability:
        """Return these and the columns of another, which come from other rows."""
        return Variability(self.windows, {**self.effects, **other.effects}, {**self.nulls, **other.nulls})


Spans = NDArray[np.int64]
"""First and last pane (exclusive) of windows, ascending."""


def spans_of(starts: Counts, pane_rows: Counts, pane: timedelta, window: timedelta, min_rows: int) -> Spans:
    """Return the windows that fit: they end at every pane, and grow back until they have ``min_rows``."""
    length = window // MICROSECOND
    if len(starts) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    ends = starts + pane // MICROSECOND
    so_far = np.concatenate([[0], np.cumsum(pane_rows)])
    last = np.arange(1, len(starts) + 1)
    by_time = np.searchsorted(starts, ends - length)
    by_rows = np.searchsorted(so_far, so_far[1:] - min_rows, side="right") - 1
    fits = (ends - length >= starts[0]) & (by_rows >= 0)
    spans: Spans = np.stack([np.minimum(by_time, by_rows), last], axis=1)[fits]
    return spans


def variability_within(
    grid: Grid,
    whole: Profile,
    panes: Mapping[str, PaneCounts],
    pane_rows: Counts,
    spans: Spans,
    test: TwoSampleTest,
) -> Variability:
    """Return the largest effect of each column between a window of ``spans`` and its rest.

    Of more than 1,000 windows as many are taken, evenly spaced.
    """
    if _disjoint(spans) < FEWEST_WINDOWS:
        unknown: dict[str, float | None] = dict.fromkeys(panes)
        return Variability(0, unknown, unknown)
    kept = spans[:: -(-len(spans) // MOST_WINDOWS)]
    return Variability(
        windows=len(kept),
        effects={
            name: _largest_effect(grid.columns[name], whole.columns[name], counts, kept, test)
            for name, counts in panes.items()
        },
        nulls={name: _largest_null_effect(counts, pane_rows, kept) for name, counts in panes.items()},
    )


def variability_between(profiles: Sequence[Profile], grid: Grid, test: TwoSampleTest = "ks") -> Variability:
    """Return the largest effect of each column between one of ``profiles`` and all others together.

    For windows that do not follow on each other, such as the same hours of several weeks; they do not
    overlap, and each has at least one row.

    >>> import pyarrow as pa
    >>> from ctrain.stats.grid import build_grid
    >>> from ctrain.stats.profile import profile_table
    >>> weeks = [pa.table({"x": [0.0] * ones + [1.0] * (4 - ones)}) for ones in (2, 2, 3)]
    >>> grid = build_grid(pa.concat_tables(weeks), ["x"], [])
    >>> variability_between([profile_table(week, grid) for week in weeks], grid).effects
    {'x': 0.25}
    """
    parts = [one for one in profiles if one.rows]
    columns = list(grid.columns)
    if len(parts) < FEWEST_WINDOWS:
        unknown: dict[str, float | None] = dict.fromkeys(columns)
        return Variability(0, unknown, unknown)
    alone = np.arange(len(parts))
    spans = np.stack([alone, alone + 1], axis=1)
    panes = {name: PaneCounts.of([one.columns[name] for one in parts]) for name in columns}
    rows = np.array([one.rows for one in parts], dtype=np.int64)
    return variability_within(grid, merge(parts), panes, rows, spans, test)


def _disjoint(spans: Spans) -> int:
    """Return how many windows lie side by side without overlap."""
    number, free_from = 0, 0
    for first, last in spans.tolist():
        if first >= free_from:
            number, free_from = number + 1, last
    return number


def _largest_effect(
    grid: ColumnGrid, whole: ColumnProfile, panes: PaneCounts, spans: Spans, test: TwoSampleTest
) -> float | None:
    if not whole.values:
        return None
    distance = distance_for(test, grid, whole)
    largest = None
    for inside, rest in _windows(grid, whole, panes, spans, distance):
        usable = inside.any(axis=1) & rest.any(axis=1)
        pair = (rest, inside) if usable.all() else (rest[usable], inside[usable])
        if usable.any():
            largest = max(largest or 0.0, float(distance.between(*pair).max()))
    return largest


def _windows(
    grid: ColumnGrid, whole: ColumnProfile, panes: PaneCounts, spans: Spans, distance: Distance
) -> Iterator[tuple[Counts, Counts]]:
    """Yield the counts of some windows, and of what the reference holds beside each."""
    places = distance.places
    cells = panes.cells if places is None else places[panes.cells]
    width = grid.cells if places is None else int(places.max()) + 1
    everything = np.bincount(
        whole.cells if places is None else places[whole.cells], whole.counts, width
    ).astype(np.int64)
    step = max(1, _CELLS_AT_ONCE // (2 * width))
    for place in range(0, len(spans), step):
        part = spans[place : place + step]
        inside = _counts_of(part, panes, cells, width)
        yield inside, everything - inside


def _counts_of(spans: Spans, panes: PaneCounts, cells: Counts, width: int) -> Counts:
    """Return the counts of each window: sums of the stretches between neighbouring borders."""
    borders, place = np.unique(spans, return_inverse=True)
    place = place.reshape(spans.shape)
    offsets = panes.bounds[borders]
    entries = slice(offsets[0], offsets[-1])
    stretch = np.repeat(np.arange(len(borders) - 1), np.diff(offsets))
    summed = np.bincount(
        stretch * width + cells[entries], panes.counts[entries], (len(borders) - 1) * width
    ).reshape(len(borders) - 1, width)
    so_far = np.zeros((len(borders), width))
    np.cumsum(summed, axis=0, out=so_far[1:])
    # counts are whole numbers far below 2**53, so that sums of floats are exact
    found: Floats = so_far[place[:, 1]] - so_far[place[:, 0]]
    return found.astype(np.int64)


def _largest_null_effect(panes: PaneCounts, pane_rows: Counts, spans: Spans) -> float | None:
    rows = np.concatenate([[0], np.cumsum(pane_rows)])
    nulls = np.concatenate([[0], np.cumsum(panes.nulls)])
    rows_inside = rows[spans[:, 1]] - rows[spans[:, 0]]
    nulls_inside = nulls[spans[:, 1]] - nulls[spans[:, 0]]
    rows_rest, nulls_rest = rows[-1] - rows_inside, nulls[-1] - nulls_inside
    usable = (rows_inside > 0) & (rows_rest > 0)
    if not usable.any():
        return None
    difference = nulls_inside[usable] / rows_inside[usable] - nulls_rest[usable] / rows_rest[usable]
    return float(np.abs(difference).max())
