"""Profiles: mergeable summaries of rows, counted on a grid.

Counts are whole numbers, so merging is addition: the profile of a window is the sum of the
profiles of its panes, whoever counted them and in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ctrain.stats.column_profile import ColumnProfile, merge_columns
from ctrain.stats.counting import MICROSECOND, Groups, profile_column, profile_groups
from ctrain.stats.grid import Counts, Grid
from ctrain.stats.lattice import Scratch
from ctrain.stats.packing import pack, unpack

__all__ = ["EPOCH", "ColumnProfile", "Profile", "empty_profile", "merge", "profile_panes", "profile_table"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KIND = b"ctrain-profile-2\n"


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Profiles of all columns of a grid over the same rows."""

    grid: str
    rows: int
    columns: Mapping[str, ColumnProfile]

    def narrowed(self) -> Profile:
        """Return the same in less memory, for what is kept."""
        return Profile(self.grid, self.rows, {name: one.narrowed() for name, one in self.columns.items()})

    def to_bytes(self) -> bytes:
        """Return a compact versioned form; counts are sparse and cells are differences."""
        described: dict[str, Any] = {}
        arrays: list[NDArray[np.int64]] = []
        for name, column in self.columns.items():
            described[name] = [
                column.rows,
                column.nulls,
                column.negative_infinities,
                column.positive_infinities,
                column.unseen,
                column.mean,
                column.squares,
                column.minimum,
                column.maximum,
                column.below,
                column.above,
            ]
            arrays += [_steps(column.cells), column.counts]
        return pack(_KIND, {"grid": self.grid, "rows": self.rows, "columns": described}, arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> Profile:
        """Return the profile that ``to_bytes`` wrote; raises ValueError for anything else."""
        header, arrays = unpack(_KIND, content)
        columns = {
            name: _column_from(numbers, np.cumsum(arrays[2 * i]), arrays[2 * i + 1])
            for i, (name, numbers) in enumerate(header["columns"].items())
        }
        return cls(header["grid"], header["rows"], columns)


def _steps(cells: Counts) -> Counts:
    """Differences, the first number as it is; ``numpy.diff`` takes three times as long for a few."""
    steps = cells.copy()
    steps[1:] -= cells[:-1]
    return steps


def _column_from(numbers: Sequence[Any], cells: Counts, counts: Counts) -> ColumnProfile:
    rows, nulls, negative, positive, unseen, *moments = numbers
    return ColumnProfile(rows, nulls, negative, positive, unseen, cells, counts, *moments)


def profile_table(table: pa.Table, grid: Grid) -> Profile:
    """Return the profile of all rows; a column that the table lacks counts as null.

    >>> from ctrain.stats.grid import build_grid
    >>> rows = pa.table({"x": [1.0, 2.0, 2.0, None]})
    >>> found = profile_table(rows, build_grid(rows, ["x"], [])).columns["x"]
    >>> found.nulls, found.counts.tolist()
    (1, [1, 2])
    """
    scratch = Scratch()
    columns = {name: profile_column(table, name, column, scratch) for name, column in grid.columns.items()}
    return Profile(grid.name, table.num_rows, columns)


def empty_profile(grid: Grid) -> Profile:
    """Return the profile of no rows.

    >>> from ctrain.stats.grid import build_grid
    >>> rows = pa.table({"x": [1.0, 2.0]})
    >>> grid = build_grid(rows, ["x"], [])
    >>> empty_profile(grid).to_bytes() == profile_table(rows.slice(0, 0), grid).to_bytes()
    True
    """
    return profile_table(pa.table({}), grid)


def profile_panes(table: pa.Table, grid: Grid, pane: timedelta) -> dict[datetime, Profile]:
    """Return the profile of each pane that has rows, by its start, in one pass over the table.

    Panes are multiples of ``pane`` since 1970-01-01 UTC; ``event_at`` must have no nulls.

    >>> from ctrain.stats.grid import build_grid
    >>> at = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (5, 5, 7)]
    >>> rows = pa.table({"event_at": at, "x": [1, 2, 3]})
    >>> panes = profile_panes(rows, build_grid(rows, ["x"], []), timedelta(hours=1))
    >>> [(start.hour, found.rows) for start, found in panes.items()]
    [(5, 2), (7, 1)]
    """
    if table.num_rows == 0:
        return {}
    starts, groups = Groups.by_pane(event_microseconds(table), pane)
    scratch = Scratch()
    found = {
        name: profile_groups(table, name, column, groups, scratch) for name, column in grid.columns.items()
    }
    return {
        EPOCH + start * MICROSECOND: Profile(grid.name, rows, {name: found[name][place] for name in found})
        for place, (start, rows) in enumerate(zip(starts.tolist(), groups.sizes().tolist(), strict=True))
    }


def event_microseconds(table: pa.Table) -> Counts:
    """Return ``event_at`` as microseconds since 1970 UTC."""
    moments = pc.cast(table.column("event_at"), pa.timestamp("us", tz="UTC"))
    return np.asarray(pc.cast(moments, pa.int64()).to_numpy(), dtype=np.int64)


def merge(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of all rows of ``profiles`` together.

    Raises ValueError for none at all, and for profiles on different grids.
    """
    parts = list(profiles)
    if len({part.grid for part in parts}) != 1:
        raise ValueError("profiles can be merged only on one grid, and at least one is needed")
    if len(parts) == 1:
        return parts[0]
    columns = {name: merge_columns([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Profile(parts[0].grid, sum(part.rows for part in parts), columns)
