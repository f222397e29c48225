"""Lattices: the cell of each value of a numeric grid, found without a search for nearly all of them.

A lattice cuts the range of a grid into 65,536 steps. Where a step holds no grid value, the step
itself tells the cell. A value in a step with one grid value is compared with that value; only what
is left (steps with several grid values, and what lies beyond the range) is searched for. Counts are
exact: a step near a grid value is never trusted, however the arithmetic rounds.

Steps are equal in ``x``, or in ``t / (1 + |t|)`` with ``t`` the distance from the median in
halves of the interquartile range, which keeps the steps of a heavy tail few; whichever leaves fewer
comparisons by the grid's own quantiles. A grid of whole numbers has a lattice of its own, where
every step is one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctrain.stats.column_grid import Counts, NumericGrid
from ctrain.stats.columns import Floats

BLOCK = 1 << 16
"""Values at a time: what is computed for a block stays in the processor's cache."""
STEPS = 1 << 16
_MARGIN = 1e-6
"""Steps to either side of a grid value that rounding could move a value by; it is below 1e-10."""
_COMPARED, _SEARCHED = 30.0, 90.0
"""Nanoseconds of a value that must be compared or searched for."""
_SQUEEZED = 1.5
"""Nanoseconds that unequal steps cost a value more."""
_WORTHWHILE = 45.0
_LARGEST_WHOLE = 2.0**52
_LARGEST_SQUEEZED = 2.0**960
"""Origins and spreads up to which no finite value overflows when they are added to it."""
_LARGEST_GRID = (2**16 - 4) // 3
"""Grid values up to which every code fits 16 bits."""
_KEPT = 128
"""Lattices that are kept; each is 128 KiB."""


