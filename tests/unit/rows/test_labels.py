"""Labels find their row by id whenever they come; the latest to arrive counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Ingested
from ctrain.errors import StateConflict
from ctrain.rows import manifest
from tests.parquet_rows import START, build_data, build_labels, build_rows
from tests.row_logs import NOW, RowLogHarness, as_read

DAY = timedelta(days=1)


@pytest.fixture
def harness(tmp_path: Path) -> RowLogHarness:
    return RowLogHarness(tmp_path)


@pytest.fixture
def together(tmp_path: Path) -> RowLogHarness:
    """Labels come in the rows' own table."""
    return RowLogHarness(tmp_path, build_data(labels={"label": "delayed", "matures_after": "1d"}))


def labelled_rows(labels: dict[str, float | None], **options: Any) -> pa.Table:
    rows = build_rows(list(labels), **options)
    return rows.append_column("delayed", pa.array(list(labels.values()), pa.float64()))


def pending_rows(harness: RowLogHarness) -> int:
    return sum(one.rows for one in harness.store.tables.rows.values() if one.event_date == "pending")


@pytest.mark.parametrize("restart", [False, True])
def test_labels_after_their_rows_join_by_id(harness: RowLogHarness, restart: bool) -> None:
    harness.rows(build_rows(["1", "2", "3"], step=DAY))
    if restart:
        harness.restart()
    ingested = harness.labels(build_labels({"3": 0.0, "1": 1.0}))
    assert (ingested.labels, ingested.duplicates) == (2, 0)
    assert harness.read("row_id", "label") == [("1", 1.0), ("2", None), ("3", 0.0)]
    assert {one.event_date for one in ingested.segments} == {"2013-03-01", "2013-03-03"}


@pytest.mark.parametrize("restart", [False, True])
def test_labels_before_their_rows_wait(harness: RowLogHarness, restart: bool) -> None:
    assert harness.labels(build_labels({"1": 1.0, "2": 0.0, "9": 1.0})).labels == 3
    if restart:
        harness.restart()
    first = harness.rows(build_rows(["1"]))
    assert (first.accepted, first.labels) == (1, 0)
    if restart:
        harness.restart()
    harness.rows(build_rows(["2", "3"], start=START + DAY))
    assert harness.read("row_id", "label") == [("1", 1.0), ("2", 0.0), ("3", None)]
    assert pending_rows(harness) == 1


def test_a_label_that_found_its_row_does_not_come_back(harness: RowLogHarness) -> None:
    harness.labels(build_labels({"1": 1.0, **{f"x{at}": 0.0 for at in range(10)}}))
    harness.rows(build_rows(["1"]))
    harness.labels(build_labels({"1": 0.0}))
    assert pending_rows(harness) == 11
    harness.restart()
    assert harness.read("label") == [(0.0,)]
    assert harness.rows(build_rows(["2"])).labels == 0
    assert harness.read("label") == [(0.0,), (None,)]


