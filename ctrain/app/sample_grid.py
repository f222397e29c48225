"""The first pass over files: a bounded sample tells how each column is profiled, and on which grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.stats.column_grid import frequent_categories
from ctrain.stats.columns import plain, text_values
from ctrain.stats.grid import CategoricalGrid, ColumnGrid, Grid, build_grid
from ctrain.stats.kinds import Role, role_of
from ctrain.stats.lattice import Scratch
from ctrain.stats.raw import Kind, kind_of
from ctrain.stats.screening import ID_NOTE, leave_out

SAMPLED_ROWS = 200_000
MOST_COUNTED = 50_000
_THINNED = 10
"""One row in so many of the sample is screened for columns that are functions of the time."""


@dataclass(frozen=True)
class SampledColumn:
    """What the sample of one column tells; categories are counted over all rows afterwards."""

    role: Role
    grids: dict[str, ColumnGrid]
    is_id: bool
    screened: pa.ChunkedArray[Any] | None
    """Some of the values, where columns are screened."""


def sample_grid(
    files: TableFiles, columns: Sequence[str], event_time: str | None
) -> tuple[Grid, dict[str, str]]:
    """Return the grid of some files, and why some of their columns are left out of drift tests.

    Raises
    ------
    InputError
        when a file cannot be read, or a column has the name of a statistic of a text.
    """
    types = {one.name: one.type for one in files.schema}
    wanted = list(columns) if event_time is None else [*columns, event_time]
    stride = _stride(files.rows) if files.in_parts else 1
    sampled = files.consume(wanted, _SampleScan(types, stride, screen=event_time is not None))
    categories = _count_categories(
        files, [name for name in columns if sampled[name].role is Role.CATEGORICAL]
    )
    grids: dict[str, ColumnGrid] = {}
    for name in columns:
        here = {name: categories[name]} if name in categories else sampled[name].grids
        clash = sorted(set(here) & set(grids))
        if clash:
            raise InputError(f"{files.paths[0]}: {clash[0]!r} is a column and a statistic of a text column")
        grids.update(here)
    notes = {name: ID_NOTE for name in columns if sampled[name].is_id}
    if event_time is not None:
        notes.update(_screened(sampled, event_time))
    return Grid(grids), notes


@dataclass
class _ColumnSample:
    """Evenly spaced values of a column: at least ``SAMPLED_ROWS`` of them, and fewer than twice as many."""

    name: str
    type: pa.DataType
    stride: int = 1
    _rows: int = 0
    """Before the next one, those before the part included."""
    _kept: int = 0
    _parts: list[pa.ChunkedArray[Any]] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        values = plain(table.column(self.name))
        places = np.arange(-self._rows % self.stride, table.num_rows, self.stride)
        self._keep(values if self.stride == 1 else values.take(places), table.num_rows)

    def skip(self, rows: int) -> None:
        kept = len(range(-self._rows % self.stride, rows, self.stride))
        self._keep(self._nulls(kept), rows)

    @property
    def stored_type(self) -> pa.DataType:
        """The type without a dictionary, whose entries are names also if they are numbers."""
        if kind_of(self.type) is Kind.TEXT and pa.types.is_dictionary(self.type):
            return pa.string()
        return self.type.value_type if pa.types.is_dictionary(self.type) else self.type

    def values(self) -> pa.ChunkedArray[Any]:
        """Return what was kept as one chunk."""
        parts = [chunk for part in self._parts for chunk in part.cast(self.stored_type).chunks]
        return pa.chunked_array([pa.concat_arrays([pa.nulls(0).cast(self.stored_type), *parts])])

    def _nulls(self, rows: int) -> pa.ChunkedArray[Any]:
        return pa.chunked_array([pa.nulls(rows)]).cast(self.stored_type)

    def _keep(self, values: pa.ChunkedArray[Any], rows: int) -> None:
        self._rows += rows
        self._kept += len(values)
        self._parts.append(values)
        while self._kept >= 2 * SAMPLED_ROWS:
            self.stride *= 2
            halved = self.values().take(np.arange(0, self._kept, 2))
            self._parts, self._kept = [halved], len(halved)


def _stride(rows: int) -> int:
    """Return the distance at which a ``_ColumnSample`` of so many rows ends up.

    >>> _stride(2 * SAMPLED_ROWS - 1), _stride(2 * SAMPLED_ROWS), _stride(4 * SAMPLED_ROWS)
    (1, 2, 4)
    """
    stride = 1
    while -(-rows // stride) >= 2 * SAMPLED_ROWS:
        stride *= 2
    return stride


@dataclass(frozen=True)
class _SampleScan:
    """Samples the columns; where the number of rows is known before, so is the stride."""

    types: Mapping[str, pa.DataType]
    stride: int
    screen: bool
    dictionaries: tuple[str, ...] = ()

    def start(self, name: str, first_row: int, _: Scratch) -> _ColumnSample:
        return _ColumnSample(name, self.types[name], self.stride, first_row)

    def finish(self, _: str, sample: _ColumnSample) -> pa.ChunkedArray[Any]:
        return sample.values()

    def merge(self, name: str, found: Sequence[pa.ChunkedArray[Any]]) -> SampledColumn:
        chunks = [chunk for part in found for chunk in part.chunks]
        return _sampled(name, pa.chunked_array([pa.concat_arrays(chunks)]), screen=self.screen)


def _sampled(name: str, values: pa.ChunkedArray[Any], *, screen: bool) -> SampledColumn:
    role = role_of(values)
    grids: dict[str, ColumnGrid] = {}
    if role is Role.PRESENCE:
        grids = {name: CategoricalGrid((), complete=False)}
    elif role is not Role.CATEGORICAL:
        named = {kind: [name] if role is kind else [] for kind in Role}
        grid = build_grid(
            pa.Table.from_arrays([values], names=[name]),
            named[Role.NUMERIC],
            [],
            boolean=named[Role.BOOLEAN],
            date=named[Role.DATE],
            text=named[Role.TEXT],
        )
        grids = dict(grid.columns)
    is_id = role is Role.PRESENCE and kind_of(values.type) is Kind.TEXT
    screened = values.take(np.arange(0, len(values), _THINNED)) if screen else None
    return SampledColumn(role, grids, is_id, screened)


@dataclass
class _CategoryCounts:
    """How often each category occurs, in bounded memory."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    complete: bool = True

    def add(self, table: pa.Table) -> None:
        found: Any = pc.value_counts(pc.drop_null(text_values(table, self.name)))
        names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
        for name, count in zip(names, counts, strict=True):
            self.counts[name] = self.counts.get(name, 0) + count
        self._bound()

    def merge(self, other: _CategoryCounts) -> None:
        """Count what has been counted of other rows."""
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.complete &= other.complete
        self._bound()

    def _bound(self) -> None:
        if len(self.counts) > 2 * MOST_COUNTED:
            kept = sorted(self.counts, key=lambda name: (-self.counts[name], name))[:MOST_COUNTED]
            self.counts = {name: self.counts[name] for name in kept}
            self.complete = False

    def skip(self, rows: int) -> None:
        """Nothing is counted where there is nothing."""


