"""Whatever stays in memory, a row log shows the same; and what stays is bounded for all of them together."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import Segment, Version
from ctrain.rows import identity, memory
from ctrain.rows.identity import IndexMemory
from ctrain.rows.memory import Day, DayMemory, Place, RowMemory, packed, row_memory
from ctrain.rows.segments import SegmentFolder
from tests.parquet_rows import START, build_labels, build_rows
from tests.row_logs import FIRST, LAST, RowLogHarness

ROUND = timedelta(minutes=40)
ROWS = 20
VERSION = Version("1")


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RowMemory:
    """Memory for some dozens of rows."""
    monkeypatch.setattr(memory, "LEAST_SHARE", 1)
    monkeypatch.setattr(identity, "LEAST_SPILL_BYTES", 1000)
    monkeypatch.setattr(identity, "SMALL_RUN", 300)
    return RowMemory(DayMemory(8_000), IndexMemory(tmp_path / "known", 0))


@pytest.mark.parametrize("processes", [1, 4])
def test_processes_of_a_daemon_keep_together_what_one_alone_does(tmp_path: Path, processes: int) -> None:
    part = row_memory(tmp_path / "known", processes)
    assert part.days.has_room(memory.KEPT_BYTES // processes)
    assert not part.days.has_room(memory.KEPT_BYTES // processes + 1)
    assert part.index is not None
    part.index.tell(part.index.join(), identity.INDEX_BYTES // processes)
    assert not part.index.is_short
    part.index.tell(part.index.join(), 1)
    assert part.index.is_short


def test_a_log_that_keeps_little_shows_what_one_shows_that_keeps_everything(
    tmp_path: Path, short: RowMemory
) -> None:
    logs = (
        RowLogHarness(tmp_path / "little" / "rows", memory=short),
        RowLogHarness(tmp_path / "much" / "rows"),
    )
    random = np.random.default_rng(11)
    ids: list[str] = []
    for number in range(45):  # a day and a quarter
        at = START + ROUND * (number - 20 * (number % 7 == 6))  # a seventh of the rows comes late
        repeated = random.choice(ids, 3).tolist() if ids else []
        fresh = [f"{number}-{one}" for one in range(ROWS)]
        ids += fresh
        rows = build_rows([*fresh, *repeated], start=at, step=ROUND / ROWS)
        labelled = random.choice(ids[-15 * ROWS if number % 9 else 0 :], 25)
        labels = build_labels({str(one): float(random.integers(2)) for one in labelled})
        scored = pa.array(random.random(ROWS))
        scores = pa.table(
            [pa.array(fresh), rows["scheduled_at"][:ROWS], scored], ["row_id", "event_at", "score"]
        )
        told = []
        for log in logs:
            taken = [log.rows(rows), log.labels(labels)]
            log.scores("1", scores)
            told.append([(one.accepted, one.duplicates, one.late, one.labels) for one in taken])
        assert told[0] == told[1]
        recent = [log.log.read(START + ROUND * (number - 3), LAST, scores_of=[VERSION]) for log in logs]
        assert recent[0].equals(recent[1])
        assert short.days.bytes <= 8_000
    whole = [log.log.read(FIRST, LAST, scores_of=[VERSION]) for log in logs]
    assert whole[0].num_rows == len(ids)
    assert whole[0].equals(whole[1])


def test_ids_beyond_what_may_stay_in_memory_go_to_the_disk(tmp_path: Path, short: RowMemory) -> None:
    log = RowLogHarness(tmp_path / "rows", memory=short)
    for number in range(60):
        log.rows(build_rows([f"{number}-{one}" for one in range(ROWS)], start=START + ROUND * number))
    assert short.index is not None
    assert short.index.bytes < 1200 < 10 * 60 * ROWS
    files = [path for path in (tmp_path / "known").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert sum(path.stat().st_size for path in files) >= 10 * (60 * ROWS - 100)
    assert log.rows(build_rows([f"{number}-0" for number in range(60)])).duplicates == 60


def test_what_was_lost_on_the_disk_is_found_again(tmp_path: Path, short: RowMemory) -> None:
    log = RowLogHarness(tmp_path / "rows", memory=short)
    for number in range(20):
        log.rows(build_rows([f"{number}-{one}" for one in range(ROWS)], start=START + ROUND * number))
    for path in (tmp_path / "known").glob("*/*"):
        path.unlink()
    assert log.rows(build_rows(["0-0", "19-19", "new"])).duplicates == 2


def test_what_nobody_uses_any_more_leaves_memory_and_disk(tmp_path: Path, short: RowMemory) -> None:
    log = RowLogHarness(tmp_path / "rows", memory=short)
    log.rows(build_rows([str(one) for one in range(200)], step=timedelta(minutes=1)))
    assert short.index is not None
    assert short.days.bytes > 0 < short.index.bytes
    assert list((tmp_path / "known").glob("*/*"))
    del log
    gc.collect()
    assert short.days.bytes == short.index.bytes == 0
    assert not list((tmp_path / "known").glob("*/*"))


def test_days_that_are_not_used_leave_memory(tmp_path: Path) -> None:
    days = DayMemory(4_000)
    log = RowLogHarness(tmp_path / "rows", memory=RowMemory(days))
    log.rows(build_rows([str(at) for at in range(300)], step=timedelta(hours=2)))
    assert len(log.read("row_id")) == 300
    assert 0 < days.bytes <= 4_000


def _day(rows: int) -> Day:
    instants = pa.array(range(rows), pa.int64()).cast(pa.timestamp("us", "UTC"))
    return Day(pa.table({"event_at": instants, "x": pa.array(range(rows))}), {})


def test_days_of_the_past_leave_first_the_least_recently_used_before_the_others() -> None:
    days = DayMemory(limit_bytes=100)
    for name in ("a", "b"):
        assert days.put(Place(1, name), _day(1), 40, recent=False) == 0
    days.get(Place(1, "a"))
    assert days.put(Place(2, "new"), _day(1), 50, recent=True) == 0
    assert [days.get(Place(1, name)) is not None for name in ("a", "b")] == [True, False]
    days.put(Place(3, "large"), _day(1), 60, recent=False)
    assert days.get(Place(3, "large")) is None
    assert days.bytes == 90


def test_who_has_more_than_its_share_is_asked_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LEAST_SHARE", 1)
    days = DayMemory(limit_bytes=100)
    assert days.put(Place(1, "a"), _day(1), 90, recent=True) == 0
    assert (
        days.put(Place(2, "a"), _day(1), 20, recent=True) == 0
    )  # it has less than half: the other one leaves
    assert days.get(Place(1, "a")) is None
    days.put(Place(1, "a"), _day(1), 80, recent=True)
    assert days.put(Place(1, "b"), _day(1), 10, recent=True) == 90 - 7 * 50 // 8


def test_the_end_of_a_day_begins_with_an_instant() -> None:
    instants = pa.array([0, 1, 1, 1, 2], pa.int64()).cast(pa.timestamp("us", "UTC"))
    day = Day(pa.table({"event_at": instants, "x": [0, 1, 2, 3, 4]}), {VERSION: pa.array([0.0, 1, 2, 3, 4])})
    end = day.end(0.5)  # two of five: all that share their instant stay
    assert end.since == 1
    assert end.table["x"].to_pylist() == [1, 2, 3, 4]
    assert end.scores[VERSION].to_pylist() == [1, 2, 3, 4]
    assert [end.reaches(one) for one in (None, 0, 1, 2)] == [False, False, True, True]


def _mixed(rows: int) -> pa.Table:
    """A column of every kind that a row log has, in chunks that are parts of longer ones."""
    instants = pa.array(range(rows + 2), pa.int64()).cast(pa.timestamp("us", "UTC"))
    longer = pa.table(
        {
            "row_id": [str(number) for number in range(rows + 2)],
            "event_at": instants,
            "late": [number % 3 == 0 for number in range(rows + 2)],
            "x": [None if number % 5 == 0 else float(number) for number in range(rows + 2)],
            "label": pa.nulls(rows + 2, pa.float64()),
            "score": pa.nulls(rows + 2),
        }
    ).slice(1, rows)
    return pa.concat_tables([longer.slice(0, rows // 2), longer.slice(rows // 2)])


def _pieces(table: pa.Table) -> list[pa.Buffer]:
    """The memory of all columns, each piece of it once."""
    chunks = [chunk for column in table.columns for chunk in column.chunks]
    pieces = [_whole(part) for chunk in chunks for part in chunk.buffers() if part is not None]
    return list({piece.address: piece for piece in pieces}.values())


def _whole(part: pa.Buffer) -> pa.Buffer:
    return part if part.parent is None else _whole(part.parent)


@pytest.mark.parametrize("rows", [1, 2, 7, 400])
def test_packed_rows_are_the_same_and_lie_in_one_piece_with_little_else(rows: int) -> None:
    kept = packed(_mixed(rows))
    assert kept.equals(_mixed(rows))
    (piece,) = _pieces(kept)
    assert piece.size <= kept.nbytes + 2048  # what describes the columns, and padding


def test_no_rows_are_packed_too() -> None:
    assert packed(_mixed(0)).equals(_mixed(0))


@pytest.mark.parametrize("rows", [100, 400_000])
def test_the_end_of_a_day_keeps_nothing_of_the_rows_before_it(rows: int) -> None:
    day = Day(packed(_mixed(rows)))
    end = day.end(0.25).table
    assert end.equals(day.table.slice(rows - end.num_rows))
    (piece,) = _pieces(end)
    assert piece.size <= end.nbytes + 2048 < day.table.nbytes


def test_of_a_day_that_does_not_fit_only_what_reaches_so_far_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LEAST_SHARE", 1)
    log = RowLogHarness(tmp_path / "rows", memory=RowMemory(DayMemory(1)))
    step = timedelta(minutes=10)
    for number in range(30):
        log.rows(build_rows([str(number)], start=START + step * number))
        log.labels(build_labels({str(number): 1.0}))
    log.read("row_id")
    read: list[str] = []
    reading = SegmentFolder.read

    def counted(files: SegmentFolder, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        read.append(segment.kind)
        return reading(files, segment, columns)

    monkeypatch.setattr(SegmentFolder, "read", counted)
    for _ in range(2):  # the first look finds out how far each segment reaches
        read.clear()
        found = log.log.read(START + step * 28, LAST)
        assert found["row_id"].to_pylist() == ["28", "29"]
        assert found["label"].to_pylist() == [1.0, 1.0]
    assert sorted(read) == ["labels"] * 3 + ["rows"] * 2  # the label of row 27 came after that row


def test_a_fork_that_ends_leaves_the_runs_of_its_parent(tmp_path: Path, short: RowMemory) -> None:
    log = RowLogHarness(tmp_path / "rows", memory=short)
    log.rows(build_rows([str(one) for one in range(200)], step=timedelta(minutes=1)))
    child = os.fork()
    if child == 0:
        del log
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert list((tmp_path / "known").glob("*/*"))
    assert log.rows(build_rows(["0"])).duplicates == 1
