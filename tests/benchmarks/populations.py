"""Features with a known distribution, drawn as counts: a multinomial over the cells of a grid.

Drawing the counts of n rows has the law of drawing n rows and counting them, and costs the same for a
hundred rows and for a million.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.grid import CategoricalGrid, ColumnGrid, Grid, NumericGrid, numeric_grid
from ctrain.stats.profile import Profile

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
SAMPLE_ROWS = 100_000
CATEGORIES = 10


@dataclass(frozen=True)
class Feature:
    """One column: its grid, the probability of each cell, and its rate of missing values."""

    name: str
    grid: ColumnGrid
    probabilities: Floats
    values: Floats
    """A typical value of each cell, for moments; zeros for categories."""
    nulls: float = 0.0

    def draw(self, rng: np.random.Generator, rows: int) -> Counts:
        """Counts of the cells; the last place is missing values."""
        shares = np.append(self.probabilities * (1 - self.nulls), self.nulls)
        return rng.multinomial(rows, shares / shares.sum())

    def column(self, counts: Counts) -> ColumnProfile:
        """The profile of what was drawn."""
        cells, rows, nulls = counts[:-1], int(counts.sum()), int(counts[-1])
        occupied = np.flatnonzero(cells)
        if isinstance(self.grid, CategoricalGrid) or not occupied.size:
            return ColumnProfile(rows, nulls, 0, 0, 0, occupied, cells[occupied])
        weights, values = cells[occupied].astype(float), self.values[occupied]
        mean = float(weights @ values / weights.sum())
        return ColumnProfile(
            rows=rows,
            nulls=nulls,
            negative_infinities=0,
            positive_infinities=0,
            unseen=0,
            cells=occupied,
            counts=cells[occupied],
            mean=mean,
            squares=float(weights @ (values - mean) ** 2),
            minimum=float(values[0]),
            maximum=float(values[-1]),
            below=float(cells[1] * self.values[1]),
            above=float(cells[-2] * self.values[-2]),
        )


def numeric(name: str, rng: np.random.Generator, law: object, grid: NumericGrid | None = None) -> Feature:
    """A column of a frozen scipy distribution, on the grid of a sample of it unless one is given."""
    dist = law
    grid = grid or numeric_grid(np.asarray(dist.rvs(SAMPLE_ROWS, random_state=rng), dtype=np.float64))  # type: ignore[attr-defined]  # scipy's frozen distributions have no common type
    points = grid.points
    up_to = np.asarray(dist.cdf(points))  # type: ignore[attr-defined]  # the same
    at = np.asarray(dist.pmf(points)) if hasattr(dist, "pmf") else np.zeros(len(points))
    shares = np.zeros(grid.cells)
    shares[2:-1:2] = at
    shares[1::2] = np.diff(np.concatenate([[0.0], up_to, [1.0]])) - np.append(at, 0.0)
    low, high = float(dist.ppf(1e-7)), float(dist.ppf(1 - 1e-7))  # type: ignore[attr-defined]  # the same
    edges = np.concatenate([[min(low, points[0])], points, [max(high, points[-1])]])
    values = np.zeros(grid.cells)
    values[2:-1:2] = points
    values[1::2] = (edges[:-1] + edges[1:]) / 2
    return Feature(name, grid, np.maximum(shares, 0.0), values)


def categorical(name: str, shares: Sequence[float]) -> Feature:
    """A column of categories with these shares."""
    grid = CategoricalGrid(tuple(f"c{place:02d}" for place in range(len(shares))))
    return Feature(name, grid, np.append(shares, 0.0), np.zeros(grid.cells))


def stationary(seed: int, number: int = 30) -> list[Feature]:
    """Normal, exponential, lognormal and integer columns and categories in turn."""
    rng = np.random.default_rng(seed)
    kinds: tuple[Callable[[str], Feature], ...] = (
        lambda name: numeric(f"normal_{name}", rng, stats.norm()),
        lambda name: numeric(f"exponential_{name}", rng, stats.expon()),
        lambda name: numeric(f"lognormal_{name}", rng, stats.lognorm(1.0)),
        lambda name: numeric(f"integers_{name}", rng, stats.poisson(20)),
        lambda name: categorical(f"categories_{name}", rng.dirichlet(np.full(CATEGORIES, 2.0)).tolist()),
    )
    return [kinds[place % len(kinds)](str(place)) for place in range(number)]


def grid_of(features: Sequence[Feature]) -> Grid:
    return Grid({one.name: one.grid for one in features})


def draw(features: Sequence[Feature], rng: np.random.Generator, rows: int) -> list[Counts]:
    return [one.draw(rng, rows) for one in features]


def profile(features: Sequence[Feature], grid: Grid, counts: Sequence[Counts]) -> Profile:
    """The profile of rows whose counts were drawn."""
    columns = {one.name: one.column(found) for one, found in zip(features, counts, strict=True)}
    return Profile(grid.name, int(counts[0].sum()), columns)
