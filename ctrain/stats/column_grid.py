"""Grids of one column: the cells into which its values are counted, and how they are read.

A numeric grid is a sorted list of values taken from a reference. Its cells alternate along the
real line: a *point* cell for each grid value and an *open* cell for each gap between neighbours,
with a point cell for each infinity at the ends::

    cell    0     1        2     3         4     ...    2k+1          2k+2
          {-inf} (-inf,v1) {v1} (v1,v2)   {v2}   ...  (vk,+inf)      {+inf}

Point cells make ties and atoms exact: an empirical distribution function is known at every grid
value from both sides, whatever lies in the gaps. Where the reference has no more distinct values
than the grid, nothing of it falls into a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ctrain.stats.columns import Floats, boolean_values, date_values, numeric_values, text_values
from ctrain.stats.free_text import TextStatistic, measure_text

Counts = NDArray[np.int64]
Reading = Literal["number", "date"] | TextStatistic
"""How a column becomes numbers: as it is, as days since 1970-01-01, or as a statistic of its text."""

_WIDTHS = (np.int8, np.int16, np.int32, np.int64)
GRID_SIZE = 1024
MAX_CATEGORIES = 2000
_SORT_BLOCK = 1 << 16


def narrow(counts: Counts) -> Counts:
    """Return whole numbers >= 0 in the smallest type that holds them: for what is kept, not to add up.

    >>> narrow(np.array([3, 500])).dtype
    dtype('int16')
    """
    top = counts.max(initial=0)
    found: Any = counts.astype(next(width for width in _WIDTHS if top <= np.iinfo(width).max), copy=False)
    return cast("Counts", found)


class NumericGrid:
    """Sorted distinct finite values; ``2k + 3`` cells for ``k`` values. It does not change.

    >>> NumericGrid((0.0, 1.0)) == NumericGrid(np.array([0.0, 1.0]))
    True
    """

    __slots__ = ("_bounds", "reading")

    def __init__(self, values: Sequence[float] | Floats, reading: Reading = "number") -> None:
        self.reading = reading
        # -0.0 becomes 0.0, so that what is equal has the same bytes.
        self._bounds = np.concatenate([[-np.inf], np.asarray(values, dtype=np.float64) + 0.0, [np.inf]])
        self._bounds.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NumericGrid):
            return NotImplemented
        return self.reading == other.reading and np.array_equal(self._bounds, other._bounds)

    def __hash__(self) -> int:
        return hash((self.reading, self._bounds.tobytes()))

    def __repr__(self) -> str:
        return f"NumericGrid({self.points.tolist()}, {str(self.reading)!r})"

    @property
    def points(self) -> Floats:
        """The values, in order."""
        return self._bounds[1:-1]

    def source(self, column: str) -> str:
        """Return the column of a table that is counted under the name ``column``.

        >>> NumericGrid((), TextStatistic.WORDS).source("note.words")
        'note'
        """
        return column if self.reading in {"number", "date"} else column.removesuffix(f".{self.reading}")

    def read(self, table: pa.Table, column: str) -> Floats:
        """Return the values that are counted under the name ``column``, NaN for missing.

        A statistic of a text is counted as ``TEXT.STATISTIC`` and read from the text.
        """
        if self.reading == "number":
            return numeric_values(table, column)
        if self.reading == "date":
            return date_values(table, column)
        return measure_text(text_values(table, self.source(column)), self.reading)

    @property
    def cells(self) -> int:
        return 2 * len(self._bounds) - 1

    def locate(self, values: Floats) -> Counts:
        """Return the cell of each value; values must not be NaN.

        >>> NumericGrid((0.0, 1.0)).locate(np.array([-np.inf, -5, 0, 0.5, 1, np.inf])).tolist()
        [0, 1, 2, 3, 4, 6]
        """
        right = np.searchsorted(self._bounds, values, side="left")
        cells: Counts = (2 * right - (self._bounds[right] != values)).astype(np.int64)
        return cells

    def count(self, values: Floats) -> Counts:
        """Return how many of the values (none of them NaN) lie in each cell.

        Sorting short blocks and looking the grid up in them costs about half of looking up every
        value in the grid.

        >>> NumericGrid((0.0, 1.0)).count(np.array([0.0, 0.0, 0.5, 7.0])).tolist()
        [0, 0, 2, 1, 0, 1, 0]
        """
        below = np.zeros(len(self._bounds), dtype=np.int64)
        up_to = np.zeros(len(self._bounds), dtype=np.int64)
        for start in range(0, len(values), _SORT_BLOCK):
            block = np.sort(values[start : start + _SORT_BLOCK])
            below += np.searchsorted(block, self._bounds, side="left")
            up_to += np.searchsorted(block, self._bounds, side="right")
        counts = np.empty(self.cells, dtype=np.int64)
        counts[0::2] = up_to - below
        counts[1::2] = below[1:] - up_to[:-1]
        return counts


@dataclass(frozen=True)
class CategoricalGrid:
    """Categories in sorted order, one cell each, and a last cell for the rest.

    ``complete`` tells that the reference had no other category, so that the rest is unseen there;
    otherwise the reference had more than fit, and unseen cannot be told from rare.
    """

    categories: tuple[str, ...]
    complete: bool = True
    boolean: bool = False
    """The categories are ``false`` and ``true``, which may be stored as 0 and 1."""

    def source(self, column: str) -> str:
        """Return the column of a table that is counted under the name ``column``: itself."""
        return column

    def read(self, table: pa.Table, column: str) -> pa.ChunkedArray[Any]:
        """Return the values of a column as strings."""
        return boolean_values(table, column) if self.boolean else text_values(table, column)

    def find(self, table: pa.Table, column: str) -> Counts:
        """Return the cell of each row, -1 for null; of a dictionary only the entries are looked up.

        Without categories only presence matters, so that values of any type have a cell.

        >>> rows = pa.table({"c": pa.array(["b", None, "z", "b"]).dictionary_encode()})
        >>> CategoricalGrid(("a", "b")).find(rows, "c").tolist()
        [1, -1, 2, 1]
        >>> CategoricalGrid(()).find(pa.table({"c": [[1, 2], None]}), "c").tolist()
        [0, -1]
        """
        if column not in table.column_names or self.boolean:
            return self.locate(self.read(table, column))
        values = table.column(column)
        if not self.categories:
            return -pc.is_null(values, nan_is_null=True).to_numpy().astype(np.int64)
        if not _worth_looking_up(values):
            return self.locate(self.read(table, column))
        parts = [np.zeros(0, dtype=np.int64)]
        chunks: list[Any] = values.chunks
        for chunk in chunks:
            entries = np.append(self.locate(pa.chunked_array([chunk.dictionary])), -1)
            places: Any = pc.fill_null(pc.cast(chunk.indices, pa.int64()), len(entries) - 1)
            parts.append(entries[places.to_numpy(zero_copy_only=False)])
        return np.concatenate(parts)

    @property
    def cells(self) -> int:
        return len(self.categories) + 1

    @cached_property
    def _value_set(self) -> pa.StringArray:
        return pa.array(self.categories, pa.string())

    def locate(self, values: pa.ChunkedArray[Any]) -> Counts:
        """Return the cell of each value, -1 for null.

        >>> CategoricalGrid(("a", "b")).locate(pa.chunked_array([["b", None, "z"]])).tolist()
        [1, -1, 2]
        """
        rest = pa.scalar(len(self.categories), pa.int32())
        cells = pc.fill_null(pc.index_in(values, value_set=self._value_set), rest)
        known = pc.if_else(pc.is_valid(values), cells, pa.scalar(-1, pa.int32()))
        return np.asarray(known.to_numpy(), dtype=np.int64)


def _worth_looking_up(values: pa.ChunkedArray[Any]) -> bool:
    """Whether values are strings in dictionaries that are shorter than they."""
    if not (pa.types.is_dictionary(values.type) and pa.types.is_string(values.type.value_type)):
        return False
    chunks: list[Any] = values.chunks
    return sum(len(chunk.dictionary) for chunk in chunks) < len(values)


ColumnGrid = NumericGrid | CategoricalGrid


def numeric_grid(values: Floats, size: int = GRID_SIZE, reading: Reading = "number") -> NumericGrid:
    """Return the distinct finite values, or ``size`` of them on equally spaced quantiles.

    Every value that holds more than ``1 / (size - 1)`` of the rows is among them.

    >>> numeric_grid(np.array([3.0, np.nan, 1.0, 3.0, np.inf]))
    NumericGrid([1.0, 3.0], 'number')
    """
    ordered = np.sort(values[np.isfinite(values)])
    distinct = ordered[np.insert(ordered[1:] != ordered[:-1], 0, True)] if len(ordered) else ordered
    if len(distinct) > size:
        distinct = np.unique(ordered[np.arange(size) * (len(ordered) - 1) // (size - 1)])
    return NumericGrid(distinct, reading)


def categorical_grid(values: pa.ChunkedArray[Any], size: int = MAX_CATEGORIES) -> CategoricalGrid:
    """Return the categories, or the ``size`` most frequent ones (ties by name).

    >>> categorical_grid(pa.chunked_array([["b", "a", None, "b"]]))
    CategoricalGrid(categories=('a', 'b'), complete=True, boolean=False)
    """
    found = pc.value_counts(pc.drop_null(values))
    names = [str(name) for name in found.field("values").to_pylist()]
    counts = found.field("counts").to_numpy(zero_copy_only=False).tolist()
    return frequent_categories(dict(zip(names, counts, strict=True)), size)


def frequent_categories(
    counts: Mapping[str, int], size: int = MAX_CATEGORIES, *, complete: bool = True
) -> CategoricalGrid:
    """Return the grid of the ``size`` most frequent categories; ``complete`` counts have all there are.

    >>> frequent_categories({"a": 1, "b": 3, "c": 1}, size=2)
    CategoricalGrid(categories=('a', 'b'), complete=False, boolean=False)
    """
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return CategoricalGrid(tuple(sorted(ranked[:size])), complete=complete and len(counts) <= size)


BOOLEAN_GRID = CategoricalGrid(("false", "true"), complete=True, boolean=True)
