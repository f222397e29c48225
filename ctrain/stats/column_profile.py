"""What is known of one column: counts on its grid and moments, both mergeable.

Sums run over sorted terms, so that a merge gives the same bits whatever the order of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ctrain.stats.column_grid import ColumnGrid, Counts, narrow
from ctrain.stats.moments import Moments, merge_moments, sorted_sum


@dataclass(frozen=True, slots=True, eq=False)
class ColumnProfile:
    """Counts of one column; ``cells`` is ascending and holds occupied cells only.

    NaN counts as null. ``mean``, ``squares`` (sum of squared deviations from the mean),
    ``minimum`` and ``maximum`` are of the finite values, 0 or None where there are none.
    ``below`` and ``above`` are the sums of the finite values before the first and after the last grid
    value: with the counts, they give a Wasserstein distance its tails.
    ``unseen`` counts values of categories that the reference did not have.
    """

    rows: int
    nulls: int
    negative_infinities: int
    positive_infinities: int
    unseen: int
    cells: Counts
    counts: Counts
    mean: float = 0.0
    squares: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    below: float = 0.0
    above: float = 0.0

    @property
    def values(self) -> int:
        """Rows that are not null."""
        return self.rows - self.nulls

    @property
    def infinities(self) -> int:
        return self.negative_infinities + self.positive_infinities

    @property
    def finite(self) -> int:
        return self.values - self.infinities

    @property
    def null_rate(self) -> float:
        """Share of null rows; NaN of no rows."""
        return self.nulls / self.rows if self.rows else float("nan")

    @property
    def variance(self) -> float:
        """Sample variance of the finite values; NaN of fewer than two."""
        return self.squares / (self.finite - 1) if self.finite > 1 else float("nan")

    def narrowed(self) -> ColumnProfile:
        """Return the same in less memory, for what is kept."""
        return replace(self, cells=narrow(self.cells), counts=narrow(self.counts))

    def distribution(self, grid: ColumnGrid) -> Counts:
        """Return the count of every cell of ``grid``."""
        dense = np.zeros(grid.cells, dtype=np.int64)
        dense[self.cells] = self.counts
        return dense


def merge_columns(parts: Sequence[ColumnProfile]) -> ColumnProfile:
    """Return the profile of one column over the rows of all parts."""
    if len(parts) == 2:
        return _merge_two(*parts)
    cells, counts = _merge_counts(parts)
    moments = merge_moments([Moments(part.finite, part.mean, part.squares) for part in parts])
    return ColumnProfile(
        rows=sum(part.rows for part in parts),
        nulls=sum(part.nulls for part in parts),
        negative_infinities=sum(part.negative_infinities for part in parts),
        positive_infinities=sum(part.positive_infinities for part in parts),
        unseen=sum(part.unseen for part in parts),
        cells=cells,
        counts=counts,
        mean=moments.mean,
        squares=moments.squares,
        minimum=min((part.minimum for part in parts if part.minimum is not None), default=None),
        maximum=max((part.maximum for part in parts if part.maximum is not None), default=None),
        below=sorted_sum([part.below for part in parts]),
        above=sorted_sum([part.above for part in parts]),
    )


def _merge_two(one: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    """Return what ``merge_columns`` does, of two parts: nearly all merges of panes are."""
    cells, counts = _merge_counts((one, other))
    n, ours, theirs = one.finite + other.finite, one.finite, other.finite
    mean = squares = 0.0
    if n:
        mean = float(ours / n * one.mean) + float(theirs / n * other.mean)
        our_distance, their_distance = one.mean - mean, other.mean - mean
        squares = float(one.squares + ours * (our_distance * our_distance)) + float(
            other.squares + theirs * (their_distance * their_distance)
        )
    return ColumnProfile(
        rows=one.rows + other.rows,
        nulls=one.nulls + other.nulls,
        negative_infinities=one.negative_infinities + other.negative_infinities,
        positive_infinities=one.positive_infinities + other.positive_infinities,
        unseen=one.unseen + other.unseen,
        cells=cells,
        counts=counts,
        mean=mean,
        squares=squares,
        minimum=_outermost(min, one.minimum, other.minimum),
        maximum=_outermost(max, one.maximum, other.maximum),
        below=float(one.below) + float(other.below),
        above=float(one.above) + float(other.above),
    )


def _outermost(
    choose: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def _merge_counts(parts: Sequence[ColumnProfile]) -> tuple[Counts, Counts]:
    """Return the occupied cells of all parts, and their counts: added up densely, without a sort."""
    dense = np.zeros(max((int(part.cells[-1]) + 1 for part in parts if len(part.cells)), default=0), np.int64)
    for part in parts:
        dense[part.cells] += part.counts
    cells = np.flatnonzero(dense)
    return cells, dense[cells]
