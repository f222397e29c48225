"""Rows as nobody wants them, from a file through the row log to the counts of their panes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from ctrain.stats.grid import build_grid
from ctrain.stats.profile import profile_panes
from tests.parquet_rows import START, build_data, build_rows
from tests.row_logs import FIRST, LAST, RowLogHarness

HOUR = timedelta(hours=1)
NEW_YORK = "America/New_York"


def local_rows(instants: list[datetime]) -> pa.Table:
    """Rows at these local times, written without an offset."""
    table = build_rows([str(at) for at in range(len(instants))])
    place = table.schema.get_field_index("scheduled_at")
    return table.set_column(place, "scheduled_at", pa.array(instants, pa.timestamp("us")))


def half_hours(year: int, month: int, day: int) -> list[datetime]:
    return [datetime(year, month, day) + timedelta(minutes=30 * at) for at in range(48)]  # noqa: DTZ001 - local times


@pytest.mark.parametrize(
    ("local", "panes", "crowded", "empty"),
    [
        # 2013-03-10, 02:00 to 03:00 does not exist: its rows fall to its edge, 23 hours are left
        (half_hours(2013, 3, 10), 23, datetime(2013, 3, 10, 6, tzinfo=UTC), None),
        # 2013-11-03, 01:00 to 02:00 comes twice: the first is meant, the second stays empty
        (half_hours(2013, 11, 3), 24, None, datetime(2013, 11, 3, 6, tzinfo=UTC)),
    ],
)
def test_both_days_of_daylight_saving(
    tmp_path: Path, local: list[datetime], panes: int, crowded: datetime | None, empty: datetime | None
) -> None:
    data = build_data(event_time={"column": "scheduled_at", "timezone": NEW_YORK})
    harness = RowLogHarness(tmp_path, data)
    ingested = harness.rows(local_rows(local), now=datetime(2014, 1, 1, tzinfo=UTC))
    assert (ingested.accepted, ingested.rejected) == (48, {})
    rows = harness.log.read(FIRST, LAST)
    zone = ZoneInfo(NEW_YORK)
    pairs: list[dict[str, Any]] = rows.select(["event_at", "row_id"]).to_pylist()
    for instant, number in (one.values() for one in pairs):
        there = local[int(number)].replace(tzinfo=zone)
        gap = there.astimezone(UTC) - instant
        assert gap == timedelta(0) if there.astimezone(UTC).astimezone(zone) == there else gap < HOUR
    found = {
        start: one.rows
        for start, one in profile_panes(rows, build_grid(rows, ["distance"], []), HOUR).items()
    }
    assert (len(found), sum(found.values())) == (panes, 48)
    assert {start for start, count in found.items() if count > 2} == ({crowded} if crowded else set())
    assert empty is None or empty not in found


def test_rows_of_one_instant_stay_apart_and_in_order(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path)
    names = [f"{at:04}" for at in np.random.default_rng(1).permutation(1000)]
    harness.rows(build_rows(names[:500], step=timedelta(0)))
    harness.rows(build_rows(names[500:], step=timedelta(0)))
    assert [name for (name,) in harness.read("row_id")] == sorted(names)
    rows = harness.log.read(START, START + timedelta(microseconds=1))
    grid = build_grid(rows, ["distance"], ["carrier"])
    assert [one.rows for one in profile_panes(rows, grid, HOUR).values()] == [1000]
    assert harness.log.read(START + timedelta(microseconds=1), LAST).num_rows == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**63 - 1, -(2**63), 2**53 + 1], pa.int64()), [2.0**63, -(2.0**63), 2.0**53]),
        (pa.array([2**64 - 1, 2**63, 0], pa.uint64()), [2.0**64, 2.0**63, 0.0]),
        (pa.array([127, -128, None], pa.int8()), [127.0, -128.0, None]),
        (pa.array([1.7e308, -1.7e308, 5e-324]), [1.7e308, -1.7e308, 5e-324]),
        (pa.array([float("inf"), float("-inf"), float("nan")]), [float("inf"), float("-inf"), None]),
        (
            pa.array(["1e400", "-1e400", "12345678901234567890"]),
            [float("inf"), float("-inf"), 12345678901234567890.0],
        ),
        (pa.array([True, False, None]), [1.0, 0.0, None]),
        (pa.nulls(3), [None, None, None]),
    ],
)
def test_numbers_at_the_edges_are_kept_and_counted(tmp_path: Path, values: Any, expected: list[Any]) -> None:
    harness = RowLogHarness(tmp_path)
    rows = build_rows(["1", "2", "3"])
    place = rows.schema.get_field_index("distance")
    ingested = harness.rows(rows.set_column(place, "distance", values))
    assert (ingested.accepted, ingested.rejected) == (3, {})
    assert [one for (one,) in harness.read("distance")] == expected
    table = harness.log.read(FIRST, LAST)
    [profile] = profile_panes(table, build_grid(table, ["distance"], []), timedelta(days=1)).values()
    assert profile.columns["distance"].nulls == expected.count(None)
    assert int(profile.columns["distance"].counts.sum()) == 3 - expected.count(None)


def test_a_pane_of_one_row_and_a_pane_without_values(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path)
    lone = build_rows(["1"])
    empty = build_rows(["2", "3"], start=START + HOUR)
    for name in ("distance", "carrier", "score", "version"):
        place = empty.schema.get_field_index(name)
        empty = empty.set_column(place, name, pa.nulls(2))
    harness.rows(lone, empty)
    rows = harness.log.read(FIRST, LAST)
    first, second = profile_panes(rows, build_grid(rows, ["distance"], ["carrier"]), HOUR).values()
    assert (first.rows, first.columns["distance"].variance != first.columns["distance"].variance) == (1, True)
    assert (second.rows, second.columns["distance"].nulls, second.columns["carrier"].nulls) == (2, 2, 2)
    assert second.columns["distance"].minimum is None


def test_a_million_categories(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path)
    count = 1_000_000
    names = pa.array(np.arange(count).astype(str))
    at = pa.scalar(START, pa.timestamp("us", tz="UTC"))
    rows = pa.table(
        {
            "flight_id": names,
            "scheduled_at": pa.repeat(at, count),
            "score": pa.nulls(count, pa.float64()),
            "version": pa.nulls(count, pa.string()),
            "distance": pa.array(np.zeros(count)),
            "carrier": names,
        }
    )
    assert harness.rows(rows).accepted == count
    table = harness.log.read(FIRST, LAST)
    grid = build_grid(table, [], ["carrier"])
    [profile] = profile_panes(table, grid, HOUR).values()
    column = profile.columns["carrier"]
    assert len(profile.to_bytes()) < 100_000
    assert int(column.counts.sum()) == count
    assert int(column.counts[-1]) == count - 2000
    assert column.unseen == 0


def test_numbers_as_texts_are_numbers(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path)
    rows = build_rows(["1", "2", "3", "4"])
    place = rows.schema.get_field_index("distance")
    texts = pa.array(["1", " 2.5e1 ", "", "1,5"])
    ingested = harness.rows(rows.set_column(place, "distance", texts))
    assert [one for (one,) in harness.read("distance")] == [1.0, 25.0, None, None]
    assert ingested.arrived is not None
    assert Counter(ingested.arrived.wrong["distance"].tolist()) == {False: 3, True: 1}
