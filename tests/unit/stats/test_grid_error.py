"""KS on profiles against scipy: exact where the grid holds every value, within the bound elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ctrain.stats.grid import Grid, build_grid
from ctrain.stats.grid_error import LARGEST_ERROR, grid_error, outgrown_columns
from ctrain.stats.profile import Profile, merge, profile_table
from ctrain.stats.two_sample import KsResult, ks_from_counts

Floats = NDArray[np.float64]


def table_of(values: Floats) -> pa.Table:
    return pa.table({"x": pa.array(values)})


def ks_on(grid: Grid, reference: Profile, current: Profile) -> KsResult:
    column = grid.columns["x"]
    before, now = reference.columns["x"], current.columns["x"]
    return ks_from_counts(before.distribution(column), now.distribution(column))


values = st.lists(
    st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 1.0, np.inf, -np.inf]), st.floats(allow_nan=False)),
    min_size=1,
    max_size=60,
)


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@settings(deadline=None, max_examples=80)
@given(before=values, now=values)
def test_exact_when_the_grid_holds_every_distinct_value(before: list[float], now: list[float]) -> None:
    x, y = np.array(before), np.array(now)
    grid = build_grid(table_of(x), ["x"], [])
    profiles = [profile_table(table_of(one), grid) for one in (x, y)]
    found = ks_on(grid, *profiles)
    assert found.statistic == pytest.approx(ks_2samp(x, y).statistic, abs=1e-12)
    assert found.error_bound == grid_error(grid, *profiles)["x"] == 0.0


def test_values_between_atoms_are_exact() -> None:
    x, y = np.repeat([0.0, 1.0], [100, 900]), np.full(1000, 0.5)
    grid = build_grid(table_of(x), ["x"], [])
    found = ks_on(grid, profile_table(table_of(x), grid), profile_table(table_of(y), grid))
    assert found.statistic == pytest.approx(0.9)
    assert found.error_bound == 0.0


DRAWS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "atom": lambda rng, n: np.where(rng.uniform(size=n) < 0.3, 0.0, rng.exponential(size=n)),
    "integers": lambda rng, n: rng.integers(0, 5000, n).astype(float),
}


@pytest.mark.parametrize("name", DRAWS)
def test_within_the_reported_bound_also_after_six_sigma_and_a_new_grid(name: str) -> None:
    rng = np.random.default_rng([3, *map(ord, name)])
    x, y = DRAWS[name](rng, 20_000), DRAWS[name](rng, 30_000) * 1.1
    moved = [y + 6 * np.std(x), DRAWS[name](rng, 25_000) * 1.2 + 6 * np.std(x)]
    old = build_grid(table_of(x), ["x"], [])
    new = build_grid(table_of(moved[0]), ["x"], [])
    cases: list[tuple[Grid, Floats, Floats]] = [
        *((old, x, y), (old, x, moved[0]), (old, moved[0], moved[1])),
        *((new, moved[0], moved[1]), (new, x, y)),
    ]
    for grid, before, now in cases:
        profiles = [profile_table(table_of(one), grid) for one in (before, now)]
        found, expected = ks_on(grid, *profiles), ks_2samp(before, now).statistic
        assert found.statistic <= expected + 1e-12
        assert expected <= found.statistic + found.error_bound + 1e-12
        assert grid_error(grid, *profiles)["x"] == found.error_bound


def test_a_column_that_moved_away_needs_a_new_grid() -> None:
    rng = np.random.default_rng(5)
    x, moved = rng.normal(size=20_000), rng.normal(6, 1, 20_000)
    old, new = (build_grid(table_of(one), ["x"], []) for one in (x, moved))
    before, now = (profile_table(table_of(one), old) for one in (x, moved))
    assert outgrown_columns(old, before, now) == ()
    assert outgrown_columns(old, now, now) == ("x",)
    assert grid_error(old, now, now)["x"] > 0.9
    on_new = profile_table(table_of(moved), new)
    assert grid_error(new, on_new, on_new)["x"] < LARGEST_ERROR
    assert outgrown_columns(new, on_new, on_new) == ()


def test_panes_say_what_the_whole_says() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=5000), rng.normal(0.2, 1, 5000)
    grid = build_grid(table_of(x), ["x"], [])
    reference = profile_table(table_of(x), grid)
    parts = merge([profile_table(table_of(part), grid) for part in np.array_split(y, 37)])
    assert ks_on(grid, reference, parts) == ks_on(grid, reference, profile_table(table_of(y), grid))


def test_columns_without_values_have_no_error() -> None:
    grid = build_grid(pa.table({"x": [1.0], "c": ["a"]}), ["x"], ["c"])
    empty = profile_table(pa.table({"x": pa.nulls(3), "c": pa.nulls(3)}), grid)
    assert grid_error(grid, empty, empty) == {"x": 0.0}
