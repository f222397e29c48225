"""Profiles: merging parts in any order gives the profile of the whole."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.stats.grid import Grid, build_grid
from ctrain.stats.profile import ColumnProfile, Profile, merge, profile_panes, profile_table

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

numbers = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]),
    st.floats(-1e6, 1e6),
)
words = st.one_of(st.none(), st.sampled_from(["a", "b", "new", ""]))
row_lists = st.lists(st.tuples(numbers, words, st.integers(0, 5)), max_size=60)

REFERENCE = pa.table({"x": [0.0, 1.0, 2.5, -7.0], "c": ["a", "b", "b", None]})
GRID = build_grid(REFERENCE, ["x"], ["c"])


def table_of(rows: list[tuple[float | None, str | None, int]]) -> pa.Table:
    return pa.table(
        {
            "event_at": pa.array([START + hour * HOUR for _, _, hour in rows], pa.timestamp("us", "UTC")),
            "x": pa.array([x for x, _, _ in rows], pa.float64()),
            "c": pa.array([c for _, c, _ in rows], pa.string()),
        }
    )


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


def assert_same_moments(one: ColumnProfile, other: ColumnProfile) -> None:
    assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-6)
    assert one.squares == pytest.approx(other.squares, rel=1e-9, abs=1e-3)


@settings(deadline=None, max_examples=60)
@given(rows=row_lists, cuts=st.lists(st.integers(0, 60), max_size=5), data=st.data())
def test_merging_parts_in_any_order_gives_the_whole(
    rows: list[tuple[float | None, str | None, int]], cuts: list[int], data: st.DataObject
) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [profile_table(table_of(rows[start:end]), GRID) for start, end in itertools.pairwise(edges)]
    whole = profile_table(table_of(rows), GRID)
    merged = merge(data.draw(st.permutations(parts)))
    assert counted(merged) == counted(whole)
    assert_same_moments(merged.columns["x"], whole.columns["x"])
    assert merge(parts).to_bytes() == merged.to_bytes()


@settings(deadline=None, max_examples=40)
@given(first=row_lists, second=row_lists, third=row_lists)
def test_merge_is_associative(
    first: list[tuple[float | None, str | None, int]],
    second: list[tuple[float | None, str | None, int]],
    third: list[tuple[float | None, str | None, int]],
) -> None:
    a, b, c = (profile_table(table_of(rows), GRID) for rows in (first, second, third))
    left, right = merge([merge([a, b]), c]), merge([a, merge([b, c])])
    assert counted(left) == counted(right) == counted(merge([a, b, c]))
    assert_same_moments(left.columns["x"], right.columns["x"])


@settings(deadline=None, max_examples=40)
@given(rows=row_lists)
def test_panes_in_one_pass_equal_each_pane_alone(rows: list[tuple[float | None, str | None, int]]) -> None:
    panes = profile_panes(table_of(rows), GRID, 2 * HOUR)
    assert list(panes) == sorted({START + 2 * (hour // 2) * HOUR for _, _, hour in rows})
    for start, found in panes.items():
        alone = profile_table(
            table_of([row for row in rows if START + 2 * (row[2] // 2) * HOUR == start]), GRID
        )
        assert counted(found) == counted(alone)
        assert_same_moments(found.columns["x"], alone.columns["x"])


@settings(deadline=None, max_examples=40)
@given(rows=row_lists)
def test_bytes_keep_everything(rows: list[tuple[float | None, str | None, int]]) -> None:
    profile = profile_table(table_of(rows), GRID)
    again = Profile.from_bytes(profile.to_bytes())
    assert counted(again) == counted(profile)
    assert again.columns["x"].squares == profile.columns["x"].squares


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
    assert [(part.rows, part.nulls) for part in found.columns.values()] == [(2, 2), (2, 2)]


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
