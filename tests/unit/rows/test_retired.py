"""Rows of days that retention has removed: they come again with their file, and count once all the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ctrain.domain import CLOCK_SKEW, Segment
from ctrain.rows.held import HeldSegments
from ctrain.rows.segments import SegmentFolder
from tests.parquet_rows import START, build_data, build_labels, build_rows
from tests.row_logs import NOW, RowLogHarness

DAY = timedelta(days=1)
HELD_BYTES = 2**20


@pytest.fixture(params=[0, HELD_BYTES], ids=["on the disk", "in memory"])
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> RowLogHarness:
    """A row log that has had three days of rows, and has none of the first two any more."""
    harness = RowLogHarness(tmp_path, held_bytes=request.param)
    harness.rows(build_rows(["1", "2", "3"], step=DAY))
    harness.retire(START + 2 * DAY)
    return harness


@pytest.mark.parametrize("restart", [False, True])
def test_rows_of_removed_days_do_not_come_in_again(harness: RowLogHarness, restart: bool) -> None:
    if restart and not harness.held_bytes:
        harness.restart()
    again = build_rows(["1", "2", "3", "4"], step=DAY)
    ingested = harness.rows(again, build_rows(["5"]), watermark=NOW)
    assert (ingested.accepted, ingested.late, ingested.duplicates, ingested.rejected) == (1, 1, 4, {})
    assert harness.read("row_id") == [("3",), ("4",)]
    assert ingested.arrived is not None
    assert ingested.arrived.rows["row_id"].to_pylist() == ["4"]
    assert ingested.arrived.received is not None
    assert ingested.arrived.received["row_id"].to_pylist() == ["3", "4"]


def test_days_that_are_removed_later_are_further_ones(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["5"], start=START + 4 * DAY))
    harness.retire(START + 3 * DAY)
    harness.retire(START + 5 * DAY)
    [stored] = harness.store.tables.memories.values()
    assert stored == {"stretches": [["2013-03-01", "2013-03-03"], ["2013-03-05", "2013-03-05"]]}
    ingested = harness.rows(build_rows(["1", "2", "3", "4", "5"], step=DAY))
    assert (ingested.accepted, ingested.duplicates) == (1, 4)
    assert harness.read("row_id") == [("4",)]


def test_a_history_of_days_that_never_had_a_row_comes_in_and_goes_once(harness: RowLogHarness) -> None:
    older = build_rows(["a", "b"], start=START - 50 * DAY)
    assert harness.rows(older).accepted == 2
    harness.retire(START + 2 * DAY)
    assert harness.rows(older).duplicates == 2


def test_what_was_not_committed_is_not_remembered(harness: RowLogHarness) -> None:
    harness.store.fails = True
    with pytest.raises(OSError, match="lost"):
        harness.retire(START + 3 * DAY)
    harness.store.fails = False
    assert harness.rows(build_rows(["9"], start=START + 2 * DAY)).accepted == 1


def test_rows_whose_files_cannot_be_deleted_do_not_come_in_again(
    harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: SegmentFolder, segments: Iterable[Segment]) -> None:
        raise PermissionError("read-only")

    with monkeypatch.context() as patch:
        for kind in (SegmentFolder, HeldSegments):
            patch.setattr(kind, "delete", refuse)
        with pytest.raises(PermissionError):
            harness.retire(START + 3 * DAY)
    assert harness.rows(build_rows(["3", "9"], start=START + 2 * DAY)).duplicates == 2


def test_marks_stay_with_their_rows(harness: RowLogHarness) -> None:
    rows = build_rows(["1", "4", "5"], step=3 * DAY)
    texts = rows.set_column(rows.schema.get_field_index("distance"), "distance", pa.array(["1", "2", "far"]))
    ingested = harness.rows(texts)
    assert ingested.arrived is not None
    assert [mask.tolist() for mask in ingested.arrived.wrong.values()] == [[False, True]]


def test_a_label_that_comes_after_its_row_has_gone_waits_for_nobody(harness: RowLogHarness) -> None:
    assert harness.labels(build_labels({"1": 1.0})).labels == 1
    ingested = harness.rows(build_rows(["1"]))
    assert (ingested.accepted, ingested.labels, ingested.duplicates) == (0, 0, 1)


def test_labels_in_the_table_of_rows(tmp_path: Path) -> None:
    """One for a row that has gone is lost with it; one for a row that is there comes with any event time."""
    harness = RowLogHarness(tmp_path, build_data(labels={"label": "delayed", "matures_after": "1d"}))
    harness.rows(labelled(build_rows(["1", "2"], step=DAY), [None, None]))
    harness.retire(START + DAY)
    ingested = harness.rows(labelled(build_rows(["1", "2"]), [1.0, 1.0]))
    assert (ingested.accepted, ingested.labels, ingested.duplicates) == (0, 1, 1)
    assert harness.read("row_id", "label") == [("2", 1.0)]


def labelled(rows: pa.Table, labels: list[float | None]) -> pa.Table:
    return rows.append_column("delayed", pa.array(labels, pa.float64()))


def test_rows_that_waited_for_their_time_are_of_no_removed_day(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path)
    early = build_rows(["1"], start=NOW + DAY)
    assert harness.rows(early).rejected == {"future_time": 1}
    harness.retire(NOW + 2 * DAY)
    assert harness.store.tables.memories == {}
    assert harness.rows(early, now=NOW + DAY + CLOCK_SKEW).accepted == 1
