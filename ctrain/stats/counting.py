"""Counting rows into cells, for all groups of rows (panes) in one pass over a column."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats
from ctrain.stats.grid import CategoricalGrid, Counts, NumericGrid

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Groups:
    """Rows in groups: ``order`` brings rows of a group together, ``of_row`` is then ascending."""

    order: Counts | None
    of_row: Counts
    starts: Counts

    @classmethod
    def single(cls, rows: int) -> Groups:
        return cls(None, np.zeros(rows, dtype=np.int64), np.zeros(1, dtype=np.int64))

    @classmethod
    def by_pane(cls, moments: Counts, pane: timedelta) -> tuple[Counts, Groups]:
        """Return the start of each occupied pane and the groups."""
        length = pane // MICROSECOND
        index = moments // length
        ascending = bool(np.all(index[1:] >= index[:-1]))
        order = None if ascending else np.argsort(index, kind="stable")
        panes, starts, of_row = np.unique(
            index if order is None else index[order], return_index=True, return_inverse=True
        )
        return panes * length, cls(order, of_row, starts)

    @property
    def number(self) -> int:
        return len(self.starts)

    def sizes(self) -> Counts:
        return np.diff(self.starts, append=len(self.of_row))

    def tally(self, flags: NDArray[np.bool_]) -> list[int]:
        """Return how many flags are set in each group."""
        return [int(amount) for amount in np.bincount(self.of_row[flags], minlength=self.number)]


def profile_numeric(values: Floats, grid: NumericGrid, groups: Groups) -> list[ColumnProfile]:
    null = np.isnan(values)
    sparse = _count_cells(grid.locate(values[~null]), groups.of_row[~null], grid.cells, groups.number)
    moments = _moments(values, grid, groups)
    tallies = zip(
        groups.sizes().tolist(),
        groups.tally(null),
        groups.tally(values == -np.inf),
        groups.tally(values == np.inf),
        strict=True,
    )
    return [
        ColumnProfile(rows, nulls, negative, positive, 0, cells, counts, *part)
        for (rows, nulls, negative, positive), (cells, counts), part in zip(
            tallies, sparse, moments, strict=True
        )
    ]


def profile_categorical(cells: Counts, grid: CategoricalGrid, groups: Groups) -> list[ColumnProfile]:
    null = cells < 0
    sparse = _count_cells(cells[~null], groups.of_row[~null], grid.cells, groups.number)
    unseen = cells == len(grid.categories) if grid.complete else np.zeros(len(cells), dtype=bool)
    tallies = zip(groups.sizes().tolist(), groups.tally(null), groups.tally(unseen), strict=True)
    return [
        ColumnProfile(rows, nulls, 0, 0, outside, *counts)
        for (rows, nulls, outside), counts in zip(tallies, sparse, strict=True)
    ]


def _count_cells(cells: Counts, of_row: Counts, width: int, number: int) -> list[tuple[Counts, Counts]]:
    """Return occupied cells and their counts for each group."""
    keys, counts = np.unique(of_row * width + cells, return_counts=True)
    bounds = np.searchsorted(keys, np.arange(number + 1) * width)
    occupied = keys % width
    return [
        (occupied[start:end].copy(), counts[start:end].astype(np.int64))
        for start, end in itertools.pairwise(bounds)
    ]


_Moments = tuple[float, float, float | None, float | None, float, float]


def _moments(values: Floats, grid: NumericGrid, groups: Groups) -> list[_Moments]:
    """Return mean, squared deviations, extremes and end-cell sums of the finite values."""
    finite = np.isfinite(values)
    x, of_row, number = values[finite], groups.of_row[finite], groups.number
    amounts = np.bincount(of_row, minlength=number)
    safe = np.maximum(amounts, 1)
    lowest, highest = np.full(number, np.inf), np.full(number, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.bincount(of_row, x, number) / safe
        means += np.bincount(of_row, x - means[of_row], number) / safe
        squares = np.bincount(of_row, (x - means[of_row]) ** 2, number)
        below, above = _end_sums(x, of_row, grid, number)
    np.minimum.at(lowest, of_row, x)
    np.maximum.at(highest, of_row, x)
    extremes = [
        (low, high) if amount else (None, None)
        for amount, low, high in zip(amounts, lowest.tolist(), highest.tolist(), strict=True)
    ]
    return [
        (mean, square, *ends, *sums)
        for mean, square, ends, *sums in zip(
            means.tolist(), squares.tolist(), extremes, below, above, strict=True
        )
    ]


def _end_sums(x: Floats, of_row: Counts, grid: NumericGrid, number: int) -> tuple[list[float], list[float]]:
    """Return for each group the sums of the values before the first and after the last grid value."""
    if not grid.values:
        return [0.0] * number, [0.0] * number
    low, high = x < grid.values[0], x > grid.values[-1]
    return (
        np.bincount(of_row[low], x[low], number).tolist(),
        np.bincount(of_row[high], x[high], number).tolist(),
    )
