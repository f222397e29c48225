"""Profiles: merging parts in any order gives the profile of the whole."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.stats.grid import Grid, build_grid
from ctrain.stats.profile import Profile, merge, profile_panes, profile_table

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

numbers = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]),
    st.floats(-1e6, 1e6),
)
words = st.one_of(st.none(), st.sampled_from(["a", "b", "new", "", "Ä 1, 2"]))
days = st.one_of(st.none(), st.dates(date(1969, 12, 1), date(2030, 1, 1)))
Row = tuple[float | None, str | None, bool | None, date | None, int]
row_lists = st.lists(
    st.tuples(numbers, words, st.sampled_from([True, False, None]), days, st.integers(0, 5)), max_size=60
)


def table_of(rows: list[Row]) -> pa.Table:
    """Return rows with a column of every kind; the words are read as categories and as text."""
    return pa.table(
        {
            "event_at": pa.array([START + row[4] * HOUR for row in rows], pa.timestamp("us", "UTC")),
            "x": pa.array([row[0] for row in rows], pa.float64()),
            "c": pa.array([row[1] for row in rows], pa.string()),
            "flag": pa.array([row[2] for row in rows], pa.bool_()),
            "day": pa.array([row[3] for row in rows], pa.date32()),
            "note": pa.array([row[1] for row in rows], pa.string()),
        }
    )


REFERENCE = table_of(
    [
        (0.0, "a", True, date(2000, 1, 1), 0),
        (1.0, "b", None, date(2010, 1, 1), 0),
        (2.5, "b", False, None, 0),
        (-7.0, None, True, date(2000, 1, 1), 0),
    ]
)
GRID = build_grid(REFERENCE, ["x"], ["c"], boolean=["flag"], date=["day"], text=["note"])


FLOATS = ("mean", "squares", "below", "above")


def counted(profile: Profile, grid: Grid = GRID) -> dict[str, object]:
    """Everything that is a whole number, and the extremes."""
    return {
        name: (
            found.rows,
            found.nulls,
            found.negative_infinities,
            found.positive_infinities,
            found.unseen,
            found.distribution(grid.columns[name]).tolist(),
            found.minimum,
            found.maximum,
        )
        for name, found in profile.columns.items()
    } | {"rows": profile.rows, "grid": profile.grid}


def assert_same_moments(profile: Profile, expected: Profile) -> None:
    for name, one in profile.columns.items():
        other = expected.columns[name]
        assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-6)
        assert one.squares == pytest.approx(other.squares, rel=1e-9, abs=1e-3)
        assert one.below == pytest.approx(other.below, rel=1e-9, abs=1e-6)
        assert one.above == pytest.approx(other.above, rel=1e-9, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(rows=row_lists, cuts=st.lists(st.integers(0, 60), max_size=5), data=st.data())
def test_merging_parts_in_any_order_gives_the_whole(
    rows: list[Row], cuts: list[int], data: st.DataObject
) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [profile_table(table_of(rows[start:end]), GRID) for start, end in itertools.pairwise(edges)]
    whole = profile_table(table_of(rows), GRID)
    merged = merge(data.draw(st.permutations(parts)))
    assert counted(merged) == counted(whole)
    assert_same_moments(merged, whole)
    assert merge(parts).to_bytes() == merged.to_bytes()


@settings(deadline=None, max_examples=40)
@given(first=row_lists, second=row_lists, third=row_lists)
def test_merge_is_associative(
    first: list[Row],
    second: list[Row],
    third: list[Row],
) -> None:
    a, b, c = (profile_table(table_of(rows), GRID) for rows in (first, second, third))
    left, right = merge([merge([a, b]), c]), merge([a, merge([b, c])])
    assert counted(left) == counted(right) == counted(merge([a, b, c]))
    assert_same_moments(left, right)


@settings(deadline=None, max_examples=40)
@given(rows=row_lists)
def test_panes_in_one_pass_equal_each_pane_alone(rows: list[Row]) -> None:
    panes = profile_panes(table_of(rows), GRID, 2 * HOUR)
    assert list(panes) == sorted({START + 2 * (row[4] // 2) * HOUR for row in rows})
    for start, found in panes.items():
        alone = profile_table(
            table_of([row for row in rows if START + 2 * (row[4] // 2) * HOUR == start]), GRID
        )
        assert counted(found) == counted(alone)
        assert_same_moments(found, alone)


@settings(deadline=None, max_examples=40)
@given(rows=row_lists)
def test_bytes_keep_everything(rows: list[Row]) -> None:
    profile = profile_table(table_of(rows), GRID)
    again = Profile.from_bytes(profile.to_bytes())
    assert counted(again) == counted(profile)
    for name, found in profile.columns.items():
        exact = [getattr(one, key) for one in (again.columns[name], found) for key in FLOATS]
        assert exact[:4] == exact[4:]


def test_moments_are_those_of_numpy() -> None:
    values = np.random.default_rng(5).normal(1e6, 2.0, 10_000)
    rows = pa.table({"x": pa.array(values)})
    grid = build_grid(rows, ["x"], [])
    parts = [profile_table(rows.slice(start, 1000), grid) for start in range(0, 10_000, 1000)]
    found = merge(parts).columns["x"]
    assert found.mean == pytest.approx(values.mean(), rel=1e-14)
    assert found.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
    assert (found.minimum, found.maximum) == (values.min(), values.max())


def test_every_kind_of_missing_and_unseen_is_counted() -> None:
    rows = pa.table(
        {"x": [None, math.nan, math.inf, -math.inf, -math.inf, 9.0], "c": ["new", None, "a", "b", "", "a"]}
    )
    x, c = (profile_table(rows, GRID).columns[name] for name in ("x", "c"))
    assert (x.rows, x.nulls, x.positive_infinities, x.negative_infinities, x.finite) == (6, 2, 1, 2, 1)
    assert (c.rows, c.nulls, c.unseen) == (6, 1, 2)
    assert c.null_rate == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(pa.table({"y": [1, 2]}), id="column absent"),
        pytest.param(pa.table({"x": pa.nulls(2), "c": pa.nulls(2)}), id="all null without a type"),
        pytest.param(pa.table({"x": ["one", "two"], "c": [[1], [2]]}), id="types that cannot be cast"),
    ],
)
def test_columns_that_cannot_be_read_count_as_null(rows: pa.Table) -> None:
    found = profile_table(rows, GRID)
    assert {(part.rows, part.nulls) for part in found.columns.values()} == {(2, 2)}


def test_integers_booleans_and_dictionaries_are_read_by_value() -> None:
    rows = pa.table({"x": pa.array([1, 0, 1], pa.int8()), "c": pa.array(["a", "b", "a"]).dictionary_encode()})
    assert counted(profile_table(rows, GRID)) == counted(
        profile_table(pa.table({"x": [1.0, 0.0, 1.0], "c": ["a", "b", "a"]}), GRID)
    )


def test_an_empty_table_has_no_panes_and_an_empty_profile() -> None:
    empty = table_of([])
    assert profile_panes(empty, GRID, HOUR) == {}
    assert profile_table(empty, GRID).columns["x"].rows == 0


def test_merging_refuses_other_grids_and_nothing() -> None:
    other = profile_table(REFERENCE, build_grid(REFERENCE, ["x"], []))
    with pytest.raises(ValueError, match="only on one grid"):
        merge([profile_table(REFERENCE, GRID), other])
    with pytest.raises(ValueError, match="at least one is needed"):
        merge([])


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="ctrain-profile-2"):
        Profile.from_bytes(b"\x80\x04pickle")


def test_an_hour_of_forty_rows_is_small() -> None:
    rng = np.random.default_rng(6)
    reference = pa.table({f"x{place}": pa.array(rng.normal(size=20_000)) for place in range(10)})
    grid = build_grid(reference, reference.column_names, [])
    assert len(profile_table(reference.slice(0, 40), grid).to_bytes()) < 2500
