"""Tallies: a column counted block by block is the column counted at once, and numpy's moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from ctrain.stats.column_grid import NumericGrid, categorical_grid, numeric_grid
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.tally import CategoricalTally, NumericTally

N = 90_000
RNG = np.random.default_rng(7)
NORMAL = RNG.normal(size=N)
MISSING = RNG.uniform(size=N) < 0.05
VALUES: dict[str, Any] = {
    "normal": pa.array(NORMAL),
    "nulls": pa.array(NORMAL, mask=MISSING),
    "mostly null": pa.array(NORMAL, mask=RNG.uniform(size=N) < 0.9),
    "NaN": pa.array(np.where(MISSING, np.nan, NORMAL)),
    "nulls and NaN": pa.array(np.where(MISSING, np.nan, NORMAL), mask=np.roll(MISSING, 7)),
    "the first are null": pa.array(NORMAL, mask=np.arange(N) < 100),
    "infinities": pa.array(np.where(MISSING, np.inf, np.where(np.roll(MISSING, 3), -np.inf, NORMAL))),
    "six sigma away": pa.array(NORMAL + 6, mask=MISSING),
    "a thousand sigma away": pa.array(NORMAL * 1e-3 + 1e6),
    "huge outliers": pa.array(np.where(MISSING, 1e308, NORMAL)),
    "constant": pa.array(np.full(N, 0.1)),
    "single precision": pa.array(NORMAL.astype(np.float32)),
    "small integers": pa.array(RNG.integers(-3, 4, N).astype(np.int8)),
    "unsigned extremes": pa.array(RNG.choice(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64), N)),
    "signed extremes": pa.array(RNG.choice(np.array([-(2**63), 0, 2**63 - 1]), N)),
    "null integers": pa.array(RNG.integers(-3, 4, N), mask=MISSING),
    "all null": pa.nulls(N, pa.float64()),
    "no type": pa.nulls(N),
    "decimals": pa.array(RNG.integers(-300, 400, N)).cast(pa.decimal128(20, 0)),
    "dictionary": pa.array(RNG.integers(-3, 4, N).astype(float)).dictionary_encode(),
    "numbers as strings": pa.array(np.round(NORMAL, 2).astype(str)),
    "booleans": pa.array(MISSING),
}
GRIDS: dict[str, Callable[[], NumericGrid]] = {
    "quantiles": lambda: numeric_grid(np.random.default_rng(8).normal(size=20_000)),
    "whole": lambda: NumericGrid(tuple(float(value) for value in range(-3, 3))),
    "none": lambda: NumericGrid(()),
}


def as_numbers(values: Any) -> NDArray[np.float64]:
    plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    return np.asarray(plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=float)


def tallied(values: Any, grid: NumericGrid, cuts: list[int]) -> ColumnProfile:
    tally = NumericTally("x", grid)
    for start, end in zip([0, *cuts], [*cuts, N], strict=True):
        tally.add(pa.table({"x": values.slice(start, end - start)}))
    return tally.profile()


@pytest.mark.parametrize("grid_name", GRIDS)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("cuts", [[], [13, 70_001]], ids=["whole", "parts"])
def test_counts_and_moments_are_those_of_numpy(name: str, grid_name: str, cuts: list[int]) -> None:
    grid, values = GRIDS[grid_name](), VALUES[name]
    numbers = as_numbers(values)
    known = numbers[~np.isnan(numbers)]
    finite = known[np.isfinite(known)]
    found = tallied(values, grid, cuts)
    expected = np.bincount(grid.locate(known), minlength=grid.cells)
    assert found.distribution(grid).tolist() == expected.tolist()
    assert (found.rows, found.nulls, found.finite) == (N, N - len(known), len(finite))
    if not len(finite):
        assert (found.mean, found.squares, found.minimum, found.maximum) == (0.0, 0.0, None, None)
        return
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    scale = np.abs(finite).max()
    assert found.mean / scale == pytest.approx(np.mean(finite / scale), rel=1e-12, abs=1e-13)
    if scale < 1e150:
        assert found.squares == pytest.approx(np.var(finite) * len(finite), rel=1e-9, abs=1e-9)
    if len(grid.points):
        below, above = finite[finite < grid.points[0]] / scale, finite[finite > grid.points[-1]] / scale
        if scale < 1e300:
            assert found.below / scale == pytest.approx(below.sum(), rel=1e-12)
            assert found.above / scale == pytest.approx(above.sum(), rel=1e-12)


def test_strings_that_are_no_numbers_are_null_one_by_one() -> None:
    tally = NumericTally("x", NumericGrid((1.0, 2.0)))
    tally.add(pa.table({"x": ["1", "two", None, "2.0", " 3", "1e0", "", "0x10"]}))
    found = tally.profile()
    assert (found.nulls, found.distribution(NumericGrid((1.0, 2.0))).tolist()) == (5, [0, 0, 2, 0, 1, 0, 0])


@pytest.mark.parametrize("encoded", [False, True])
def test_categories_in_parts_and_as_dictionaries(encoded: bool) -> None:
    words = RNG.choice(["a", "b", "new"], 1000)
    values = pa.array(words, mask=MISSING[:1000])
    values = values.dictionary_encode() if encoded else values
    grid = categorical_grid(pa.chunked_array([["a", "b", "c"]]))
    tally = CategoricalTally("c", grid)
    for start in range(0, 1000, 300):
        tally.add(pa.table({"c": values.slice(start, 300)}))
    found = tally.profile()
    known = words[~MISSING[:1000]]
    assert found.distribution(grid).tolist() == [*((known == word).sum() for word in "abc"), found.unseen]
    assert found.unseen == (known == "new").sum()
    assert (found.rows, found.nulls) == (1000, MISSING[:1000].sum())
