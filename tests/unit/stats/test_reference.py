"""References: what they keep, and how much their own windows vary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctrain.stats.catalogue import TwoSampleTest, distance_for
from ctrain.stats.grid import Counts
from ctrain.stats.profile import Profile, profile_table
from ctrain.stats.reference import Reference, build_reference
from ctrain.stats.two_sample import total_variation
from ctrain.stats.variability import variability_between
from tests.unit.stats.columns import TESTS

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hourly(days: int, per_hour: int = 10, seed: int = 1) -> pa.Table:
    """Rows whose ``night`` depends on the hour and ``weekend`` on the day; ``x`` on nothing."""
    rng = np.random.default_rng(seed)
    hours = np.repeat(np.arange(24 * days), per_hour)
    at = [START + int(hour) * HOUR for hour in hours]
    values = rng.normal(size=len(hours))
    return pa.table(
        {
            "event_at": pa.array(at, pa.timestamp("us", "UTC")),
            "x": pa.array(values, mask=rng.uniform(size=len(hours)) < 0.1 * (hours // 24 % 7 == 5)),
            "night": pa.array(values + 3 * (hours % 24 < 6)),
            "c": pa.array(np.where(hours // 24 % 7 >= 5, "weekend", rng.choice(["a", "b"], len(hours)))),
        }
    )


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build_reference(hourly(28), ["x", "night"], ["c"], HOUR)


def test_it_spans_its_rows_and_knows_the_whole(reference: Reference) -> None:
    assert (reference.start, reference.end) == (START, START + 28 * DAY)
    whole = profile_table(hourly(28), reference.grid)
    assert reference.profile.rows == 28 * 240
    for name, grid in reference.grid.columns.items():
        kept, found = reference.profile.columns[name], whole.columns[name]
        assert kept.distribution(grid).tolist() == found.distribution(grid).tolist()
        assert kept.nulls == found.nulls


def test_bytes_keep_everything(reference: Reference) -> None:
    again = Reference.from_bytes(reference.to_bytes())
    assert again.grid.name == reference.grid.name == again.profile.grid
    assert (again.start, again.end, again.pane) == (reference.start, reference.end, HOUR)
    assert again.variability(DAY, 100) == reference.variability(DAY, 100)
    assert again.to_bytes() == reference.to_bytes()


def ks_distance(reference: Counts, current: Counts) -> float:
    difference = np.cumsum(reference) / reference.sum() - np.cumsum(current) / current.sum()
    return float(np.abs(difference).max())


def test_variability_is_the_largest_effect_of_a_window_against_the_rest(reference: Reference) -> None:
    rows, window = hourly(28), 6
    expected: dict[str, float] = {"night": 0.0, "c": 0.0}
    for first in range(28 * 24 - window + 1):
        part = slice(first * 10, (first + window) * 10)
        outside = np.ones(rows.num_rows, dtype=bool)
        outside[part] = False
        for name, distance in (("night", ks_distance), ("c", total_variation)):
            grid = reference.grid.columns[name]
            inside = profile_table(rows.slice(part.start, window * 10), reference.grid).columns[name]
            counts = inside.distribution(grid)
            rest = reference.profile.columns[name].distribution(grid) - counts
            expected[name] = max(expected[name], distance(rest, counts))
    found = reference.variability(window * HOUR)
    assert found.windows == 28 * 24 - window + 1
    assert found.effects["night"] == pytest.approx(expected["night"], abs=1e-12)
    assert found.effects["c"] == pytest.approx(expected["c"], abs=0.01)  # rare categories are pooled


def test_what_depends_on_the_hour_varies_in_short_windows_only(reference: Reference) -> None:
    short, long = (reference.variability(length, 60).effects for length in (6 * HOUR, 7 * DAY))
    assert short["night"] is not None
    assert long["night"] is not None
    assert short["night"] > 0.6
    assert long["night"] < 0.1


def test_the_null_rate_has_a_variability_of_its_own(reference: Reference) -> None:
    nulls = reference.variability(DAY).nulls
    assert nulls["x"] == pytest.approx(0.13, abs=0.04)  # 10 % of the rows of a sixth day
    assert nulls["night"] == 0.0


def test_windows_grow_until_they_have_enough_rows(reference: Reference) -> None:
    assert reference.variability(HOUR, 240) == reference.variability(DAY, 1)


@pytest.mark.parametrize(
    ("window", "min_rows", "known"),
    [(9 * DAY, 1, True), (10 * DAY, 1, False), (DAY, 28 * 240 // 3, True), (DAY, 28 * 80 + 1, False)],
)
def test_fewer_than_three_windows_tell_nothing(
    reference: Reference, window: timedelta, min_rows: int, known: bool
) -> None:
    found = reference.variability(window, min_rows)
    assert (found.windows > 0) is known
    assert (found.effects["x"] is not None) is known


def test_days_without_rows_are_no_windows_of_their_own() -> None:
    rows = pa.concat_tables([hourly(3), hourly(10).slice(7 * 240)])
    reference = build_reference(rows, ["x"], [], HOUR)
    found = reference.variability(DAY, 200)
    assert found.windows > 100
    assert found.effects["x"] is not None
    assert found.effects["x"] < 0.2


def test_another_length_of_panes_makes_another_grid(reference: Reference) -> None:
    other = build_reference(hourly(28), ["x", "night"], ["c"], 2 * HOUR)
    assert other.grid.columns == reference.grid.columns
    assert other.grid.name != reference.grid.name


def test_calendar_columns_are_noted_and_still_profiled() -> None:
    rows = hourly(90)
    month = pc.cast(pc.month(rows["event_at"]), pa.float64())
    reference = build_reference(rows.append_column("month", month), ["x", "month"], [], HOUR)
    assert list(reference.left_out) == ["month"]
    assert reference.profile.columns["month"].maximum == 3.0


def test_no_rows_make_a_reference_that_knows_nothing() -> None:
    reference = build_reference(hourly(1).slice(0, 0), ["x"], ["c"], HOUR)
    assert reference.start is None
    assert reference.variability(DAY).effects == {"x": None, "c": None}
    assert Reference.from_bytes(reference.to_bytes()).profile.rows == 0


@pytest.fixture(scope="module")
def days_of_a_week() -> tuple[Reference, list[tuple[Profile, Profile]]]:
    """A reference of a week, and of every day in it the profiles of the rest and of the day."""
    rows, day = hourly(7), 240
    reference = build_reference(rows, ["x", "night"], ["c"], HOUR)
    pairs = []
    for end in range(day, rows.num_rows + 1, 10):
        outside = np.ones(rows.num_rows, dtype=bool)
        outside[end - day : end] = False
        parts = rows.filter(pa.array(outside)), rows.slice(end - day, day)
        pairs.append((profile_table(parts[0], reference.grid), profile_table(parts[1], reference.grid)))
    return reference, pairs


@pytest.mark.parametrize("test", TESTS)
def test_the_variability_of_every_test_is_that_of_its_distance(
    days_of_a_week: tuple[Reference, list[tuple[Profile, Profile]]], test: TwoSampleTest
) -> None:
    reference, pairs = days_of_a_week
    found = reference.variability(DAY, 1, test)
    assert found.windows == len(pairs) == 6 * 24 + 1
    for name, grid in reference.grid.columns.items():
        distance = distance_for(test, grid, reference.profile.columns[name])
        sides = [np.stack([pair[side].columns[name].distribution(grid) for pair in pairs]) for side in (0, 1)]
        if distance.places is not None:
            places, width = distance.places, int(distance.places.max()) + 1
            folds = np.eye(width, dtype=np.int64)[places]
            sides = [side @ folds for side in sides]
        expected = distance.between(sides[0], sides[1]).max()
        assert found.effects[name] == pytest.approx(expected, abs=1e-12)


def test_weeks_are_compared_with_one_another(reference: Reference) -> None:
    rows = hourly(28)
    weeks = [profile_table(rows.slice(week * 1680, 1680), reference.grid) for week in range(4)]
    found = variability_between(weeks, reference.grid, "ks")
    assert found.windows == 4
    assert found.effects["night"] is not None
    assert found.effects["night"] < 0.05
    # a Saturday with its missing values against four days of the week
    uneven = [profile_table(rows.slice(day * 240, 240), reference.grid) for day in range(2, 7)]
    effect = variability_between(uneven, reference.grid).effects["c"]
    assert effect is not None
    assert effect > 0.7


def test_two_profiles_tell_nothing_of_one_another(reference: Reference) -> None:
    rows = hourly(2)
    days = [profile_table(rows.slice(day * 240, 240), reference.grid) for day in range(2)]
    found = variability_between([*days, profile_table(rows.slice(0, 0), reference.grid)], reference.grid)
    assert (found.windows, set(found.effects.values())) == (0, {None})


def with_carriers(days: int) -> pa.Table:
    rows = hourly(days)
    carriers = pa.array((["AA"] * 4 + ["UA"] * 3 + [None, None, "ZZ"]) * (days * 24))
    return rows.append_column("carrier", carriers)


def test_segments_have_grids_and_rows_of_their_own() -> None:
    rows = with_carriers(28)
    reference = build_reference(rows, ["x"], ["carrier"], HOUR, segments={"carrier": 3})
    parts = reference.segments["carrier"]
    labels = ["carrier=AA", "carrier=UA", "carrier=ZZ", "carrier=other"]
    assert sorted(one.segment for one in parts) == sorted([*labels[:2], "carrier=null", labels[3]])
    assert len({one.grid.name for one in (reference, *parts)}) == 5
    assert sum(one.profile.rows for one in parts) == rows.num_rows
    for one in parts:
        own = reference.rows_of(rows, one)
        assert own.num_rows == one.profile.rows
        assert one.left_out["carrier"] == "it makes the segments"
    assert reference.rows_of(rows, parts[0])["carrier"].unique().to_pylist() == ["AA"]
    assert reference.rows_of(rows, parts[-1])["carrier"].unique().to_pylist() == ["ZZ"]
    unseen = rows.slice(0, 3).set_column(
        rows.column_names.index("carrier"), "carrier", pa.array(["new", None, "AA"])
    )
    assert [reference.rows_of(unseen, one).num_rows for one in parts] == [
        {"AA": 1, "UA": 0, "null": 1, "other": 1}[one.segment.removeprefix("carrier=")] for one in parts
    ]


def test_values_that_all_have_a_segment_leave_no_others() -> None:
    reference = build_reference(with_carriers(3), ["x"], ["carrier"], HOUR, segments={"carrier": 20})
    assert [one.segment for one in reference.segments["carrier"]][:2] == ["carrier=AA", "carrier=UA"]
    assert "carrier=other" not in [one.segment for one in reference.segments["carrier"]]


def scored(days: int, kind: str) -> pa.Table:
    at = [START + 60 * DAY + place * HOUR for place in range(24 * days)]
    scores: list[float] | list[str] = [place % 7 / 7 for place in range(24 * days)]
    if kind == "classes":
        scores = ["a" if place % 3 else "b" for place in range(24 * days)]
    return pa.table({"event_at": pa.array(at, pa.timestamp("us", "UTC")), "prediction": scores})


@pytest.mark.parametrize("kind", ["scores", "classes"])
def test_scores_come_from_rows_of_their_own(kind: str) -> None:
    reference = build_reference(hourly(28), ["x"], [], HOUR, prediction=scored(10, kind))
    assert reference.profile.rows == 28 * 240
    assert reference.profile.columns["prediction"].rows == 240
    assert list(reference.grid.columns) == ["x", "prediction"]
    assert reference.end == START + 28 * DAY
    found = reference.variability(DAY, 1)
    assert found.effects["prediction"] == pytest.approx(0.05, abs=0.05)
    assert found.nulls["prediction"] == 0.0
    assert found.effects["x"] is not None
    assert reference.variability(4 * DAY, 1).effects["prediction"] is None


def test_bytes_keep_segments_scores_and_importance() -> None:
    reference = build_reference(
        with_carriers(14),
        ["x"],
        ["carrier"],
        HOUR,
        segments={"carrier": 2},
        prediction=scored(10, "scores"),
        importance={"x": 3.0, "carrier": 1.0, "noise": -0.5},
    )
    again = Reference.from_bytes(reference.to_bytes())
    assert again.importance == {"x": 0.75, "carrier": 0.25, "noise": 0.0}
    assert again.to_bytes() == reference.to_bytes()
    assert [one.segment for one in again.segments["carrier"]] == ["carrier=AA", "carrier=UA", "carrier=other"]
    tests: tuple[TwoSampleTest, ...] = ("ks", "psi")
    for test in tests:
        assert again.variability(DAY, 20, test) == reference.variability(DAY, 20, test)
        for one, other in zip(again.segments["carrier"], reference.segments["carrier"], strict=True):
            assert one.variability(DAY, 20, test) == other.variability(DAY, 20, test)


def test_importance_that_is_all_noise_is_unknown() -> None:
    assert build_reference(hourly(1), ["x"], [], HOUR, importance={"x": -0.1}).importance == {}
