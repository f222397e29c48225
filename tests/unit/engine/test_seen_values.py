"""Which values of a column are segments, and when the newest row of each happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.engine import seen_values
from ctrain.engine.seen_values import FIRST_ROWS, MOST_VALUES, SeenValues

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EMPTY = SeenValues(HOUR)


def rows(*parts: tuple[float, str | None, int]) -> pa.Table:
    """So many rows with a value at an hour, part by part."""
    hours = [hour for hour, _, count in parts for _ in range(count)]
    values = [value for _, value, count in parts for _ in range(count)]
    return pa.table(
        {
            "event_at": pa.array([START + HOUR * one for one in hours], pa.timestamp("us", "UTC")),
            "country": pa.array(values, pa.string()),
        }
    )


def test_the_most_frequent_values_of_the_first_panes_are_segments() -> None:
    table = rows((0, "jp", FIRST_ROWS - 1), (0, "fr", 3), (0.5, None, 2), (5, "de", FIRST_ROWS))
    seen = EMPTY.with_rows(table, "country")
    assert seen.most_frequent(20) == ("jp", "fr", "null")
    assert seen.most_frequent(1) == ("jp",)
    assert seen.with_rows(rows((6, "uk", FIRST_ROWS)), "country").most_frequent(20) == ("jp", "fr", "null")


def test_a_pane_sees_the_values_of_the_panes_before_it() -> None:
    seen = EMPTY.with_rows(rows((0, "jp", 5), (1, "fr", 9), (2, "de", 50)), "country")
    assert [seen.most_frequent(2, START + HOUR * hour) for hour in range(4)] == [
        (),
        ("jp",),
        ("fr", "jp"),
        ("de", "fr"),
    ]


def test_rows_of_panes_that_were_judged_make_no_segment() -> None:
    table = rows((0, "late", 50), (1, "jp", 1))
    seen = EMPTY.with_rows(table, "country", judged_until=START + HOUR)
    assert seen.most_frequent(5) == ("jp",)
    assert seen.newest_rows(5) == {"jp": START + HOUR, "other": START}


ROWS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc")), max_size=40)


@given(ROWS, st.lists(st.integers(0, 40)))
def test_however_rows_are_read_a_pane_sees_the_same(read: list[tuple[int, str]], cuts: list[int]) -> None:
    table = rows(*((hour, value, 1) for hour, value in read))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_values, "FIRST_ROWS", 12)
        whole = EMPTY.with_rows(table, "country")
        parted = EMPTY
        for first, last in pairwise([0, *sorted(min(one, len(read)) for one in cuts), len(read)]):
            parted = parted.with_rows(table.slice(first, last - first), "country")
    assert parted == whole


def test_the_newest_row_of_each_value_and_of_the_others() -> None:
    seen = EMPTY.with_rows(rows((3, "jp", 2), (1, "jp", 9), (2, "fr", 1), (4, None, 1)), "country")
    assert seen.newest_rows(1) == {"jp": START + 3 * HOUR, "other": START + 4 * HOUR}
    assert seen.newest_rows(9)["null"] == START + 4 * HOUR
    later = seen.with_rows(rows((2, "jp", 1)), "country").with_rows(rows(), "country")
    assert later.newest_rows(9)["jp"] == START + 3 * HOUR


def test_more_values_than_can_be_known_are_seen_together() -> None:
    seen = EMPTY.with_rows(rows(*((0, f"c{at}", 1) for at in range(MOST_VALUES + 50))), "country")
    seen = seen.with_rows(rows((4, "new", 1)), "country")
    assert len(seen.newest) == MOST_VALUES
    assert seen.newest_rows(3)["other"] == START + 4 * HOUR


def test_what_is_known_survives_as_json() -> None:
    seen = EMPTY.with_rows(rows((0, "jp", 5), (1.5, None, 2), (2, "fr", 1)), "country")
    first, newest = json.loads(json.dumps([seen.first_json(), seen.newest_json()]))
    assert SeenValues.from_json(HOUR, first, newest) == seen
    other = SeenValues.from_json(2 * HOUR, first, newest)
    assert (other.first, other.newest) == ({}, seen.newest)
    assert SeenValues.from_json(HOUR, None, None) == EMPTY
