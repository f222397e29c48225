"""Rows in the row log: once each, in order, pruned by date, and gone only when retired."""

from __future__ import annotations

import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Segment, SegmentKind, Version
from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.rows import arrivals, by_id, known, manifest, pending
from ctrain.rows.identity import hash_ids
from tests.parquet_rows import START, build_data, build_labels, build_rows
from tests.row_logs import FIRST, LAST, NOW, RowLogHarness, as_read

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def harness(tmp_path: Path) -> RowLogHarness:
    return RowLogHarness(tmp_path)


def replace_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values))


def test_rows_are_read_as_promised(harness: RowLogHarness) -> None:
    ingested = harness.rows(build_rows(["b", "a"], step=timedelta(0)))
    assert (ingested.accepted, ingested.newest_event_at) == (2, START)
    table = harness.log.read(START, START + HOUR)
    assert [(one.name, str(one.type)) for one in table.schema] == [
        ("row_id", "string"),
        ("event_at", "timestamp[us, tz=UTC]"),
        ("late", "bool"),
        ("prediction", "double"),
        ("model_version", "string"),
        ("distance", "double"),
        ("carrier", "string"),
        ("label", "double"),
    ]
    assert table.to_pylist()[0] == {
        "row_id": "a",
        "event_at": START,
        "late": False,
        "prediction": 0.1,
        "model_version": "1",
        "distance": 101.0,
        "carrier": "UA",
        "label": None,
    }
    assert table["row_id"].to_pylist() == ["a", "b"]


def test_features_of_every_kind_are_read_as_models_get_them(harness: RowLogHarness) -> None:
    kinds = {"numeric": ["distance"], "boolean": ["night"], "date": ["sold_on"], "text": ["remark"]}
    log = harness.restart(build_data(features=kinds))
    rows = build_rows(["1", "2", "3"]).drop_columns(["carrier"])
    rows = rows.append_column("night", pa.array(["yes", "no", "perhaps"]))
    rows = rows.append_column("sold_on", pa.array(["1970-01-02", None, "1970-01-01T06:00:00Z"]))
    rows = rows.append_column("remark", pa.array(["seat 3, window", "", None]))
    ingested = harness.rows(rows)
    table = log.read(FIRST, LAST)
    assert [str(table.schema.field(name).type) for name in ("night", "sold_on", "remark")] == [
        "double",
        "double",
        "string",
    ]
    assert harness.read("night", "sold_on", "remark") == [
        (1.0, 1.0, "seat 3, window"),
        (0.0, None, ""),
        (None, 0.25, None),
    ]
    assert ingested.arrived is not None
    assert {name: mask.tolist() for name, mask in ingested.arrived.wrong.items()} == {
        "night": [False, False, True]
    }