@dataclass(frozen=True)
class _CategoryScan:
    """Counts the categories of columns."""

    dictionaries: tuple[str, ...]

    def start(self, name: str, _first_row: int, _: Scratch) -> _CategoryCounts:
        return _CategoryCounts(name)

    def finish(self, _: str, seen: _CategoryCounts) -> _CategoryCounts:
        return seen

    def merge(self, name: str, found: Sequence[_CategoryCounts]) -> CategoricalGrid:
        seen = _CategoryCounts(name)
        for part in found:
            seen.merge(part)
        return frequent_categories(seen.counts, complete=seen.complete)


def _count_categories(files: TableFiles, columns: Sequence[str]) -> dict[str, CategoricalGrid]:
    return files.consume(columns, _CategoryScan(tuple(columns)))


def _screened(sampled: dict[str, SampledColumn], event_time: str) -> dict[str, str]:
    """Return the notes on columns that are functions of the time of the row."""
    times = sampled[event_time].screened
    if times is None or not (pa.types.is_timestamp(times.type) or pa.types.is_date(times.type)):
        return {}
    kept = {name: one.screened for name, one in sampled.items() if one.role is not Role.TEXT}
    values = [found for found in kept.values() if found is not None]
    table = pa.Table.from_arrays(values, names=list(kept))
    return leave_out(table.filter(pc.is_valid(times)), event_time)
