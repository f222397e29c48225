"""Counting a column block by block: what streams through is never held as a whole."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from ctrain.stats.column_grid import CategoricalGrid, ColumnGrid, Counts, NumericGrid
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats, float_blocks, is_number, plain
from ctrain.stats.lattice import BLOCK, Lattice, Scratch, resolve, smooth_lattice, whole_lattice
from ctrain.stats.moments import Moments, merge_moments, shifted_moments, sorted_sum, two_pass_moments

LATTICE_FROM = 8192
"""Values from which on making a lattice costs less than searching without one."""
_TOGETHER = 8192
"""Values that wait to be resolved at once: arrays of so many are not taken from the system anew."""
_MOST_FILLED = 0.25
"""Share of missing values up to which they get a stand-in; otherwise the others are moved together."""


class NumericTally:
    """Counts and moments of one numeric column, so far."""

    def __init__(self, name: str, grid: NumericGrid, scratch: Scratch | None = None) -> None:
        self._name = name
        self._grid = grid
        self._scratch = scratch or Scratch()
        self._ends = (grid.points[0], grid.points[-1]) if len(grid.points) else (-np.inf, np.inf)
        self._codes = grid.cells + len(grid.points) + 1
        self._counts = np.zeros(self._codes, dtype=np.int64)
        self._unresolved: list[tuple[Floats, Counts]] = []
        self._rows = 0
        self._present = 0
        self._moments: list[Moments] = []
        self._low, self._high = np.inf, -np.inf
        self._below: list[float] = []
        self._above: list[float] = []

    def add(self, table: pa.Table) -> None:
        """Count the rows of a table; a column that it lacks is null."""
        if self._grid.reading == "number" and self._name in table.column_names:
            column = plain(table.column(self._name))
            if is_number(column.type):
                integral = pa.types.is_integer(column.type)
                for values, missing in float_blocks(column, BLOCK):
                    self.add_block(values, missing, integral)
                return
        values = self._grid.read(table, self._name)
        for start in range(0, len(values), BLOCK):
            self.add_block(values[start : start + BLOCK])

    def skip(self, rows: int) -> None:
        """Count rows of a table that lacks the column: they are null."""
        self._rows += rows

    def add_block(self, values: Floats, missing: Counts | None = None, integral: bool = False) -> None:
        """Count at most ``BLOCK`` values; NaN and the places in ``missing`` are null.

        What stands at those places is arbitrary; ``integral`` values are known to be whole.
        """
        if not len(values):
            return
        self._rows += len(values)
        with np.errstate(invalid="ignore", over="ignore"):
            lattice = self._lattice(values, integral)
            if lattice is None or not self._add_finite(values, missing, lattice):
                self._add_any(values, missing, lattice)
        if sum(len(waiting) for waiting, _ in self._unresolved) >= _TOGETHER:
            self._resolve()

    def _add_finite(self, values: Floats, missing: Counts | None, lattice: Lattice) -> bool:
        """Count a block of finite values; return False, and do nothing, where it may have others.

        Places of missing values get a stand-in, which is taken off its cell again. Extremes are looked
        for only until the grid's ends were reached: what lies beyond those is seen when it is resolved.
        """
        spanned = self._low <= self._ends[0] and self._high >= self._ends[1]
        if missing is not None and not (spanned and len(missing) <= _MOST_FILLED * len(values)):
            return False
        gaps = 0 if missing is None else len(missing)
        shifted = np.subtract(values, lattice.origin, out=self._scratch.shifted[: len(values)])
        if missing is not None:
            shifted[missing] = 0.0
        moments = shifted_moments(shifted, lattice.origin, len(values) - gaps)
        if moments is None:
            return False
        self._moments.append(moments)
        self._present += moments.n
        if not spanned:
            self._low = min(self._low, float(np.minimum.reduce(values)))
            self._high = max(self._high, float(np.maximum.reduce(values)))
        if missing is not None:
            shifted[missing] = lattice.stand_in
            self._counts[lattice.stand_in_cell] -= gaps
        self._count(values, shifted, lattice)
        return True

    def _add_any(self, values: Floats, missing: Counts | None, lattice: Lattice | None) -> None:
        """Count a block whose values may be NaN or infinite."""
        absent = np.isnan(values)
        if missing is not None:
            absent[missing] = True
        elif lattice is not None and absent.any() and self._add_finite(values, absent.nonzero()[0], lattice):
            return
        values = values[~absent]
        if not len(values):
            return
        self._present += len(values)
        finite = values[np.isfinite(values)]
        self._moments.append(two_pass_moments(finite))
        self._low = min(self._low, float(finite.min(initial=np.inf)))
        self._high = max(self._high, float(finite.max(initial=-np.inf)))
        if lattice is None:
            self._counts[: self._grid.cells] += self._grid.count(values)
            self._add_beyond(values)
            return
        shifted = np.subtract(values, lattice.origin, out=self._scratch.shifted[: len(values)])
        self._count(values, shifted, lattice)

    def _count(self, values: Floats, shifted: Floats, lattice: Lattice) -> None:
        codes, flagged = lattice.code(values, shifted, self._scratch)
        self._counts += np.bincount(codes, minlength=self._codes)
        self._unresolved.append((values[flagged], codes[flagged]))

    def _resolve(self) -> None:
        """Count the values whose steps did not tell their cells, of many blocks at once."""
        if not self._unresolved:
            return
        values = np.concatenate([values for values, _ in self._unresolved])
        codes = np.concatenate([codes for _, codes in self._unresolved])
        self._unresolved = []
        cells = self._grid.cells
        self._counts[:cells] += np.bincount(resolve(self._grid, values, codes), minlength=cells)
        self._counts[cells:] = 0
        self._add_beyond(values[codes == self._codes - 1])

    def profile(self) -> ColumnProfile:
        """Return the profile of what was counted."""
        self._resolve()
        counts = self._counts[: self._grid.cells]
        cells = np.flatnonzero(counts)
        moments = merge_moments(self._moments)
        return ColumnProfile(
            rows=self._rows,
            nulls=self._rows - self._present,
            negative_infinities=int(counts[0]),
            positive_infinities=int(counts[-1]),
            unseen=0,
            cells=cells,
            counts=counts[cells],
            mean=moments.mean,
            squares=moments.squares,
            minimum=self._low if moments.n else None,
            maximum=self._high if moments.n else None,
            below=sorted_sum(self._below),
            above=sorted_sum(self._above),
        )

    def _lattice(self, values: Floats, integral: bool) -> Lattice | None:
        if self._rows < LATTICE_FROM:
            return None
        whole = self._whole_lattice
        if whole is not None:
            nearest, equal = self._scratch.sizes[: len(values)], self._scratch.flags[: len(values)]
            if integral or np.equal(np.rint(values, out=nearest), values, out=equal).all():
                return whole
        return self._smooth_lattice

    @cached_property
    def _whole_lattice(self) -> Lattice | None:
        return whole_lattice(self._grid)

    @cached_property
    def _smooth_lattice(self) -> Lattice | None:
        return smooth_lattice(self._grid)

    def _add_beyond(self, values: Floats) -> None:
        first, last = self._ends
        below, above = (
            values[(values < first) & (values > -np.inf)],
            values[(values > last) & (values < np.inf)],
        )
        self._low = min(self._low, float(below.min(initial=np.inf)))
        self._high = max(self._high, float(above.max(initial=-np.inf)))
        with np.errstate(over="ignore"):
            self._below.append(float(below.sum()))
            self._above.append(float(above.sum()))


class CategoricalTally:
    """Counts of one categorical column, so far."""

    def __init__(self, name: str, grid: CategoricalGrid) -> None:
        self._name = name
        self._grid = grid
        self._counts = np.zeros(grid.cells, dtype=np.int64)
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        """Count the rows of a table; a column that it lacks is null."""
        cells = self._grid.find(table, self._name)
        self._rows += len(cells)
        self._counts += np.bincount(cells + 1, minlength=self._grid.cells + 1)[1:]

    def skip(self, rows: int) -> None:
        """Count rows of a table that lacks the column: they are null."""
        self._rows += rows

    def profile(self) -> ColumnProfile:
        """Return the profile of what was counted."""
        cells = np.flatnonzero(self._counts)
        unseen = int(self._counts[-1]) if self._grid.complete else 0
        nulls = self._rows - int(self._counts.sum())
        return ColumnProfile(self._rows, nulls, 0, 0, unseen, cells, self._counts[cells])


Tally = NumericTally | CategoricalTally


def tally_of(name: str, grid: ColumnGrid, scratch: Scratch) -> Tally:
    """Return an empty tally for a column; tallies of one thread may share ``scratch``."""
    if isinstance(grid, NumericGrid):
        return NumericTally(name, grid, scratch)
    return CategoricalTally(name, grid)
