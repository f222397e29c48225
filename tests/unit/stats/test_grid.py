"""Grids: where values are counted, what identifies a grid, and which columns are left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ctrain.stats.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    build_grid,
    categorical_grid,
    numeric_grid,
)
from ctrain.stats.screening import CLOCK_NOTE, DATE_NOTE, ID_NOTE, TIME_NOTE, leave_out

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([3, 1, 2, 1], (1, 2, 3), id="distinct and sorted"),
        pytest.param([NAN, INF, -INF, 5], (5,), id="neither NaN nor infinities"),
        pytest.param([], (), id="empty"),
        pytest.param([NAN, NAN], (), id="all missing"),
        pytest.param([-0.0, 0.0], (0.0,), id="one zero"),
    ],
)
def test_small_references_keep_every_value(values: list[float], expected: tuple[float, ...]) -> None:
    assert numeric_grid(np.array(values, dtype=float)).values == expected


def test_large_references_keep_quantiles_extremes_and_atoms() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=50_000), np.full(200, 0.123)])
    grid = numeric_grid(values, size=1024)
    assert len(grid.values) <= 1024
    assert {values.min(), values.max(), 0.123} <= set(grid.values)
    open_mass = grid.count(values)[1::2] / len(values)
    assert open_mass.max() <= 1 / 1023


@pytest.mark.parametrize("known", [(), (0.0,), (-1.0, 0.5, 2.0)])
def test_locate_and_count_agree_cell_by_cell(known: tuple[float, ...]) -> None:
    rng = np.random.default_rng(2)
    grid = NumericGrid(known)
    values = np.concatenate([rng.normal(size=1000), np.repeat([-1.0, 0.0, 0.5, 2.0, INF, -INF], 7)])
    located = np.bincount(grid.locate(values), minlength=grid.cells)
    assert located.tolist() == grid.count(values).tolist()
    assert located.sum() == len(values)


def test_count_adds_up_over_sorted_blocks() -> None:
    values = np.random.default_rng(3).integers(0, 50, size=150_000).astype(float)
    counts = NumericGrid(tuple(float(value) for value in range(50))).count(values)
    assert counts[2:-1:2].tolist() == np.bincount(values.astype(int)).tolist()
    assert counts[1::2].sum() == 0


def test_categories_beyond_the_limit_fall_into_the_rest() -> None:
    grid = categorical_grid(pa.chunked_array([["a", "a", "c", "c", "b", None]]), size=2)
    assert grid == CategoricalGrid(("a", "c"), complete=False)
    assert grid.locate(pa.chunked_array([["c", "b", "new", None]])).tolist() == [1, 2, 2, -1]


def test_the_name_is_the_content() -> None:
    rows = pa.table({"x": [0.1, 0.2, 1e300], "c": ["a", "b", "ä"], "flag": [True, False, None]})
    grid = build_grid(rows, ["x"], ["c", "flag"])
    again = Grid.from_json(grid.to_json())
    assert again == grid
    assert again.name == grid.name
    assert build_grid(rows.slice(1), ["x"], ["c", "flag"]).name != grid.name
    assert grid.columns["flag"] == CategoricalGrid(("false", "true"))


def test_another_version_of_a_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown version of a grid: 2"):
        Grid.from_json({"version": 2, "columns": {}})


ROWS = 24 * 200
EVENT_AT = [datetime(2013, 3, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(ROWS)]
LOCAL = [moment - timedelta(hours=5) for moment in EVENT_AT]
RNG = np.random.default_rng(4)


@pytest.mark.parametrize(
    ("name", "values", "note"),
    [
        ("month", [moment.month for moment in EVENT_AT], "left out: it is the month of the event time"),
        ("m", [float(moment.month - 1) for moment in LOCAL], "left out: it is the month of the event time"),
        ("day_of_year", [moment.timetuple().tm_yday for moment in LOCAL], "day of the year"),
        ("dow", [moment.isoweekday() for moment in LOCAL], "left out: it is the weekday of the event time"),
        ("year", [2013] * ROWS, "left out: it is the year of the event time"),
        (
            "ordinal",
            [moment.date().toordinal() for moment in EVENT_AT],
            "left out: it is the day of the year",
        ),
        ("month_sin", [np.sin(moment.month) for moment in EVENT_AT], DATE_NOTE),
        ("weekday", [f"{moment:%A}" for moment in LOCAL], DATE_NOTE),
        ("sequence", list(range(ROWS)), CLOCK_NOTE),
        ("key", [f"id-{place}" for place in range(ROWS)], ID_NOTE),
        ("seen_at", EVENT_AT, TIME_NOTE),
    ],
)
def test_columns_that_differ_by_nature_are_left_out(name: str, values: list[object], note: str) -> None:
    assert note in leave_out(pa.table({"event_at": EVENT_AT, name: values}))[name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hour", [moment.hour for moment in EVENT_AT]),
        ("x", RNG.normal(size=ROWS)),
        ("constant", [7.0] * ROWS),
        ("flag_of_the_year", [moment.year == 2013 for moment in EVENT_AT]),
        ("carrier", RNG.choice(list("abc"), ROWS)),
        ("max_temp_day", np.repeat(RNG.normal(size=200), 24)),
        ("daily_rate", np.repeat(RNG.normal(size=200), 24)),
        ("trend", np.arange(ROWS) / ROWS + RNG.normal(0, 0.1, ROWS)),
        ("days_since", RNG.integers(0, 30, ROWS)),
        ("missing", pa.nulls(ROWS, pa.float64())),
    ],
)
def test_ordinary_columns_stay(name: str, values: list[float]) -> None:
    assert leave_out(pa.table({"event_at": EVENT_AT, name: values})) == {}
