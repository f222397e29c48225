"""Files that appear, change, shrink or are damaged: every case has one answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Json, SourceRead
from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.ports import Source
from ctrain.sources import files as files_module
from ctrain.sources import inspection
from ctrain.sources import parquet as parquet_module
from ctrain.sources.inspection import PATIENCE_READS
from tests.parquet_rows import START, build_data, build_rows, drain, ids_of, open_files, write_parquet
from tests.row_logs import NOW, RowLogHarness
from tests.text_rows import write_rows

NOTHING: Json = MappingProxyType({})
ENDING = ". The file is set aside; it is read when its content changes"


class SteppedTimer:
    """A timer that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2100, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def read_patiently(source: Source, cursor: Json = NOTHING) -> SourceRead:
    """The read in which patience with an unreadable file ends."""
    for _ in range(PATIENCE_READS - 1):
        read = source.read(cursor, 1000)
        assert not read.rejected
        assert not read.batches
        cursor = read.cursor
    return source.read(cursor, 1000)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened."""
    names: list[str] = []

    def record(path: Path) -> object:
        names.append(path.name)
        return parquet_module.open_parquet(path)

    monkeypatch.setattr(inspection, "open_parquet", record)
    return names


def test_new_files_are_read_once(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["3"], start=START + timedelta(days=1)))
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    first = source.read({}, 1000)
    assert ids_of(first) == ["1", "2", "3"]
    assert [(one.path, one.first_row) for one in first.batches] == [("a.parquet", 0), ("b.parquet", 0)]
    assert not first.more
    again = source.read(first.cursor, 1000)
    assert again.batches == ()
    assert again.cursor == first.cursor


def test_a_name_that_sorts_before_those_read_is_read_when_it_arrives(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    assert ids_of(source.read(cursor, 1000)) == ["1"]


def test_files_are_ordered_by_their_first_event_whatever_their_names_and_time_stamps(tmp_path: Path) -> None:
    for position, name in enumerate(["c", "a", "b"]):
        path = write_parquet(
            tmp_path / f"rows/{name}.parquet", build_rows([name], start=START + timedelta(hours=position))
        )
        os.utime(path, (1e9 - position, 1e9 - position))
    assert ids_of(open_files(tmp_path).read({}, 1000)) == ["c", "a", "b"]


def test_files_without_statistics_come_after_the_others_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["b"]), write_statistics=False)
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["a"]), write_statistics=False)
    write_parquet(tmp_path / "rows/c.parquet", build_rows(["c"]))
    assert ids_of(open_files(tmp_path).read({}, 1000)) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "texts",
    [
        ["2013-01-02T00:00:00Z", "2013-01-01T00:00:00Z"],
        ["2013-01-02T00:00:00+01:00", "2013-01-01T23:00:00+01:00"],
    ],
)
def test_event_times_in_text_order_files_too(tmp_path: Path, texts: list[str]) -> None:
    for name, text in zip("ab", texts, strict=True):
        table = build_rows([name])
        table = table.set_column(1, "scheduled_at", pa.array([text]))
        write_parquet(tmp_path / f"rows/{name}.parquet", table)
    assert ids_of(open_files(tmp_path).read({}, 1000)) == ["b", "a"]


@pytest.mark.parametrize("row_group_size", [3, 100])
@pytest.mark.parametrize("restart", [True, False])
def test_a_limit_ends_a_read_in_the_middle_of_a_file(
    tmp_path: Path, row_group_size: int, restart: bool
) -> None:
    ids = [str(one) for one in range(20)]
    write_parquet(tmp_path / "rows/a.parquet", build_rows(ids), row_group_size=row_group_size)
    source = open_files(tmp_path)
    cursor: Json = {}
    found: list[str] = []
    offsets: list[int] = []
    while True:
        read = source.read(cursor, 7)
        found += ids_of(read)
        offsets += [one.first_row for one in read.batches]
        cursor = json.loads(json.dumps(read.cursor))
        if not read.more:
            break
        source = open_files(tmp_path) if restart else source
    assert found == ids
    assert offsets == [0, 7, 14]


def test_a_read_that_was_not_committed_is_repeated(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2", "3"]))
    source = open_files(tmp_path)
    start = source.read({}, 1)
    assert ids_of(source.read(start.cursor, 1)) == ["2"]
    assert ids_of(source.read(start.cursor, 1)) == ["2"]
    assert ids_of(source.read({}, 1)) == ["1"]


def test_a_tick_with_nothing_new_opens_no_file(tmp_path: Path, opened: list[str]) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    (tmp_path / "rows/half.parquet").write_bytes(b"PAR1")
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    opened.clear()
    assert source.read(cursor, 1000).cursor == cursor
    assert opened == []


def test_a_file_that_is_touched_is_not_read_again(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    os.utime(path, (1, 1))
    again = source.read(cursor, 1000)
    assert (again.batches, again.notes, again.cursor) == ((), (), cursor)


def test_a_half_written_file_waits_and_is_read_when_completed(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "a.parquet", build_rows(["1"])).read_bytes()
    path = tmp_path / "rows/a.parquet"
    path.parent.mkdir()
    source = open_files(tmp_path)
    cursor: Json = {}
    for size in range(4, 4 + 3 * PATIENCE_READS):
        path.write_bytes(whole[:size])
        read = source.read(cursor, 1000)
        assert (read.batches, read.rejected) == ((), ())
        cursor = read.cursor
    path.write_bytes(whole)
    assert ids_of(source.read(cursor, 1000)) == ["1"]


def test_a_file_that_stays_half_written_is_set_aside_once_and_read_when_completed(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "a.parquet", build_rows(["1"])).read_bytes()
    path = tmp_path / "rows/a.parquet"
    path.parent.mkdir()
    path.write_bytes(whole[:200])
    source = open_files(tmp_path)
    read = read_patiently(source)
    assert [(one.path, one.reason) for one in read.rejected] == [("a.parquet", "truncated")]
    assert read.rejected[0].message == (
        "a.parquet: the file has no footer: it is being written or was cut off" + ENDING
    )
    assert source.read(read.cursor, 1000).rejected == ()
    path.write_bytes(whole)
    completed = source.read(read.cursor, 1000)
    assert ids_of(completed) == ["1"]
    assert completed.notes == ("a.parquet: the file was set aside before; it can be read now",)


def test_with_a_timer_patience_also_takes_its_time(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.parquet").write_bytes(b"PAR1")
    timer = SteppedTimer()
    source = open_files(tmp_path, timer=timer)
    for _ in range(3 * PATIENCE_READS):
        assert source.read({}, 1000).rejected == ()
    timer.seconds = 60.0
    assert [one.reason for one in source.read({}, 1000).rejected] == ["truncated"]


def test_a_replaced_file_is_read_again_whole(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2", "3"]))
    read = source.read(cursor, 1000)
    assert ids_of(read) == ["1", "2", "3"]
    assert read.notes == (
        "a.parquet: the file was replaced; its 3 rows are read again, and ids that are known are dropped",
    )
    assert source.read(read.cursor, 1000).batches == ()


def test_a_file_replaced_in_the_middle_of_its_reading_is_begun_again(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2", "3"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 2).cursor
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["7", "8", "9", "10"]))
    reads, _ = drain(source, cursor, 2)
    assert [ids_of(one) for one in reads] == [["7", "8"], ["9", "10"]]
    assert [len(one.notes) for one in reads] == [1, 0]


def test_a_file_with_fewer_rows_than_were_read_is_begun_again_and_noted(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2", "3", "4"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 3).cursor
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2"]))
    read = source.read(cursor, 1000)
    assert ids_of(read) == ["1", "2"]
    assert read.notes == (
        "a.parquet: the file was replaced; its 2 rows, fewer than the 3 that had been read, are read again, "
        "and ids that are known are dropped",
    )


def test_a_file_that_was_cut_off_after_its_reading_is_set_aside(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    path.write_bytes(path.read_bytes()[:100])
    read = read_patiently(source, cursor)
    assert read.rejected[0].message == (
        "a.parquet: the file has no footer: it is being written or was cut off; "
        "2 rows of it had been read before" + ENDING
    )


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        (
            lambda table: table.drop_columns(["distance"]).append_column("distence", pa.array([1.0])),
            "missing_column",
            "a.parquet: column 'distance' is missing; the nearest that exists is 'distence'",
        ),
        (
            lambda table: table.set_column(4, "distance", pa.array([[1.0]])),
            "wrong_type",
            "a.parquet: column 'distance' holds list<element: double>, expected numbers",
        ),
        (
            lambda table: table.set_column(1, "scheduled_at", pa.array([1], pa.int64())),
            "wrong_type",
            "a.parquet: column 'scheduled_at' holds int64, expected instants "
            "(timestamps, dates, or texts of ISO 8601 or day.month.year)",
        ),
        (
            lambda table: table.set_column(1, "scheduled_at", pa.array([datetime(2013, 1, 1)])),  # noqa: DTZ001 - naive on purpose
            "naive_time",
            "a.parquet: column 'scheduled_at' holds instants without a zone; "
            "name their zone in data.event_time.timezone, or write them with one",
        ),
        (
            lambda table: table.append_column("distance", pa.array([1.0])),
            "repeated_column",
            "a.parquet: column 'distance' is there more than once",
        ),
    ],
)
def test_a_file_whose_columns_cannot_be_used_is_set_aside_at_once(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], reason: str, message: str
) -> None:
    write_parquet(tmp_path / "rows/a.parquet", change(build_rows(["1"])))
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert [(one.reason, one.message) for one in read.rejected] == [(reason, message + ENDING)]
    assert source.read(read.cursor, 1000).rejected == ()
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    assert ids_of(source.read(read.cursor, 1000)) == ["1"]


def test_files_set_aside_are_tried_again_when_the_policy_asks_for_something_else(tmp_path: Path) -> None:
    table = build_rows(["1"])
    naive = table["scheduled_at"].cast(pa.timestamp("us"))
    write_parquet(tmp_path / "rows/a.parquet", table.set_column(1, "scheduled_at", naive))
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["2"]))
    cursor = open_files(tmp_path).read({}, 1000).cursor
    zoned = build_data(event_time={"column": "scheduled_at", "timezone": "America/New_York"})
    assert ids_of(open_files(tmp_path, data=zoned).read(cursor, 1000)) == ["1"]


def test_columns_that_the_policy_does_not_use_are_noted_once(tmp_path: Path) -> None:
    table = build_rows(["1"]).append_column("gate", pa.array(["A1"]))
    write_parquet(tmp_path / "rows/a.parquet", table)
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert read.notes == ("a.parquet: columns that the policy does not use are ignored: 'gate'",)
    assert "gate" not in read.batches[0].table.column_names
    write_parquet(tmp_path / "rows/b.parquet", table)
    assert open_files(tmp_path).read(read.cursor, 1000).notes == ()


def test_nested_fields_and_renames_are_found(tmp_path: Path) -> None:
    table = build_rows(["1"]).drop_columns(["score"])
    nested = pa.array([{"prob": 0.25, "model": {"version": "1"}, "unused": 1}])
    write_parquet(tmp_path / "rows/a.parquet", table.append_column("prediction", nested))
    data = build_data(columns={"score": "prediction.prob", "version": "prediction.model.version"})
    read = open_files(tmp_path, data=data).read({}, 1000)
    assert read.batches[0].table["prediction"].to_pylist() == [{"prob": 0.25, "model": {"version": "1"}}]
    wrong = build_data(columns={"score": "prediction.probability"})
    assert open_files(tmp_path, data=wrong).read({}, 1000).rejected[0].message == (
        "a.parquet: column 'prediction.probability' is missing; the nearest that exists is 'prediction.prob'"
        + ENDING
    )


def test_a_file_that_is_not_parquet_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.parquet").write_text("id,score\n1,0.5\n")
    read = read_patiently(open_files(tmp_path))
    assert [(one.reason, one.message) for one in read.rejected] == [
        ("not_parquet", "a.parquet: the file is not Parquet" + ENDING)
    ]


def test_a_damaged_page_sets_the_file_aside(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "rows/a.parquet", build_rows([str(one) for one in range(100)]), compression="snappy"
    )
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    read = open_files(tmp_path).read({}, 1000)
    assert [one.reason for one in read.rejected] == ["damaged"]
    assert read.rejected[0].message.startswith("a.parquet: the rows from 0 on are damaged (")
    assert read.rejected[0].message.endswith(")" + ENDING)
    assert read.batches == ()


@pytest.mark.parametrize("name", ["distance", "scheduled_at"])
def test_a_row_group_that_names_a_column_in_no_text_sets_the_file_aside(tmp_path: Path, name: str) -> None:
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]), store_schema=False)
    before, found, behind = path.read_bytes().rpartition(name.encode())
    path.write_bytes(before + found.replace(b"d", b"\xff") + behind)
    read = open_files(tmp_path).read({}, 1000)
    assert [one.message for one in read.rejected] == [
        "a.parquet: the rows from 0 on are damaged (row group 0 names a column that is not UTF-8 text)"
        + ENDING
    ]


def test_a_file_that_may_not_be_read_is_set_aside_and_read_when_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path)
    plain_open = Path.open

    def refuse(self: Path, *args: object, **options: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    read = read_patiently(source)
    assert [(one.reason, one.message) for one in read.rejected] == [
        ("unreadable", "a.parquet: the file cannot be read (Permission denied)" + ENDING)
    ]
    monkeypatch.setattr(Path, "open", plain_open)
    assert source.read(read.cursor, 1000).batches == ()
    path.chmod(0o600)
    assert ids_of(source.read(read.cursor, 1000)) == ["1"]


def test_links_out_of_the_folder_are_refused_and_links_inside_are_followed(tmp_path: Path) -> None:
    outside = write_parquet(tmp_path / "secret.parquet", build_rows(["1"]))
    inside = write_parquet(tmp_path / "rows/.kept.parquet", build_rows(["2"]))
    (tmp_path / "rows/a.parquet").symlink_to(outside)
    (tmp_path / "rows/b.parquet").symlink_to(inside)
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert ids_of(read) == ["2"]
    assert [(one.reason, one.message) for one in read.rejected] == [
        ("outside", "a.parquet: the link leads out of the folder of the source; it is not followed" + ENDING)
    ]
    assert source.read(read.cursor, 1000).rejected == ()


def test_an_empty_file_is_done_and_a_missing_folder_is_noted_once(tmp_path: Path) -> None:
    source = open_files(tmp_path)
    assert source.read({}, 1000).notes == ("no file matches 'rows' yet",)
    assert source.read({}, 1000).notes == ()
    write_parquet(tmp_path / "rows/a.parquet", build_rows([]))
    read = source.read({}, 1000)
    assert (read.batches, read.rejected, read.more) == ((), (), False)
    assert source.read(read.cursor, 1000).cursor == read.cursor != {}


def test_a_file_deleted_while_it_is_read_is_left(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1).cursor
    path.unlink()
    assert source.read(cursor, 1).batches == ()


def test_a_file_that_changes_between_inspection_and_reading_is_left_for_the_next_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "HELD_BYTES", 0)
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path)
    look = parquet_module.open_parquet

    def replace_after(opened: Path) -> object:
        found = look(opened)
        monkeypatch.setattr(inspection, "open_parquet", look)
        write_parquet(path, build_rows(["8", "9"]))
        return found

    monkeypatch.setattr(inspection, "open_parquet", replace_after)
    assert source.read({}, 1000).batches == ()
    assert ids_of(source.read({}, 1000)) == ["8", "9"]


def test_a_cursor_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"^the cursor has version 99, expected 1$"):
        open_files(tmp_path).read({"version": 99}, 1000)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("rows", ["a.parquet", "x/b.parquet", "x/y/c.parquet"]),
        ("rows/**", ["a.parquet", "x/b.parquet", "x/y/c.parquet"]),
        ("rows/**/*.parquet", ["a.parquet", "x/b.parquet", "x/y/c.parquet"]),
        ("rows/*.parquet", ["a.parquet"]),
        ("rows/*/*.parquet", ["x/b.parquet"]),
        ("rows/x/**/c.parquet", ["y/c.parquet"]),
        ("rows/[ab].parquet", ["a.parquet"]),
        ("rows/a.parquet", ["a.parquet"]),
        ("other", []),
    ],
)
def test_a_pattern_matches_names_as_a_shell_does(tmp_path: Path, pattern: str, names: list[str]) -> None:
    for at, name in enumerate(
        ["a.parquet", "x/b.parquet", "x/y/c.parquet", ".hidden.parquet", "_tmp.parquet", "n.txt"]
    ):
        write_parquet(tmp_path / "rows" / name, build_rows([name], start=START + timedelta(hours=at)))
    read = open_files(tmp_path, pattern).read({}, 1000)
    assert [one.path for one in read.batches] == names


@pytest.mark.parametrize("pattern", ["rows", "rows/*", "rows/**/*.*"])
@pytest.mark.parametrize(("ending", "whole_bytes"), [("parquet", 2**26), ("parquet", 64), ("jsonl", 0)])
def test_a_file_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, ending: str, whole_bytes: int
) -> None:
    """One byte that is no text must not stop the others, nor get into what is kept."""
    monkeypatch.setattr(parquet_module, "WHOLE_BYTES", whole_bytes)
    harness = RowLogHarness(tmp_path / "log")
    source = open_files(tmp_path, pattern)
    cursor: Json = {}
    for at, name in enumerate([b"\xff", b"a\nb", " é ".encode(), b"x\\x"]):
        rows = build_rows([str(at), str(at + 10)], start=START + timedelta(hours=at))
        rows = rows.set_column(0, "flight_id", pa.array([str(at), None]))
        path = write_rows(tmp_path / f"rows/new.{ending}", rows)
        os.rename(path, os.fsencode(path.parent) + b"/" + name + f".{ending}".encode())  # noqa: PTH104
    for _ in range(3):
        read = source.read(cursor, 3)
        harness.commit(harness.log.write_rows(read, harness.state, NOW))
        cursor = json.loads(json.dumps(read.cursor))
    assert harness.read("row_id") == [("0",), ("1",), ("2",), ("3",)]
    aside = [pq.read_table(one) for one in (tmp_path / "log").rglob("rejected/**/*.parquet")]
    found = {str(one) for table in aside for one in table["source_path"].to_pylist()}
    assert found == {f"{name}.{ending}" for name in ("\\xff", "a\nb", " é ", "x\\x")}
    os.unlink(os.fsencode(tmp_path) + f"/rows/\udcff.{ending}".encode(errors="surrogateescape"))  # noqa: PTH108
    assert source.read(cursor, 10).batches == ()


def test_a_pattern_that_climbs_after_a_wildcard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^rows/\*/\.\./x: '..' after a wildcard would leave the folder of the files$"
    ):
        open_files(tmp_path, "rows/*/../x")


def test_ten_thousand_files_cost_28_bytes_each_and_are_verified_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "VERIFY_FILES", 10)
    folder = tmp_path / "rows"
    folder.mkdir()
    row = write_parquet(tmp_path / "one.parquet", build_rows(["1"]))
    for at in range(60):
        (folder / f"{at:03}.parquet").hardlink_to(row)
    timer = SteppedTimer()
    source = open_files(tmp_path, timer=timer)
    cursor = source.read({}, 1000).cursor
    assert len(json.dumps(cursor)) <= 60 * 28 + 200
    found = []
    for new in ("2", "3", "4"):
        (folder / "059.parquet").unlink()
        write_parquet(folder / "059.parquet", build_rows([new]))
        for _ in range(7):
            timer.seconds += 10
            read = source.read(cursor, 1000)
            found += ids_of(read)
            cursor = read.cursor
    assert found == ["2", "3", "4"]


def test_a_settled_folder_is_not_listed_again_but_shows_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path, timer=SteppedTimer())
    cursor = source.read({}, 1000).cursor
    listed: list[object] = []
    plain = os.listdir

    def record(path: Path) -> list[str]:
        listed.append(path)
        return plain(path)

    monkeypatch.setattr(os, "listdir", record)
    assert source.read(cursor, 1000).batches == ()
    assert listed == []
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["2"]))
    assert ids_of(source.read(cursor, 1000)) == ["2"]


def test_entries_of_files_that_are_gone_are_dropped_once_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctrain.sources import cursor as cursor_module

    monkeypatch.setattr(cursor_module, "SPARE_ENTRIES", 4)
    for at in range(10):
        write_parquet(tmp_path / f"rows/{at}.parquet", build_rows([str(at)]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    for at in range(1, 10):
        (tmp_path / f"rows/{at}.parquet").unlink()
    shorter = source.read(cursor, 1000)
    assert (shorter.batches, len(shorter.cursor["done"])) == ((), 28)
    (tmp_path / "rows/0.parquet").unlink()
    assert source.read(cursor, 1000).cursor["done"] == cursor["done"], "an empty folder may not be mounted"


def test_large_files_are_recognised_by_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "WHOLE_BYTES", 1000)
    ids = [str(one) for one in range(500)]
    path = write_parquet(tmp_path / "rows/a.parquet", build_rows(ids))
    assert path.stat().st_size > 2000
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert ids_of(read) == ids
    path.touch()
    assert source.read(read.cursor, 1000).batches == ()
    write_parquet(path, build_rows(ids[:499]))
    assert ids_of(source.read(read.cursor, 1000)) == ids[:499]


def test_metadata_of_pandas_adds_no_note(tmp_path: Path) -> None:
    table = build_rows(["1"]).append_column("__index_level_0__", pa.array([0]))
    pq_path = tmp_path / "rows/a.parquet"
    pq_path.parent.mkdir()
    pq.write_table(table, pq_path)
    assert open_files(tmp_path).read({}, 1000).notes == ()


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    (tmp_path / "rows/folder.parquet").mkdir()
    os.mkfifo(tmp_path / "rows/pipe.parquet")
    (tmp_path / "rows/gone.parquet").symlink_to(tmp_path / "rows/nothing.parquet")
    (tmp_path / "rows/itself.parquet").symlink_to(tmp_path / "rows/itself.parquet")
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["1"]
    assert read.rejected == ()


def test_sub_folders_may_come_and_go(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/march/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    (tmp_path / "rows/march/a.parquet").unlink()
    (tmp_path / "rows/march").rmdir()
    write_parquet(tmp_path / "rows/april/b.parquet", build_rows(["2"]))
    assert ids_of(source.read(cursor, 1000)) == ["2"]


def test_a_folder_of_files_may_be_called_like_a_file(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet/part-0.parquet", build_rows(["1"]))
    assert ids_of(open_files(tmp_path, "rows.parquet").read({}, 1000)) == ["1"]


def test_a_folder_whose_name_is_no_text_is_not_watched(tmp_path: Path) -> None:
    """What watches folders refuses such names, and with them those of every policy."""
    (tmp_path / "rows" / os.fsdecode(b"caf\xe9")).mkdir(parents=True)
    (tmp_path / "rows" / "café").mkdir()
    source = open_files(tmp_path)
    source.read(NOTHING, 1000)
    assert source.folders() == [str(tmp_path / "rows"), str(tmp_path / "rows" / "café")]


def test_a_way_up_leads_from_where_a_link_points_at_that_time(tmp_path: Path) -> None:
    for place in ("old", "new"):
        (tmp_path / place / "policies").mkdir(parents=True)
        (tmp_path / place / "rows").mkdir()
    link = tmp_path / "policies"
    link.symlink_to(tmp_path / "old" / "policies")
    source = open_files(link, "../rows/*.parquet")
    assert source.folders() == source.folders() == [str(tmp_path / "old" / "rows")]
    (tmp_path / "old").rename(tmp_path / "older")
    link.unlink()
    link.symlink_to(tmp_path / "older" / "policies")
    assert source.folders() == [str(tmp_path / "older" / "rows")]
    link.unlink()
    link.symlink_to(tmp_path / "new" / "policies")
    assert source.folders() == [str(tmp_path / "new" / "rows")]


def test_a_folder_that_cannot_be_listed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    source = open_files(tmp_path)

    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", refuse)
        with pytest.raises(TransientError) as caught:
            source.read({}, 1000)
    assert str(caught.value) == f"{tmp_path / 'rows'}: the folder cannot be listed: Permission denied"
    assert ids_of(source.read({}, 1000)) == ["1"]


def test_dates_order_files_too(tmp_path: Path) -> None:
    data = build_data(event_time={"column": "scheduled_at", "timezone": "UTC"})
    for name, day in (("a", "2013-01-02"), ("b", "2013-01-01")):
        table = build_rows([name]).set_column(1, "scheduled_at", pa.array([day]).cast(pa.date32()))
        write_parquet(tmp_path / f"rows/{name}.parquet", table)
    assert ids_of(open_files(tmp_path, data=data).read({}, 1000)) == ["b", "a"]
