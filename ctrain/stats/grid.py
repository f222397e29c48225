"""Grids: the cells into which the values of each column of a table are counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from ctrain.domain import Json
from ctrain.stats.column_grid import (
    BOOLEAN_GRID,
    GRID_SIZE,
    MAX_CATEGORIES,
    CategoricalGrid,
    ColumnGrid,
    Counts,
    NumericGrid,
    Reading,
    categorical_grid,
    numeric_grid,
)
from ctrain.stats.columns import date_values, numeric_values, text_values
from ctrain.stats.free_text import TextStatistic, measure_text

__all__ = [
    "GRID_SIZE",
    "MAX_CATEGORIES",
    "CategoricalGrid",
    "ColumnGrid",
    "Counts",
    "Grid",
    "NumericGrid",
    "build_grid",
    "categorical_grid",
    "numeric_grid",
]

_VERSION = 2


@dataclass(frozen=True)
class Grid:
    """The grid of each column; ``name`` identifies the content (the grid version).

    ``pane`` is the length of the panes that are counted on it, where they are: counts of other panes
    do not belong to the same grid. ``where`` tells which rows are counted on it, if not all: those
    whose column has the value, or (None) one that no other segment has. It filters nothing by itself.
    """

    columns: Mapping[str, ColumnGrid]
    pane: timedelta | None = None
    where: tuple[str, str | None] | None = None

    @cached_property
    def name(self) -> str:
        """Hash of the content: equal grids have equal names, in any process."""
        digest = hashlib.sha256()
        for column in sorted(self.columns):
            grid = self.columns[column]
            if isinstance(grid, NumericGrid):
                digest.update(json.dumps([column, grid.reading, len(grid.points)]).encode())
                digest.update(grid.points.astype("<f8").tobytes())
            else:
                digest.update(json.dumps([column, _described(grid)], sort_keys=True).encode())
        seconds = self.pane.total_seconds() if self.pane else None
        digest.update(json.dumps([_VERSION, seconds, self.where]).encode())
        return "grid-" + digest.hexdigest()[:16]

    def to_json(self) -> Json:
        """Return what ``from_json`` reads, exact to the last bit."""
        return {
            "version": _VERSION,
            "pane_seconds": self.pane.total_seconds() if self.pane else None,
            "where": list(self.where) if self.where else None,
            "columns": {column: _described(grid) for column, grid in self.columns.items()},
        }

    @classmethod
    def from_json(cls, content: Json) -> Grid:
        """Return the grid that ``to_json`` described; raises ValueError for another version."""
        if content.get("version") != _VERSION:
            raise ValueError(
                f"unknown version of a grid: {content.get('version')!r}; this ctrain reads {_VERSION}"
            )
        columns = {column: _column_grid(part) for column, part in content["columns"].items()}
        seconds, where = content["pane_seconds"], content["where"]
        return cls(columns, timedelta(seconds=seconds) if seconds else None, tuple(where) if where else None)


def _described(grid: ColumnGrid) -> dict[str, Any]:
    if isinstance(grid, NumericGrid):
        return {"values": grid.points.tolist(), "reading": str(grid.reading)}
    return {"categories": list(grid.categories), "complete": grid.complete, "boolean": grid.boolean}


def _column_grid(part: Mapping[str, Any]) -> ColumnGrid:
    if "values" not in part:
        return CategoricalGrid(tuple(part["categories"]), part["complete"], part["boolean"])
    plain: dict[str, Reading] = {"number": "number", "date": "date"}
    reading = part["reading"]
    return NumericGrid(part["values"], plain[reading] if reading in plain else TextStatistic(reading))


def build_grid(
    table: pa.Table,
    numeric: Sequence[str],
    categorical: Sequence[str],
    size: int = GRID_SIZE,
    pane: timedelta | None = None,
    *,
    boolean: Sequence[str] = (),
    date: Sequence[str] = (),
    text: Sequence[str] = (),
    where: tuple[str, str | None] | None = None,
) -> Grid:
    """Return the grid of a reference table, column by column in the order of the arguments.

    Parameters
    ----------
    numeric, date
        Columns counted on ``size`` quantiles of their values; dates as days since 1970-01-01.
    categorical
        Columns counted by category, the most frequent 2,000 of them and a rest.
    boolean
        Columns counted as ``false`` and ``true``, however they are stored.
    text
        Columns of free text; each becomes numeric columns ``TEXT.length``, ``TEXT.words``, ...

    Raises
    ------
    ValueError
        When two columns would have one name.

    Examples
    --------
    >>> build_grid(pa.table({"x": [1, 1, 2]}), numeric=["x"], categorical=[]).columns["x"].points
    array([1., 2.])
    >>> list(build_grid(pa.table({"note": ["as is"]}), [], [], text=["note"]).columns)[:2]
    ['note.length', 'note.words']
    """
    columns: dict[str, ColumnGrid] = {}
    parts: list[tuple[str, ColumnGrid]] = [
        *((name, numeric_grid(numeric_values(table, name), size)) for name in numeric),
        *((name, categorical_grid(text_values(table, name))) for name in categorical),
        *((name, BOOLEAN_GRID) for name in boolean),
        *((name, numeric_grid(date_values(table, name), size, "date")) for name in date),
        *(part for name in text for part in _text_grids(table, name, size)),
    ]
    for name, grid in parts:
        if name in columns:
            raise ValueError(f"two columns of a grid would be called {name!r}")
        columns[name] = grid
    return Grid(columns, pane, where)


def _text_grids(table: pa.Table, name: str, size: int) -> Iterator[tuple[str, NumericGrid]]:
    texts = text_values(table, name)
    for statistic in TextStatistic:
        yield f"{name}.{statistic}", numeric_grid(measure_text(texts, statistic), size, statistic)