class Scratch:
    """Buffers of one block, so that no memory is taken for each block anew."""

    def __init__(self) -> None:
        self.values = np.empty(BLOCK)
        self.shifted = np.empty(BLOCK)
        self.sizes = np.empty(BLOCK)
        self.steps = np.empty(BLOCK, dtype=np.int64)
        self.codes = np.empty(BLOCK, dtype=np.uint16)
        self.flags = np.empty(BLOCK, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Steps over a grid and what each of them tells."""

    grid: NumericGrid
    codes: NDArray[np.uint16]
    """Of a step: its cell; from the grid's ``cells`` on, the one value it holds; the last: search."""
    origin: float
    spread: float | None
    start: float
    scale: float
    whole: bool
    """Every step is one whole number."""

    @cached_property
    def stand_in(self) -> float:
        """A shifted value that may take the place of a missing one; its step tells ``stand_in_cell``."""
        steps = (self.codes < self.grid.cells).nonzero()[0]
        step = float(steps[len(steps) // 2])
        if self.whole:
            return step
        position = (step + 0.5) / self.scale + self.start
        return position if self.spread is None else position * self.spread / (1 - abs(position))

    @cached_property
    def stand_in_cell(self) -> int:
        shifted = np.array([self.stand_in])
        position = _positions(shifted, np.empty(1), self.spread, self.start, self.scale)[0]
        return int(self.codes[int(position)])

    def code(self, values: Floats, shifted: Floats, scratch: Scratch) -> tuple[Counts, Counts]:
        """Return for each value its cell, or from ``cells`` on what ``resolve`` needs; and where that is.

        ``shifted`` is ``values - origin``, at most a block, and is overwritten; the codes are in
        ``scratch``. Values must not be NaN, and whole if the steps are whole numbers.
        """
        size = len(values)
        steps, codes, flags = scratch.steps[:size], scratch.codes[:size], scratch.flags[:size]
        positions = _positions(shifted, scratch.sizes[:size], self.spread, self.start, self.scale)
        np.copyto(steps, positions, casting="unsafe")
        self.codes.take(steps, out=codes, mode="clip")
        flagged = np.greater_equal(codes, self.grid.cells, out=flags).nonzero()[0]
        np.copyto(steps, codes)
        return steps, flagged

    def locate(self, values: Floats, shifted: Floats, scratch: Scratch) -> Counts:
        """Return the cell of each value; arguments as for ``code``."""
        codes, flagged = self.code(values, shifted, scratch)
        codes[flagged] = resolve(self.grid, values[flagged], codes[flagged])
        return codes


def resolve(grid: NumericGrid, values: Floats, codes: Counts) -> Counts:
    """Return the cells of values whose codes say which grid value is near, or nothing at all.

    >>> resolve(NumericGrid((0.0, 1.0)), np.array([0.9, 1.0, 5.0]), np.array([8, 8, 9])).tolist()
    [3, 4, 5]
    """
    near = codes - grid.cells
    nearest = grid.points.take(near, mode="clip")
    cells = 2 * near + 1
    cells += values >= nearest
    cells += values > nearest
    anywhere = (near == len(grid.points)).nonzero()[0]
    cells[anywhere] = _search(grid, values[anywhere])
    return cells


def _search(grid: NumericGrid, values: Floats) -> Counts:
    """Return cells by looking only at the ends where that is enough, as it is after a shift."""
    first, last = grid.points[0], grid.points[-1]
    cells = np.where(values > last, grid.cells - 2, 1)
    cells[values == np.inf] = grid.cells - 1
    cells[values == -np.inf] = 0
    within = ((values >= first) & (values <= last)).nonzero()[0]
    cells[within] = grid.locate(values[within])
    return cells


@lru_cache(maxsize=_KEPT)
def whole_lattice(grid: NumericGrid) -> Lattice | None:
    """Return the lattice of a grid of whole numbers with a step for each, None of any other grid.

    >>> lattice = whole_lattice(NumericGrid((0.0, 1.0, 5.0)))
    >>> values = np.array([5.0, 2.0, 9.0])
    >>> lattice.locate(values, values - lattice.origin, Scratch()).tolist()
    [6, 5, 7]
    """
    points = grid.points
    if not len(points) or len(points) > _LARGEST_GRID or np.any(points != np.rint(points)):
        return None
    if max(abs(points[0]), abs(points[-1])) >= _LARGEST_WHOLE:
        return None
    width = points[-1] - points[0] + 3
    if width > STEPS:
        return None
    origin = float(points[0] - 1)
    codes = grid.locate(origin + np.arange(int(width), dtype=np.float64))
    codes[[0, -1]] = grid.cells + len(points)
    return Lattice(grid, codes.astype(np.uint16), origin, None, 0.0, 1.0, whole=True)


@lru_cache(maxsize=_KEPT)
def smooth_lattice(grid: NumericGrid) -> Lattice | None:
    """Return the cheaper of equal and of squeezed steps, None where neither saves searching.

    >>> smooth_lattice(NumericGrid((0.0, 0.5, 2.0))).spread is None
    True
    >>> smooth_lattice(NumericGrid([1.5**power for power in range(60)])).spread is None
    False
    """
    points = grid.points
    if not 1 < len(points) <= _LARGEST_GRID:
        return None
    lower, median, upper = points[[len(points) // 4, len(points) // 2, 3 * len(points) // 4]].tolist()
    with np.errstate(all="ignore"):
        found = [_shaped(grid, float(points[0]), None), _shaped(grid, median, upper / 2 - lower / 2)]
    cost, shape = min(found, key=lambda one: one[0])
    if shape is None or cost >= _WORTHWHILE:
        return None
    codes = _codes(grid, shape.positions)
    return Lattice(grid, codes, shape.origin, shape.spread, shape.start, shape.scale, whole=False)


class _Shape(NamedTuple):
    """How values become positions among the steps, and where the grid values lie."""

    positions: Floats
    origin: float
    spread: float | None
    start: float
    scale: float


def _shaped(grid: NumericGrid, origin: float, spread: float | None) -> tuple[float, _Shape | None]:
    """Return the nanoseconds a value costs beyond its step, by the grid's quantiles, and the shape."""
    points, size = grid.points, len(grid.points)
    if spread is not None and not (spread > 0 and max(spread, abs(origin)) < _LARGEST_SQUEEZED):
        return np.inf, None
    start, end = _positions(points[[0, -1]] - origin, np.empty(2), spread, 0.0, 1.0).tolist()
    scale = STEPS / (end - start) if end > start else np.inf
    if not 0 < scale < np.inf:
        return np.inf, None
    positions = _positions(points - origin, np.empty(size), spread, start, scale)
    steps, shared = np.unique(np.floor(positions).clip(0, STEPS - 1), return_counts=True)
    edges = np.interp([steps, steps + 1], positions, np.linspace(0, 1, size))
    mass = edges[1] - edges[0]
    cost = float(_COMPARED * mass[shared == 1].sum() + _SEARCHED * mass[shared > 1].sum())
    if spread is not None:
        cost += _SQUEEZED
    return cost, _Shape(positions, origin, spread, start, scale)


def _codes(grid: NumericGrid, positions: Floats) -> NDArray[np.uint16]:
    """Return what each step tells, from where the grid values lie among the steps."""
    size, unknown = len(positions), grid.cells + len(positions)
    first = np.clip(np.floor(positions - _MARGIN), 0, STEPS).astype(np.int64)
    last = np.clip(np.floor(positions + _MARGIN), 0, STEPS).astype(np.int64)
    passed = np.diff(first, prepend=0, append=STEPS + 1)
    codes = np.repeat(np.arange(1, 2 * size + 2, 2, dtype=np.uint16), passed)
    codes[first] = codes[last] = grid.cells + np.arange(size)
    held = np.sort(np.concatenate([first, last[last != first]]))
    codes[held[1:][held[1:] == held[:-1]]] = unknown
    codes[0] = codes[first[-1] :] = unknown
    return codes


def _positions(shifted: Floats, sizes: Floats, spread: float | None, start: float, scale: float) -> Floats:
    """Return ``shifted``, overwritten by the position of each value among the steps."""
    if spread is not None:
        np.abs(shifted, out=sizes)
        np.add(sizes, spread, out=sizes)
        np.divide(shifted, sizes, out=shifted)
    if start:
        np.subtract(shifted, start, out=shifted)
    if scale != 1.0:
        np.multiply(shifted, scale, out=shifted)
    return shifted
