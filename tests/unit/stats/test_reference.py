"""References: what they keep, and how much their own windows vary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctrain.stats.profile import profile_table
from ctrain.stats.reference import Reference, build_reference
from ctrain.stats.two_sample import ks_distance, total_variation

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