def test_corrections_replace(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2"]))
    harness.labels(build_labels({"1": 1.0, "2": 1.0}))
    assert harness.labels(build_labels({"1": 0.0})).labels == 1
    assert harness.read("label") == [(0.0,), (1.0,)]
    harness.restart()
    assert harness.read("label") == [(0.0,), (1.0,)]


def test_a_correction_of_a_waiting_label_replaces_it(harness: RowLogHarness) -> None:
    harness.labels(build_labels({"1": 1.0}))
    harness.labels(build_labels({"1": 0.0}))
    harness.restart()
    harness.rows(build_rows(["1"]))
    assert harness.read("label") == [(0.0,)]


def test_in_one_read_the_last_label_counts(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    ingested = harness.labels(build_labels({"1": 1.0}), build_labels({"1": 0.0}))
    assert (ingested.labels, ingested.duplicates) == (1, 1)
    assert harness.read("label") == [(0.0,)]


def test_labels_that_say_nothing_new_are_duplicates(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    harness.labels(build_labels({"1": 1.0, "9": 1.0}))
    again = harness.labels(build_labels({"1": 1.0, "9": 1.0}))
    assert (again.labels, again.duplicates, again.segments) == (0, 2, ())


def test_null_labels_have_not_arrived(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2"]))
    harness.labels(build_labels({"1": 1.0}))
    ingested = harness.labels(build_labels({"1": None, "2": None}))
    assert (ingested.labels, ingested.duplicates, ingested.rejected) == (0, 0, {})
    assert harness.read("label") == [(1.0,), (None,)]


def test_labels_that_cannot_be_used_are_set_aside(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    ingested = harness.labels(build_labels({"1": 3.0, "": 1.0}))
    assert (ingested.labels, ingested.rejected) == (0, {"bad_value": 1, "null_id": 1})
    aside = pq.read_table(harness.folder / "flights/rejected/2013-06-01/000000002-labels-0.parquet")
    assert aside["reason"].to_pylist() == ["bad_value", "null_id"]


def test_a_lost_transaction_forgets_labels_too(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    harness.store.fails = True
    for labels in ({"1": 1.0}, {"9": 1.0}):
        with pytest.raises(OSError, match="lost"):
            harness.labels(build_labels(labels))
    harness.store.fails = False
    assert harness.read("label") == [(None,)]
    assert harness.labels(build_labels({"1": 1.0, "9": 1.0})).labels == 2
    assert harness.log.sweep() == 2


def test_a_lost_transaction_leaves_waiting_labels_waiting(harness: RowLogHarness) -> None:
    harness.labels(build_labels({"1": 1.0}))
    harness.store.fails = True
    with pytest.raises(OSError, match="lost"):
        harness.rows(build_rows(["1"]))
    harness.store.fails = False
    harness.rows(build_rows(["1"]))
    assert harness.read("label") == [(1.0,)]


def test_many_waiting_labels_stay_in_few_segments(harness: RowLogHarness) -> None:
    names = [f"{at:03}" for at in range(60)]
    for at, name in enumerate(names):
        harness.labels(build_labels({name: float(at % 2)}))
    assert len(harness.store.tables.rows) <= manifest.ABSORB_FROM + 6
    harness.restart()
    harness.rows(build_rows(names))
    assert harness.read("label") == [(float(at % 2),) for at in range(60)]
    assert pending_rows(harness) == 0
    assert harness.files() == {one.path for one in harness.store.tables.rows.values()}


def test_many_small_label_segments_keep_the_latest_of_each(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2", "3"]))
    for at in range(40):
        harness.labels(build_labels({str(at % 3 + 1): float(at // 3 % 2)}))
    expected = [(float(13 % 2),), (float(12 % 2),), (float(12 % 2),)]
    assert harness.read("label") == expected
    harness.restart()
    assert harness.read("label") == expected
    assert len(harness.store.tables.rows) <= manifest.ABSORB_FROM + 6


def test_labels_in_the_rows_own_table(together: RowLogHarness) -> None:
    ingested = together.rows(labelled_rows({"1": 1.0, "2": None, "3": 0.0}))
    assert (ingested.accepted, ingested.labels) == (3, 2)
    assert together.read("label") == [(1.0,), (None,), (0.0,)]
    together.restart()
    assert together.read("label") == [(1.0,), (None,), (0.0,)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_row_repeated_with_its_label_is_an_arrival_of_the_label(
    together: RowLogHarness, restart: bool
) -> None:
    together.rows(labelled_rows({"1": None, "2": 1.0, "3": None, "4": 1.0}))
    if restart:
        together.restart()
    ingested = together.rows(labelled_rows({"1": 1.0, "2": 1.0, "3": None, "4": 0.0}))
    assert (ingested.accepted, ingested.labels, ingested.duplicates) == (0, 2, 2)
    assert together.read("label") == [(1.0,), (1.0,), (None,), (0.0,)]


def test_a_row_repeated_in_the_same_read_may_bring_its_label(together: RowLogHarness) -> None:
    ingested = together.rows(
        labelled_rows({"1": None, "2": 0.0, "3": 0.0}),
        labelled_rows({"1": 1.0, "2": 0.0, "3": 1.0}, start=START + DAY),
    )
    assert (ingested.accepted, ingested.labels, ingested.duplicates) == (3, 3, 1)
    assert together.read("row_id", "label") == [("1", 1.0), ("2", 0.0), ("3", 1.0)]


def test_a_late_correction_in_the_rows_own_table_reaches_the_day_of_the_row(together: RowLogHarness) -> None:
    together.rows(labelled_rows({"1": 0.0}))
    ingested = together.rows(labelled_rows({"1": 1.0}, start=START + 5 * DAY))
    assert [(one.kind.value, one.event_date) for one in ingested.segments] == [("labels", "2013-03-01")]
    assert together.read("label") == [(1.0,)]


def test_labels_of_classes_are_texts(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path, task="multiclass")
    harness.rows(build_rows(["1", "2"]))
    harness.labels(pa.table({"flight_id": ["1"], "delayed": [3]}))
    assert harness.read("label") == [("3",), (None,)]


def test_ids_of_labels_may_have_another_column_and_type(tmp_path: Path) -> None:
    labels = {"source": {"type": "files", "path": "l"}, "id": "id", "label": "y", "matures_after": "1d"}
    harness = RowLogHarness(
        tmp_path, build_data(labels=labels, columns={"y": "truth.y", "flight_id": "meta.id"})
    )
    rows = build_rows(["1", "2"])
    nested = pa.array([{"id": 1}, {"id": 2}])
    harness.rows(rows.drop_columns(["flight_id"]).append_column("meta", nested))
    harness.labels(pa.table({"id": pa.array([2.0]), "truth": pa.array([{"y": True}])}))
    harness.labels(pa.table({"id": pa.array(["1"]), "y": pa.array([0])}))
    assert harness.read("row_id", "label") == [("1", 0.0), ("2", 1.0)]


def test_what_is_written_but_not_adopted_is_forgotten_by_the_next_write(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    harness.log.write_labels(as_read(build_labels({"1": 1.0})), harness.state, NOW)
    harness.labels(build_labels({"1": 0.0}))
    assert harness.read("label") == [(0.0,)]


def _take_together(harness: RowLogHarness, labels: pa.Table, rows: pa.Table) -> Ingested:
    """Write both, as they are committed together."""
    state = harness.state
    held = harness.log.write_labels(as_read(labels), state, NOW, held=True)
    following = replace(state, sequence=state.sequence + 1)
    return harness.log.write_rows(as_read(rows), following, NOW, after=held)


@pytest.mark.parametrize("before", [0, 6, 7, 20])
def test_labels_and_rows_that_are_committed_together_are_as_those_one_after_the_other(
    tmp_path: Path, before: int
) -> None:
    """Labels of rows that are there, that come with them, and that do not come: at any number of segments."""
    together, apart = RowLogHarness(tmp_path / "together"), RowLogHarness(tmp_path / "apart")
    for harness in (together, apart):
        for number in range(before):
            harness.rows(build_rows([f"old-{number}"]))
            harness.labels(build_labels({f"old-{number}": 0.0, f"never-{number}": 1.0}))
        labels = build_labels({"old-0": 1.0, "new": 1.0, "not yet": 0.0})
        rows = build_rows(["new", "newer"])
        if harness is together:
            harness.commit(_take_together(harness, labels, rows))
        else:
            harness.labels(labels)
            harness.rows(rows)
    shown = together.read("row_id", "label")
    assert shown == apart.read("row_id", "label")
    assert dict(shown)["new"] == 1.0
    assert together.files() == {one.path for one in together.store.tables.rows.values()}
    for harness in (together, apart):
        harness.restart()
        harness.rows(build_rows(["not yet"]))
    assert together.read("row_id", "label") == apart.read("row_id", "label")
    assert dict(together.read("row_id", "label"))["not yet"] == 0.0


def test_labels_that_were_held_and_not_committed_are_gone_with_their_rows(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    _take_together(harness, build_labels({"1": 1.0, "2": 1.0}), build_rows(["2"]))
    harness.log.sweep()
    assert harness.read("row_id", "label") == [("1", None)]
    assert harness.files() == {one.path for one in harness.store.tables.rows.values()}


def test_rows_are_refused_when_the_labels_before_them_are_not_there(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    held = harness.log.write_labels(as_read(build_labels({"1": 1.0})), harness.state, NOW, held=True)
    harness.log.sweep()
    with pytest.raises(StateConflict, match="labels were to be committed with rows"):
        harness.restart().write_rows(as_read(build_rows(["2"])), harness.state, NOW, after=held)


@pytest.mark.parametrize("already", [0, manifest.ABSORB_FROM - 1], ids=["alone", "absorbing"])
def test_waiting_labels_outlive_a_clock_that_was_behind(harness: RowLogHarness, already: int) -> None:
    names = [f"{at}" for at in range(already)]
    for name in names:
        harness.labels(build_labels({name: 1.0}))
    state = replace(harness.state, newest_event_at=NOW)
    behind = NOW - 4000 * DAY
    harness.commit(harness.log.write_labels(as_read(build_labels({"z": 1.0})), state, behind))
    assert harness.log.retire(NOW - 30 * DAY) == []
    harness.rows(build_rows([*names, "z"]))
    assert set(harness.read("label")) == {(1.0,)}


def test_waiting_labels_keep_their_day_when_a_clock_that_is_behind_rewrites_them(
    harness: RowLogHarness,
) -> None:
    harness.labels(build_labels({"1": 1.0, "2": 1.0, "3": 1.0}))
    harness.rows(build_rows(["1", "2"], step=timedelta(0)), now=START)
    assert pending_rows(harness) == 1
    assert "pending" not in {one.event_date for one in harness.log.retire(NOW)}
    assert "pending" in {one.event_date for one in harness.log.retire(NOW + DAY)}