def test_a_feature_that_means_nothing_costs_no_row(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    texts = replace_column(
        build_rows(["1", "2", "3", "3"], step=timedelta(hours=1)), "distance", list("7xy8")
    )
    lists = replace_column(build_rows(["5"]), "distance", [[1.0]])
    none = build_rows(["6", "7"]).drop_columns(["distance"])
    ingested = harness.rows(texts, lists, none)
    assert (ingested.accepted, ingested.duplicates, ingested.rejected) == (5, 2, {})
    arrived = ingested.arrived
    assert arrived is not None
    assert arrived.rows["row_id"].to_pylist() == ["2", "3", "5", "6", "7"]
    assert arrived.wrong["distance"].tolist() == [True, True, True, False, False]
    assert arrived.absent["distance"].tolist() == [False, False, False, True, True]
    assert arrived.repeated_at == [
        (one - FIRST) // timedelta(microseconds=1) for one in (START, START + timedelta(hours=3))
    ]
    assert arrived.received is not None
    assert arrived.repeated is not None
    dropped = arrived.received.filter(pa.array(arrived.repeated))
    assert dropped.select(["row_id", "carrier"]).to_pylist() == [
        {"row_id": "1", "carrier": "UA"},
        {"row_id": "3", "carrier": "UA"},
    ]
    assert [value for (value,) in harness.read("distance")] == [100.0, None, None, None, None, None]


def test_small_segments_that_are_put_together_after_a_restart_hide_no_row(harness: RowLogHarness) -> None:
    ids = [f"{one:02}" for one in range(2 * manifest.ABSORB_FROM)]
    for number in ids:
        harness.rows(build_rows([number]))
        harness.restart()
    assert harness.rows(build_rows(["last"])).accepted == 1
    assert sorted(harness.read("row_id")) == [(one,) for one in [*ids, "last"]]
    assert harness.rows(build_rows(ids)).duplicates == len(ids)


def test_nothing_shows_before_the_commit_and_everything_after(harness: RowLogHarness) -> None:
    ingested = harness.log.write_rows(as_read(build_rows(["1"])), harness.state, NOW)
    assert harness.read("row_id") == []
    harness.commit(ingested)
    assert harness.read("row_id") == [("1",)]
    harness.restart()
    assert harness.read("row_id") == [("1",)]


def test_a_lost_transaction_leaves_no_trace(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    harness.store.fails = True
    with pytest.raises(OSError, match="lost"):
        harness.rows(build_rows(["2", "3"]))
    harness.store.fails = False
    again = harness.rows(build_rows(["2", "3"]))
    assert (again.accepted, again.duplicates) == (2, 0)
    assert harness.read("row_id") == [("1",), ("2",), ("3",)]
    assert harness.log.sweep() == 1
    assert len(harness.files()) == len(harness.store.tables.rows)
    harness.restart()
    assert harness.read("row_id") == [("1",), ("2",), ("3",)]


def test_files_beside_a_database_of_another_time_are_kept_until_its_own_are_back(
    harness: RowLogHarness,
) -> None:
    """As when it is restored alone: what was put together since may be all there is of its rows."""
    harness.rows(build_rows(["1"]))
    (file,) = (harness.folder / name for name in harness.files())
    of_that_time, older = file.read_bytes(), dict(harness.store.tables.rows)
    harness.rows(build_rows(["2"]))
    file.unlink()
    newer = harness.files()
    harness.store.tables.rows = older
    harness.restart()
    assert (harness.log.sweep(), harness.files()) == (0, newer)
    with pytest.raises(PermanentError, match="the database names this segment of the row log, and it is not"):
        harness.read("row_id")
    file.write_bytes(of_that_time)
    assert harness.log.sweep() == 1
    assert harness.read("row_id") == [("1",)]


def test_what_another_process_committed_is_seen_when_it_is_adopted(harness: RowLogHarness) -> None:
    other = RowLogHarness(harness.folder)
    other.store = harness.store
    ingested = other.restart().write_rows(as_read(build_rows(["1"])), other.state, NOW)
    harness.commit(ingested)
    assert harness.read("row_id") == [("1",)]
    assert harness.rows(build_rows(["1"])).duplicates == 1


@pytest.mark.parametrize("restart", [False, True])
def test_repeated_ids_are_dropped_and_counted(harness: RowLogHarness, restart: bool) -> None:
    first = harness.rows(build_rows(["1", "2", "1"]), build_rows(["2", "3"]))
    assert (first.accepted, first.duplicates) == (3, 2)
    if restart:
        harness.restart()
    other_day = harness.rows(build_rows(["3", "4"], start=START + 40 * DAY))
    assert (other_day.accepted, other_day.duplicates) == (1, 1)
    assert harness.read("row_id") == [("1",), ("2",), ("3",), ("4",)]


def test_the_first_of_repeated_rows_counts(harness: RowLogHarness) -> None:
    harness.rows(replace_column(build_rows(["1", "1"]), "distance", [5.0, 6.0]))
    harness.rows(replace_column(build_rows(["1"]), "distance", [7.0]))
    assert harness.read("distance") == [(5.0,)]


def test_a_collision_of_hashes_loses_no_row(harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def collide(ids: pa.Array) -> np.ndarray:
        return hash_ids(ids) % np.uint64(2)

    for module in (arrivals, by_id, known, pending):
        monkeypatch.setattr(module, "hash_ids", collide)
    names = [str(one) for one in range(20)]
    harness.labels(build_labels({"3": 1.0, "zz": 0.0}))
    assert harness.rows(build_rows(names[:10])).accepted == 10
    harness.restart()
    again = harness.rows(build_rows(names, start=START + DAY))
    assert (again.accepted, again.duplicates) == (10, 10)
    assert dict(harness.read("row_id", "label"))["3"] == 1.0
    assert sorted(one for (one,) in harness.read("row_id")) == sorted(names)


def test_rows_that_cannot_be_used_are_set_aside_with_their_reason(harness: RowLogHarness) -> None:
    table = build_rows(["1", "", "3", "4", "5", "6"])
    texts = [START.isoformat(), START.isoformat(), None, "2013-03-01T00:00:00", "2013-06-01T00:10:00Z"]
    table = replace_column(table, "scheduled_at", [*texts, START.isoformat()])
    table = replace_column(table, "score", ["0", "0", "0", "0", "0", "far"])
    read = as_read(table.slice(0, 2), table.slice(2), path="day.parquet")
    ingested = harness.commit(harness.log.write_rows(read, harness.state, NOW))
    assert ingested.accepted == 1
    assert ingested.rejected == {
        "null_id": 1, "null_time": 1, "naive_time": 1, "future_time": 1, "bad_value": 1
    }  # fmt: skip
    aside = pq.read_table(harness.folder / "flights/rejected/2013-06-01/000000001-rows-0.parquet")
    assert aside.select(["flight_id", "reason", "source_path", "source_row"]).to_pylist()[1:3] == [
        {"flight_id": "3", "reason": "null_time", "source_path": "day.parquet", "source_row": 0},
        {"flight_id": "4", "reason": "naive_time", "source_path": "day.parquet", "source_row": 1},
    ]
    assert harness.log.sweep() == 0
    assert aside.num_rows == 5


def test_of_rows_that_cannot_be_used_a_day_keeps_so_many(
    harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace_column(build_rows(["bad"]), "flight_id", [""])
    monkeypatch.setattr("ctrain.rows.segments.MOST_ASIDE_BYTES", 1)
    told = [harness.rows(bad, now=now).rejected for now in (START, START, START + DAY)]
    assert told == [{"null_id": 1}] * 3
    kept = sorted((harness.folder / "flights/rejected").rglob("*.parquet"))
    assert [(path.parent.name, path.name[:9]) for path in kept] == [
        ("2013-03-01", "000000001"),
        ("2013-03-02", "000000003"),
    ]


def test_a_clock_that_is_a_little_ahead_is_tolerated_and_the_watermark_stays_behind_now(
    harness: RowLogHarness,
) -> None:
    soon = build_rows(["1", "2"], start=NOW + timedelta(minutes=5), step=timedelta(seconds=1))
    ingested = harness.rows(soon)
    assert (ingested.accepted, ingested.rejected, ingested.newest_event_at) == (1, {"future_time": 1}, NOW)


@pytest.mark.parametrize(
    ("minutes", "late"),
    [([0, 59, 60, 119, 120], [True, True, False, False, False])],
)
def test_a_row_is_late_when_its_pane_was_closed_before_the_read(
    harness: RowLogHarness, minutes: list[int], late: list[bool]
) -> None:
    table = build_rows([str(one) for one in minutes])
    table = replace_column(
        table,
        "scheduled_at",
        pa.array([START + timedelta(minutes=one) for one in minutes], pa.timestamp("us", "UTC")),
    )
    ingested = harness.rows(table, watermark=START + HOUR)
    assert ingested.late == sum(late)
    assert [one for (one,) in harness.read("late")] == late
    assert len(harness.read("row_id", include_late=False)) == late.count(False)


def test_reads_are_half_open_and_in_order_across_days(harness: RowLogHarness) -> None:
    harness.rows(build_rows([f"{at:02}" for at in range(40)], start=START, step=2 * HOUR))
    harness.rows(build_rows(["early"], start=START + HOUR))
    table = harness.log.read(START + HOUR, START + 30 * HOUR)
    assert table["row_id"].to_pylist() == ["early", *(f"{at:02}" for at in range(1, 15))]
    assert harness.log.read(START, START).num_rows == 0
    assert harness.log.read(START + DAY, START).num_rows == 0
    assert harness.log.read(LAST, LAST + DAY).schema == table.schema


def test_small_segments_are_put_together_and_reads_stay_the_same(harness: RowLogHarness) -> None:
    expected = []
    for at in range(60):
        harness.rows(build_rows([f"{at:03}"], start=START + at * timedelta(minutes=20)))
        expected.append((f"{at:03}", START + at * timedelta(minutes=20)))
    assert harness.read("row_id", "event_at") == expected
    assert len(harness.store.tables.rows) <= 14
    assert harness.files() == {one.path for one in harness.store.tables.rows.values()}
    harness.restart()
    assert harness.read("row_id", "event_at") == expected
    assert harness.rows(build_rows(["000"])).duplicates == 1


def test_a_reader_in_another_process_survives_the_joining_of_segments(harness: RowLogHarness) -> None:
    for at in range(manifest.ABSORB_FROM - 1):
        harness.rows(build_rows([str(at)]))
    reader = RowLogHarness(harness.folder)
    reader.store = harness.store
    reader.restart()
    harness.rows(build_rows(["last"]))
    assert len(harness.store.tables.rows) == 1
    assert len(reader.read("row_id")) == manifest.ABSORB_FROM


def test_scores_stand_beside_their_rows(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2", "3"], step=10 * HOUR))
    scores = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
    first = scores.slice(0, 2).append_column("score", pa.array([0.25, float("nan")]))
    harness.scores("7", first)
    found = harness.log.read(FIRST, LAST, scores_of=["7", "8"])  # type: ignore[list-item] # a NewType
    assert found["score:7"].to_pylist()[0] == 0.25
    assert str(found["score:7"].to_pylist()[1:]) == "[nan, None]"
    assert found["score:8"].to_pylist() == [None, None, None]
    harness.scores("7", scores.slice(0, 1).append_column("score", pa.array([0.5])))
    assert harness.read("score:7", scores_of=["7"])[0] == (0.5,)
    harness.rows(build_rows(["0"], start=START - HOUR))
    assert harness.read("row_id", "score:7", scores_of=["7"])[:2] == [("0", None), ("1", 0.5)]
    harness.restart()
    assert harness.read("row_id", "score:7", scores_of=["7"])[:2] == [("0", None), ("1", 0.5)]


def test_many_small_score_segments_are_put_together_by_the_next_rows(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2"]))
    rows = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
    for at in range(2 * manifest.ABSORB_FROM):
        harness.scores("7", rows.slice(at % 2, 1).append_column("score", pa.array([at / 100])))
    before = harness.read("score:7", scores_of=["7"])
    harness.rows(build_rows(["3"], start=START + HOUR))
    kept = [one for one in harness.store.tables.rows.values() if one.kind is SegmentKind.SCORES]
    assert [one.rows for one in kept] == [2]
    assert harness.read("score:7", scores_of=["7"]) == [*before, (None,)]
    harness.restart()
    assert harness.read("score:7", scores_of=["7"]) == [*before, (None,)]


def of_classes(**fields: list[float | None]) -> pa.Array[Any]:
    return pa.StructArray.from_arrays(
        [pa.array(one, pa.float64()) for one in fields.values()], names=[*fields]
    )


def test_scores_of_classes_name_their_classes(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path, task="multiclass")
    harness.rows(replace_column(build_rows(["1", "2"]), "score", ["cat", "dog"]))
    assert harness.read("score:7", scores_of=["7"]) == [(None,), (None,)]
    assert harness.log.read(LAST, LAST, scores_of=[Version("7")]).num_rows == 0
    rows = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
    harness.scores("7", rows.slice(0, 1).append_column("score", of_classes(cat=[0.25], dog=[0.75])))
    scored = [("cat", {"cat": 0.25, "dog": 0.75}), ("dog", None)]
    assert harness.read("prediction", "score:7", scores_of=["7"]) == scored
    harness.restart()
    assert harness.read("prediction", "score:7", scores_of=["7"]) == scored


def test_scores_of_a_day_take_in_classes_that_come_later(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path, task="multiclass")
    ids = [str(number) for number in range(2 * manifest.ABSORB_FROM)]
    harness.rows(replace_column(build_rows(ids), "score", ["cat"] * len(ids)))
    rows = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
    assert harness.read("score:7", scores_of=["7"])[0] == (None,)
    for at in range(len(ids)):
        fields = {"cat": [1.0]} if at < 3 else {"dog": [0.5], "cat": [None if at == 3 else 0.5]}
        harness.scores("7", rows.slice(at, 1).append_column("score", of_classes(**fields)))
    expected = [({"cat": 1.0, "dog": None},)] * 3 + [({"cat": None, "dog": 0.5},)]
    expected += [({"cat": 0.5, "dog": 0.5},)] * (len(ids) - 4)
    assert harness.read("score:7", scores_of=["7"]) == expected
    harness.rows(replace_column(build_rows(["next day"], start=START + DAY), "score", ["cat"]))
    kept = [one for one in harness.store.tables.rows.values() if one.kind is SegmentKind.SCORES]
    assert [one.rows for one in kept] == [len(ids)]
    harness.restart()
    assert harness.read("score:7", scores_of=["7"]) == [*expected, (None,)]


def test_retired_days_go_with_their_labels_scores_and_ids(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1", "2"], step=DAY))
    harness.labels(build_labels({"1": 1.0, "2": 0.0, "nobody": 1.0}), now=START)
    harness.rows(replace_column(build_rows(["bad"]), "flight_id", [""]), now=START)
    rows = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
    harness.scores("7", rows.append_column("score", pa.array([0.1, 0.2])))
    gone = harness.retire(START + DAY + HOUR)
    assert sorted((one.kind.value, one.event_date) for one in gone) == [
        ("labels", "2013-03-01"),
        ("labels", "pending"),
        ("rows", "2013-03-01"),
        ("scores", "2013-03-01"),
    ]
    assert harness.read("row_id", "label", "score:7", scores_of=["7"]) == [("2", 0.0, 0.2)]
    assert (harness.folder / "flights/rejected/2013-03-01").exists()
    harness.log.forget_set_aside(START + DAY + HOUR)
    assert not (harness.folder / "flights/rejected/2013-03-01").exists()
    assert harness.files() == {one.path for one in harness.store.tables.rows.values()}


def test_a_full_disk_is_said_before_anything_is_written(
    harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(50 * 10**6))
    with pytest.raises(TransientError) as caught:
        harness.rows(build_rows(["1"]))
    assert str(caught.value) == (
        f"{harness.folder / 'flights'}: 50 MB are free, 100 MB are needed to take in rows"
    )
    assert caught.value.retry_in == timedelta(minutes=1)
    assert harness.files() == set()


def test_a_failing_disk_leaves_no_partial_file(
    harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(table: pa.Table, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(TransientError, match=r"a segment cannot be written: .*No space left on device"):
        harness.rows(build_rows(["1"]))
    assert [one for one in harness.folder.rglob("*") if one.is_file()] == []


def test_after_a_failed_write_the_next_one_goes_through(
    harness: RowLogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, written = pq.write_table, []

    def fail_at_second(table: pa.Table, path: Path, **options: Any) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(5, "Input/output error")
        plain(table, path, **options)

    monkeypatch.setattr(pq, "write_table", fail_at_second)
    rows = build_rows(["1", "2"], step=DAY)
    with pytest.raises(TransientError):
        harness.rows(rows)
    assert harness.log.sweep() == 1
    assert harness.rows(rows).accepted == 2
    assert harness.read("row_id") == [("1",), ("2",)]


def test_features_may_come_go_and_change_their_kind(harness: RowLogHarness) -> None:
    harness.rows(build_rows(["1"]))
    table = build_rows(["2"]).append_column("wind", pa.array([3.0]))
    harness.restart(build_data(features={"numeric": ["wind"], "categorical": ["distance"]}))
    harness.rows(table)
    assert harness.read("row_id", "wind", "distance") == [("1", None, "100"), ("2", 3.0, "100")]
    harness.restart(build_data(features={"numeric": ["distance", "carrier"]}))
    assert harness.read("row_id", "distance", "carrier") == [("1", 100.0, None), ("2", 100.0, None)]


def test_segments_of_features_that_changed_their_kind_are_not_put_together(harness: RowLogHarness) -> None:
    for at in range(manifest.ABSORB_FROM - 1):
        harness.rows(build_rows([str(at)]))
    harness.restart(build_data(features={"categorical": ["distance"]}))
    harness.rows(build_rows(["last"]))
    assert len(harness.read("row_id")) == manifest.ABSORB_FROM
    assert len(harness.store.tables.rows) == manifest.ABSORB_FROM


@pytest.mark.parametrize("name", ["late", "label", "score:1"])
def test_a_feature_with_a_name_of_our_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        RowLogHarness(tmp_path, build_data(features={"numeric": [name]}))
    assert str(caught.value) == (
        f"flights: the feature {name!r} has a name that ctrain uses itself; "
        "give it another one and name its column in data.columns"
    )


def test_segments_are_named_in_the_manifest_as_they_lie_on_disk(harness: RowLogHarness) -> None:
    (segment,) = harness.rows(build_rows(["1", "2"])).segments
    path = harness.folder / segment.path
    assert segment == Segment(
        id=segment.id,
        policy=segment.policy,
        kind=SegmentKind.ROWS,
        event_date="2013-03-01",
        path=f"flights/rows/2013-03-01/{segment.id}.parquet",
        rows=2,
        bytes=path.stat().st_size,
        sequence=1,
    )


def test_instants_of_other_zones_are_understood(harness: RowLogHarness) -> None:
    from zoneinfo import ZoneInfo

    harness.rows(build_rows(["1"], start=datetime(2013, 3, 1, 23, 30, tzinfo=UTC)))
    tokyo = datetime(2013, 3, 2, 8, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert harness.log.read(tokyo, tokyo + HOUR).num_rows == 1
