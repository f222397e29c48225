"""How far a distance taken on a grid may be from that of the rows, and when a new grid is due."""

from __future__ import annotations

import numpy as np

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.grid import Grid, NumericGrid
from ctrain.stats.profile import Profile

LARGEST_ERROR = 0.01
"""Error of a KS distance from which on a column needs a new grid."""


def grid_error(grid: Grid, reference: Profile, current: Profile) -> dict[str, float]:
    """Return for each numeric column how much larger the KS distance of the rows may be.

    It is the largest ``min(reference mass, current mass)`` of a gap between grid values; 0 where one
    of the two has no values. A column whose error is above ``LARGEST_ERROR`` has moved to where
    the grid does not look closely.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from ctrain.stats.grid import build_grid
    >>> from ctrain.stats.profile import profile_table
    >>> rows, grid = pa.table({"x": [1.0, 2.0, 3.0, 3.5]}), build_grid(pa.table({"x": [1, 5]}), ["x"], [])
    >>> counted = profile_table(rows, grid)
    >>> grid_error(grid, counted, counted)
    {'x': 0.75}
    """
    return {
        name: _error(reference.columns[name], current.columns[name])
        for name, column in grid.columns.items()
        if isinstance(column, NumericGrid)
    }


def outgrown_columns(
    grid: Grid, reference: Profile, current: Profile, largest: float = LARGEST_ERROR
) -> tuple[str, ...]:
    """Return the columns whose error is above ``largest``: they need a grid of newer rows.

    >>> outgrown_columns(Grid({}), Profile("g", 0, {}), Profile("g", 0, {}))
    ()
    """
    return tuple(name for name, error in grid_error(grid, reference, current).items() if error > largest)


def _error(reference: ColumnProfile, current: ColumnProfile) -> float:
    if not (reference.values and current.values):
        return 0.0
    shared, before, now = np.intersect1d(
        reference.cells, current.cells, assume_unique=True, return_indices=True
    )
    masses = np.minimum(
        reference.counts[before] / reference.values,
        current.counts[now] / current.values,
    )
    return float(masses[shared % 2 == 1].max(initial=0.0))
