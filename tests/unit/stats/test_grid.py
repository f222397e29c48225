"""Grids: where values are counted, what identifies a grid, and which columns are left out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

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
    assert numeric_grid(np.array(values, dtype=float)) == NumericGrid(expected)


def test_large_references_keep_quantiles_extremes_and_atoms() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=50_000), np.full(200, 0.123)])
    grid = numeric_grid(values, size=1024)
    assert len(grid.points) <= 1024
    assert {values.min(), values.max(), 0.123} <= set(grid.points)
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
    with pytest.raises(ValueError, match="unknown version of a grid: 1; this ctrain reads 2"):
        Grid.from_json({"version": 1, "pane_seconds": None, "columns": {"x": {"values": [1.0]}}})


KINDS = pa.table(
    {
        "x": [0.5, 2.0, None],
        "c": ["a", "b", None],
        "flag": [True, None, False],
        "day": pa.array([date(2024, 1, 1), date(1969, 12, 31), None]),
        "note": ["Größe: 3 m", "", None],
    }
)
KINDS_GRID = build_grid(KINDS, ["x"], ["c"], boolean=["flag"], date=["day"], text=["note"])


def test_every_kind_of_column_has_a_grid_that_knows_how_to_read_it() -> None:
    columns = KINDS_GRID.columns
    statistics = ["length", "words", "digits", "upper", "punctuation", "whitespace", "non_ascii"]
    assert list(columns) == ["x", "c", "flag", "day", *(f"note.{name}" for name in statistics)]
    assert columns["flag"] == CategoricalGrid(("false", "true"), boolean=True)
    assert columns["day"] == NumericGrid((-1.0, 19723.0), "date")
    read = {name: grid.read(KINDS, name) for name, grid in columns.items() if isinstance(grid, NumericGrid)}
    assert read["day"].tolist()[:2] == [19723.0, -1.0]
    measured = [read[f"note.{name}"].tolist()[:2] for name in statistics]
    assert measured == [[10, 0], [3, 0], [0.1, 0], [0.1, 0], [0.1, 0], [0.2, 0], [0.2, 0]]
    assert all(np.isnan(values[2]) for values in read.values())
    assert Grid.from_json(KINDS_GRID.to_json()) == KINDS_GRID


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([1.0, None, 0.0]), ["true", None, "false"]),
        (pa.array([1, 0, 7], pa.uint8()), ["true", "false", "other"]),
        (pa.array(["true", "yes", None]), ["true", "yes", None]),
        (pa.array(["true", None]).dictionary_encode(), ["true", None]),
        (pa.array([-0.0, NAN]), ["false", None]),
    ],
)
def test_booleans_are_read_however_they_are_stored(values: pa.Array, read: list[str | None]) -> None:
    flag = KINDS_GRID.columns["flag"]
    assert isinstance(flag, CategoricalGrid)
    assert flag.read(pa.table({"flag": values}), "flag").to_pylist() == read


@pytest.mark.parametrize(
    ("values", "days"),
    [
        (pa.array([0, 86_400_000 * 3], pa.date64()), [0, 3]),
        (pa.array([0, 36 * 3600], pa.timestamp("s", "Europe/Berlin")), [0, 1.5]),
        (pa.array([-1, 86_400 * 10**9], pa.timestamp("ns")), [0, 1]),
        (pa.array(["1970-01-02", "1970-01-03"]), [1, 2]),
        (pa.array([1.0, 2.5]), [1, 2.5]),
        (pa.array(["tomorrow", "1970-01-03"]), [NAN, NAN]),
    ],
)
def test_dates_are_days_since_1970(values: pa.Array, days: list[float]) -> None:
    read = KINDS_GRID.columns["day"].read(pa.table({"day": values}), "day")
    np.testing.assert_allclose(read, days, rtol=0, atol=1e-9)


def test_the_rows_that_are_counted_belong_to_the_name() -> None:
    grids = [Grid(KINDS_GRID.columns, where=where) for where in (None, ("c", "a"), ("c", "b"), ("c", None))]
    assert len({grid.name for grid in grids}) == 4
    assert [Grid.from_json(grid.to_json()) for grid in grids] == grids


def test_two_columns_of_one_name_are_refused() -> None:
    rows = pa.table({"note": ["a"], "note.length": [1]})
    with pytest.raises(ValueError, match=r"two columns of a grid would be called 'note.length'"):
        build_grid(rows, ["note.length"], [], text=["note"])


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
        (
            "m",
            [m.month if place % 40 else -1 for place, m in enumerate(EVENT_AT)],
            "it is the month of the event",
        ),
        (
            "m",
            [m.month if place % 41 == 7 else None for place, m in enumerate(EVENT_AT)],
            "it is the month of",
        ),
        (
            "w",
            [m.weekday() if place % 48 else None for place, m in enumerate(EVENT_AT)],
            "it is the weekday of",
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
