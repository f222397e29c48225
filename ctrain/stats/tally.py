"""Counting a column block by block: what streams through is never held as a whole."""

from __future__ import annotations

import math
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
_MOST_FILLED = 0.25
"""Share of missing values up to which they get a stand-in; otherwise the others are moved together."""


class NumericTally:
    """Counts and moments of one numeric column, so far."""

    def __init__(self, name: str, grid: NumericGrid, scratch: Scratch | None = None) -> None:
        self._name = name
        self._grid = grid
        self._scratch = scratch or Scratch()
        self._codes = grid.cells + len(grid.values) + 1
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
        """Count at most ``BLOCK`` values; NaN and the places in ``missing`` are null."""
        self._rows += len(values)
        values, filled, low = self._without_missing(values, missing)
        stand_ins = 0 if filled is None else len(filled)
        if len(values) == stand_ins:
            return
        self._present += len(values) - stand_ins
        with np.errstate(invalid="ignore", over="ignore"):
            lattice = self._lattice(values, integral)
            origin = lattice.origin if lattice is not None else self._middle
            shifted = np.subtract(values, origin, out=self._scratch.shifted[: len(values)])
            self._add_moments(values, shifted, origin, filled, low)
            if lattice is None:
                self._counts[: self._grid.cells] += self._grid.count(values)
                self._add_beyond(values)
            else:
                codes, flagged = lattice.code(values, shifted, self._scratch)
                self._counts += np.bincount(codes, minlength=self._codes)
                self._unresolved.append((values[flagged], codes[flagged]))
        if filled is not None:
            self._counts[self._grid.locate(values[filled[:1]])] -= stand_ins
        if sum(len(waiting) for waiting, _ in self._unresolved) >= BLOCK:
            self._resolve()

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

    @property
    def _middle(self) -> float:
        values = self._grid.values
        return values[len(values) // 2] if values else 0.0

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

    def _without_missing(self, values: Floats, missing: Counts | None) -> tuple[Floats, Counts | None, float]:
        """Return values without missing ones, or with a stand-in from inside the grid; and the least."""
        filled = None
        if missing is not None:
            stand_in = _first_present(values, missing)
            if self._fits(stand_in) and len(missing) <= _MOST_FILLED * len(values):
                copy = self._scratch.values[: len(values)]
                np.copyto(copy, values)
                copy[missing] = stand_in
                values, filled = copy, missing
            else:
                values = np.delete(values, missing)
        low = float(np.minimum.reduce(values, initial=np.inf))
        if math.isnan(low):
            known = ~np.isnan(values)
            if filled is not None:
                known[filled] = False
            values, filled = values[known], None
            low = float(np.minimum.reduce(values, initial=np.inf))
        return values, filled, low

    def _fits(self, value: float) -> bool:
        values = self._grid.values
        return bool(values) and values[0] <= value <= values[-1]

    def _add_moments(
        self, values: Floats, shifted: Floats, origin: float, filled: Counts | None, low: float
    ) -> None:
        """Add moments and extremes; ``shifted`` is as before when it returns."""
        high = float(np.maximum.reduce(values))
        if math.isfinite(low) and math.isfinite(high):
            if filled is None:
                found = shifted_moments(shifted, origin, len(values))
            else:
                shifted[filled] = 0.0
                found = shifted_moments(shifted, origin, len(values) - len(filled))
                shifted[filled] = values[filled[0]] - origin
            if found is None:
                found = two_pass_moments(values if filled is None else np.delete(values, filled))
        else:
            finite = values if filled is None else np.delete(values, filled)
            finite = finite[np.isfinite(finite)]
            low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
            found = two_pass_moments(finite)
        self._moments.append(found)
        self._low, self._high = min(self._low, low), max(self._high, high)

    def _add_beyond(self, values: Floats) -> None:
        if not self._grid.values:
            return
        first, last = self._grid.values[0], self._grid.values[-1]
        with np.errstate(over="ignore"):
            self._below.append(float(values[(values < first) & (values > -np.inf)].sum()))
            self._above.append(float(values[(values > last) & (values < np.inf)].sum()))


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


def _first_present(values: Floats, missing: Counts) -> float:
    """Return the first value that is not missing; NaN when all are."""
    place = int(np.argmax(np.append(missing, -1) != np.arange(len(missing) + 1)))
    return float(values[place]) if place < len(values) else float("nan")
