"""Counting rows into cells, for all groups of rows (panes) in one pass over a column."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctrain.stats.column_grid import CategoricalGrid, ColumnGrid, Counts, NumericGrid
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats
from ctrain.stats.lattice import BLOCK, Scratch, smooth_lattice
from ctrain.stats.tally import LATTICE_FROM, NumericTally, tally_of

MICROSECOND = timedelta(microseconds=1)
_KEYS = 1 << 18
"""Cells of groups that are counted at once."""
_SPARSE = 20
"""Cells a value from which on sorting the values costs less than counting every cell."""


@dataclass(frozen=True)
class Groups:
    """Rows in groups: ``order`` brings rows of a group together, ``of_row`` is then ascending."""

    order: Counts | None
    of_row: Counts
    starts: Counts

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

    def bounds(self) -> Iterator[tuple[int, int]]:
        """Yield where each group begins and ends."""
        return itertools.pairwise([*self.starts.tolist(), len(self.of_row)])


def profile_column(table: pa.Table, name: str, grid: ColumnGrid, scratch: Scratch) -> ColumnProfile:
    """Return the profile of one column over all rows; a column that the table lacks counts as null."""
    tally = tally_of(name, grid, scratch)
    tally.add(table)
    return tally.profile()


def profile_groups(
    table: pa.Table, name: str, grid: ColumnGrid, groups: Groups, scratch: Scratch
) -> list[ColumnProfile]:
    """Return the profile of one column for each group of rows."""
    if not isinstance(grid, NumericGrid):
        cells = grid.find(table, name)
        return _by_cell(cells if groups.order is None else cells[groups.order], grid, groups)
    values = grid.read(table, name)
    if groups.order is not None:
        values = values[groups.order]
    if len(values) >= LATTICE_FROM * groups.number:
        return [_tallied(values[start:end], name, grid, scratch) for start, end in groups.bounds()]
    return _numeric(values, grid, groups, scratch)


def count_groups(
    table: pa.Table, name: str, grid: ColumnGrid, groups: Groups, scratch: Scratch
) -> tuple[Counts, Counts, Counts, Counts]:
    """Return nulls of each group, where its cells begin, and the occupied cells of all with their counts.

    That is what ``profile_groups`` counts, without moments and much faster where groups are many.
    """
    if isinstance(grid, NumericGrid):
        values = grid.read(table, name)
        values = values if groups.order is None else values[groups.order]
        null = np.isnan(values)
        cells = _locate(values[~null], grid, scratch)
    else:
        found = grid.find(table, name)
        found = found if groups.order is None else found[groups.order]
        null = found < 0
        cells = found[~null]
    nulls = np.array(groups.tally(null), dtype=np.int64)
    return nulls, *_occupied(cells, groups.of_row[~null], grid.cells, groups.number)


def _tallied(values: Floats, name: str, grid: NumericGrid, scratch: Scratch) -> ColumnProfile:
    tally = NumericTally(name, grid, scratch)
    for start in range(0, len(values), BLOCK):
        tally.add_block(values[start : start + BLOCK])
    return tally.profile()


def _numeric(values: Floats, grid: NumericGrid, groups: Groups, scratch: Scratch) -> list[ColumnProfile]:
    null = np.isnan(values)
    known, of_row = (values[~null], groups.of_row[~null]) if null.any() else (values, groups.of_row)
    cells = _locate(known, grid, scratch)
    tallies = zip(
        groups.sizes().tolist(),
        groups.tally(null),
        np.bincount(of_row[known == -np.inf], minlength=groups.number).tolist(),
        np.bincount(of_row[known == np.inf], minlength=groups.number).tolist(),
        _count_cells(cells, of_row, grid.cells, groups.number),
        _moments(known, of_row, groups.number),
        zip(*_beyond(known, of_row, grid, groups.number), strict=True),
        strict=True,
    )
    return [
        ColumnProfile(
            rows=rows,
            nulls=missing,
            negative_infinities=negative,
            positive_infinities=positive,
            unseen=0,
            cells=occupied,
            counts=counts,
            mean=mean,
            squares=squares,
            minimum=low,
            maximum=high,
            below=below,
            above=above,
        )
        for rows, missing, negative, positive, (occupied, counts), (mean, squares, low, high), (
            below,
            above,
        ) in tallies
    ]


def _locate(values: Floats, grid: NumericGrid, scratch: Scratch) -> Counts:
    """Return the cell of each value; values must not be NaN."""
    lattice = smooth_lattice(grid) if len(values) >= LATTICE_FROM else None
    if lattice is None:
        return grid.locate(values)
    cells = np.empty(len(values), dtype=np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(values), BLOCK):
            block = values[start : start + BLOCK]
            shifted = np.subtract(block, lattice.origin, out=scratch.shifted[: len(block)])
            cells[start : start + BLOCK] = lattice.locate(block, shifted, scratch)
    return cells


def _by_cell(cells: Counts, grid: CategoricalGrid, groups: Groups) -> list[ColumnProfile]:
    null = cells < 0
    sparse = _count_cells(cells[~null], groups.of_row[~null], grid.cells, groups.number)
    unseen = cells == grid.cells - 1 if grid.complete else np.zeros(len(cells), dtype=np.bool_)
    tallies = zip(groups.sizes().tolist(), groups.tally(null), groups.tally(unseen), sparse, strict=True)
    return [ColumnProfile(rows, nulls, 0, 0, outside, *counted) for rows, nulls, outside, counted in tallies]


def _count_cells(cells: Counts, of_row: Counts, width: int, number: int) -> list[tuple[Counts, Counts]]:
    """Return occupied cells and their counts for each group; ``of_row`` is ascending."""
    bounds, occupied, counts = _occupied(cells, of_row, width, number)
    borders = itertools.pairwise(bounds.tolist())
    return [(occupied[low:high].copy(), counts[low:high].copy()) for low, high in borders]


def _occupied(cells: Counts, of_row: Counts, width: int, number: int) -> tuple[Counts, Counts, Counts]:
    """Return occupied cells and their counts, those of a group together, and where each group begins."""
    keys, counts = _counted(cells, of_row, width, number)
    return np.searchsorted(keys, np.arange(number + 1) * width), keys % width, counts


def _counted(cells: Counts, of_row: Counts, width: int, number: int) -> tuple[Counts, Counts]:
    """Return the ascending keys ``group * width + cell`` that occur, and how often."""
    if len(cells) * _SPARSE <= number * width:
        return np.unique(of_row * width + cells, return_counts=True)
    parts = []
    together = max(1, _KEYS // width)
    for first in range(0, number, together):
        here = min(together, number - first)
        start, end = np.searchsorted(of_row, [first, first + here])
        counts = np.bincount((of_row[start:end] - first) * width + cells[start:end], minlength=here * width)
        keys = np.flatnonzero(counts)
        parts.append((keys + first * width, counts[keys]))
    found = tuple(np.concatenate(one) for one in zip(*parts, strict=True))
    return found[0], found[1]


_Moments = tuple[float, float, float | None, float | None]


def _moments(values: Floats, of_row: Counts, number: int) -> list[_Moments]:
    """Return mean, squared deviations, minimum and maximum of the finite values of each group."""
    finite = np.isfinite(values)
    x, of_row = (values, of_row) if finite.all() else (values[finite], of_row[finite])
    amounts = np.bincount(of_row, minlength=number)
    safe = np.maximum(amounts, 1)
    occupied = np.flatnonzero(amounts)
    starts = (np.cumsum(amounts) - amounts)[occupied]
    lowest, highest = np.zeros(number), np.zeros(number)
    if len(occupied):
        lowest[occupied] = np.minimum.reduceat(x, starts)
        highest[occupied] = np.maximum.reduceat(x, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        means = _sum_by(of_row, x / safe[of_row], number)
        deviations = x - means[of_row]
        means += _sum_by(of_row, deviations, number) / safe
        squares = _sum_by(of_row, (x - means[of_row]) ** 2, number)
    rows = zip(amounts, means.tolist(), squares.tolist(), lowest.tolist(), highest.tolist(), strict=True)
    return [
        (mean, square, low if amount else None, high if amount else None)
        for amount, mean, square, low, high in rows
    ]


def _sum_by(of_row: Counts, terms: Floats, number: int) -> Floats:
    return np.bincount(of_row, terms, number).astype(np.float64, copy=False)


def _beyond(x: Floats, of_row: Counts, grid: NumericGrid, number: int) -> tuple[list[float], list[float]]:
    """Return for each group the sums of the values before the first and after the last grid value."""
    if not len(grid.points):
        return [0.0] * number, [0.0] * number
    low, high = (x < grid.points[0]) & (x > -np.inf), (x > grid.points[-1]) & (x < np.inf)
    return (
        _sum_by(of_row[low], x[low], number).tolist(),
        _sum_by(of_row[high], x[high], number).tolist(),
    )
