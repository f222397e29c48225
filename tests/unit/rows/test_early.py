"""Rows from the near future: counted when they come, in the row log when they have happened, once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import CLOCK_SKEW, PENDING, SourceBatch, SourceRead
from ctrain.rows.early import WAITS
from tests.parquet_rows import build_labels, build_rows
from tests.row_logs import NOW, RowLogHarness

HOUR = timedelta(hours=1)
NOTHING = SourceRead((), {})


@pytest.fixture
def harness(tmp_path: Path) -> RowLogHarness:
    return RowLogHarness(tmp_path)


def ahead(ids: list[str], by: timedelta, step: timedelta = timedelta(0)) -> pa.Table:
    return build_rows(ids, start=NOW + by, step=step)


def waiting(harness: RowLogHarness) -> int:
    return sum(one.rows for one in harness.store.tables.rows.values() if one.event_date == PENDING)


def test_rows_from_the_future_come_in_when_they_have_happened(harness: RowLogHarness) -> None:
    first = harness.rows(ahead(["a", "b", "c"], timedelta(0), step=HOUR))
    assert (first.accepted, first.rejected) == (1, {"future_time": 2})
    assert harness.read("row_id") == [("a",)]
    assert (harness.log.has_due(NOW), waiting(harness)) == (False, 2)
    for now, taken in ((NOW + HOUR - CLOCK_SKEW, "b"), (NOW + 2 * HOUR, "c")):
        harness.restart()
        assert harness.log.has_due(now)
        later = harness.commit(harness.log.write_rows(NOTHING, harness.state, now))
        assert (later.accepted, later.rejected, later.came_due) == (1, {}, 1)
        assert taken in {one for (one,) in harness.read("row_id")}
        assert not harness.log.has_due(now)
    assert (harness.read("row_id"), waiting(harness)) == ([("a",), ("b",), ("c",)], 0)
    assert harness.log.sweep() == 0


def test_what_was_not_committed_waits_on(harness: RowLogHarness) -> None:
    harness.rows(ahead(["a", "b"], HOUR, step=HOUR))
    harness.log.write_rows(NOTHING, harness.state, NOW + HOUR)
    harness.restart()
    assert harness.log.sweep() > 0
    assert (harness.read("row_id"), waiting(harness)) == ([], 2)
    harness.commit(harness.log.write_rows(NOTHING, harness.state, NOW + 2 * HOUR))
    assert harness.read("row_id") == [("a",), ("b",)]


def test_a_row_that_comes_again_while_it_waits_counts_once(harness: RowLogHarness) -> None:
    for _ in range(2):
        harness.rows(ahead(["a"], HOUR))
    again = harness.commit(
        harness.log.write_rows(
            SourceRead((SourceBatch(ahead(["a"], HOUR), "b", 0),), {}), harness.state, NOW + HOUR
        )
    )
    assert (again.accepted, again.duplicates, waiting(harness)) == (1, 2, 0)


def test_labels_wait_for_rows_that_wait(harness: RowLogHarness) -> None:
    harness.rows(ahead(["a"], HOUR))
    harness.labels(build_labels({"a": 1.0}))
    harness.commit(harness.log.write_rows(NOTHING, harness.state, NOW + HOUR))
    assert harness.read("row_id", "label") == [("a", 1.0)]


def test_a_row_too_far_ahead_is_set_aside_for_good(harness: RowLogHarness) -> None:
    limit = CLOCK_SKEW + WAITS
    ingested = harness.rows(ahead(["last that waits", "beyond"], limit, step=timedelta(microseconds=1)))
    assert (ingested.rejected, waiting(harness)) == ({"future_time": 2}, 1)
    harness.commit(harness.log.write_rows(NOTHING, harness.state, NOW + 2 * limit))
    assert harness.read("row_id") == [("last that waits",)]


def test_a_row_that_waited_is_judged_like_any_other_with_its_place_in_the_file(
    harness: RowLogHarness,
) -> None:
    """Its file may have columns with the names of ours, and lines that are no rows between those that are."""
    table = ahead(["a", "b", "", "d"], HOUR).append_column("reason", pa.array(["w", "x", "y", "z"]))
    table = table.append_column("source_row", pa.array([7, 7, 7, 7]))
    table = table.set_column(2, "score", pa.array(["0.5", "0.5", "0.5", "far"]))
    batch = SourceBatch(table, "rows.csv", 10, lines=np.array([12, 13, 15, 16]))
    first = harness.commit(harness.log.write_rows(SourceRead((batch,), {}), harness.state, NOW))
    assert first.rejected == {"future_time": 3, "null_id": 1}
    later = harness.log.write_rows(NOTHING, harness.state, NOW + HOUR)
    assert (later.accepted, later.rejected) == (2, {"bad_value": 1})
    [path] = (harness.folder / "flights" / "rejected").rglob("000000002-rows-0.parquet")
    assert pq.read_table(path).select(
        ["source_path", "source_line", "reason_2", "source_row_2"]
    ).to_pylist() == [{"source_path": "rows.csv", "source_line": 16, "reason_2": "z", "source_row_2": 7}]


def test_rows_that_wait_are_not_retired_before_they_have_happened(harness: RowLogHarness) -> None:
    harness.rows(ahead(["a", "b"], WAITS - HOUR, step=HOUR / 2))
    assert harness.log.retire(NOW + WAITS - HOUR) == []
    harness.commit(harness.log.write_rows(NOTHING, harness.state, NOW + WAITS - HOUR / 2 - CLOCK_SKEW))
    assert (harness.read("row_id"), waiting(harness)) == ([("a",), ("b",)], 0)


def test_rows_that_waited_in_vain_are_retired(harness: RowLogHarness) -> None:
    harness.rows(ahead(["a"], HOUR))
    assert [one.event_date for one in harness.log.retire(NOW + 2 * WAITS)] == [PENDING]
