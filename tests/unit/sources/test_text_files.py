"""CSV and JSON lines that grow, rotate, are rewritten, or are not what they should be."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import Json, SourceRead
from ctrain.rows.columns import label_columns
from ctrain.rows.normalise import normalise_rows
from ctrain.sources import positions, text_look, text_reader
from ctrain.sources.files import FilesSource
from ctrain.sources.inspection import PATIENCE_READS
from tests.parquet_rows import START, build_data, build_rows, drain, ids_of, open_files, write_parquet
from tests.row_logs import NOW
from tests.text_rows import append_rows, append_text, text_of, write_rows, write_text, zstd

NOTHING: Json = MappingProxyType({})
HEADER = "flight_id,scheduled_at,score,version,distance,carrier\n"
TIME = "2013-03-01T00:00:00Z"
ENDING = ". The file is set aside; it is read when its content changes"


class SteppedTimer:
    """A timer that a test moves on from now."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = RealTimer().now()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def line(
    one: object, *, time: str = TIME, score: object = 0.5, distance: object = 100, more: str = ""
) -> str:
    return f"{one},{time},{score},1,{distance},UA{more}\n"


def record(one: object, **changes: Any) -> str:
    fields = {
        "flight_id": one,
        "scheduled_at": TIME,
        "score": 0.5,
        "version": "1",
        "distance": 1,
        "carrier": "UA",
    }
    return json.dumps(fields | changes) + "\n"


def values(read: SourceRead, name: str) -> list[Any]:
    return [one for batch in read.batches for one in batch.table[name].to_pylist()]


def rejected(read: SourceRead) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in read.lines]


def read_often(source: Any, cursor: Json = NOTHING, times: int = PATIENCE_READS + 1) -> list[SourceRead]:
    reads = []
    for _ in range(times):
        reads.append(source.read(cursor, 1000))
        cursor = reads[-1].cursor
    return reads


@pytest.fixture(params=["csv", "jsonl"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_mixed_folders_are_read_in_the_order_of_events(tmp_path: Path) -> None:
    names = ["a.jsonl.zst", "b.CSV", "c.parquet", "d.ndjson", "e.csv.gz", "f.csv.1", "g.csv-20240131.gz"]
    for at, name in enumerate(names):
        write_rows(tmp_path / "rows" / name, build_rows([name], start=START - timedelta(hours=at)))
    write_text(tmp_path / "notes.txt.csv", "not here")
    (tmp_path / "rows/notes.txt").write_text("nor this")
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == names[::-1]
    assert (read.rejected, read.lines) == ((), ())


@pytest.mark.parametrize("restart", [True, False])
def test_what_is_appended_is_read_on(tmp_path: Path, kind: str, restart: bool) -> None:
    path = tmp_path / f"rows/app.{kind}"
    source, cursor = open_files(tmp_path), NOTHING
    for ids in (["1", "2"], ["3"], ["4", "5"]):
        append_rows(path, build_rows(ids))
        read = source.read(cursor, 1000)
        assert ids_of(read) == ids
        assert read.notes == ()
        cursor = json.loads(json.dumps(read.cursor))
        source = open_files(tmp_path) if restart else source


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv"])
def test_a_byte_order_mark_costs_no_row(tmp_path: Path, name: str) -> None:
    text = HEADER + line(1) + line(2) if name.endswith("csv") else record(1) + record(2)
    write_text(tmp_path / "rows" / name, f"\ufeff{text}")
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["1", "2"]
    assert (read.lines, read.notes) == ((), ())


def test_a_lone_json_line_behind_a_byte_order_mark_needs_no_newline(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.jsonl", f"\ufeff{record(1).rstrip()}")
    assert ids_of(open_files(tmp_path).read({}, 1000)) == ["1"]


def test_rows_know_their_lines(tmp_path: Path) -> None:
    text = HEADER + line('"1\n"') + "\r\n" + line(2) + "broken\n" + line(3)
    write_text(tmp_path / "rows/a.csv", text)
    read = open_files(tmp_path).read({}, 1000)
    lines = read.batches[0].lines
    assert lines is not None
    assert lines.tolist() == [2, 5, 7]
    assert [(one.line, one.text, one.message) for one in read.lines] == [
        (6, "broken", "a.csv: line 6: it has 1 fields, the header names 6")
    ]
    append_text(tmp_path / "rows/a.csv", "x\n" + line(4))
    read = open_files(tmp_path).read(read.cursor, 1000)
    assert rejected(read) == [(8, "ragged_line")]
    assert ids_of(read) == ["4"]


def test_half_a_line_waits_for_its_end(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows/app.{kind}"
    whole = text_of(path.name, build_rows(["1", "2"])) + text_of(path.name, build_rows(["3"]), header=False)
    found: list[str] = []
    cursor = NOTHING
    path.parent.mkdir()
    source = open_files(tmp_path)
    for size in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        read = source.read(cursor, 1000)
        found += ids_of(read)
        cursor = read.cursor
        assert (read.rejected, read.lines) == ((), ())
    path.write_bytes(whole)
    assert found + ids_of(source.read(cursor, 1000)) == ["1", "2", "3"]


def test_a_json_line_without_its_newline_is_taken_when_it_is_closed(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.jsonl", record(1) + record(2).rstrip())
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert ids_of(read) == ["1", "2"]
    append_text(path, "\n" + record(3))
    read = source.read(read.cursor, 1000)
    assert (ids_of(read), read.lines) == (["3"], ())
    assert read.batches[0].lines is not None
    assert read.batches[0].lines.tolist() == [3]


def test_a_last_csv_line_without_its_newline_is_taken_when_nothing_has_changed_for_long(
    tmp_path: Path,
) -> None:
    path = write_text(tmp_path / "rows/a.csv", HEADER + line(1) + line(2).rstrip())
    timer = SteppedTimer()
    source = open_files(tmp_path, timer=timer)
    read = source.read({}, 1000)
    assert ids_of(read) == ["1"]
    timer.seconds = 599
    read = source.read(read.cursor, 1000)
    assert ids_of(read) == []
    timer.seconds = 601
    read = source.read(read.cursor, 1000)
    assert ids_of(read) == ["2"]
    assert source.read(read.cursor, 1000).batches == ()
    append_text(path, "\n" + line(3))
    read = source.read(read.cursor, 1000)
    assert (ids_of(read), read.lines) == (["3"], ())


def test_an_old_file_without_a_final_newline_is_read_at_once(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.csv", HEADER + line(1) + line(2).rstrip())
    os.utime(path, (1e9, 1e9))
    assert ids_of(open_files(tmp_path, timer=SteppedTimer()).read({}, 1000)) == ["1", "2"]


def test_what_follows_a_line_that_was_taken_too_early_is_set_aside(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.csv", HEADER + line(1).rstrip())
    source = open_files(tmp_path)
    last = read_often(source)[-1]
    append_text(path, "L,7\n" + line(2))
    read = source.read(last.cursor, 1000)
    assert ids_of(read) == ["2"]
    assert [(one.line, one.reason, one.text) for one in read.lines] == [(2, "cut_line", "L,7")]


@pytest.mark.parametrize("rest", ["7,2013", '7,"2013-', '{"flight_id": 7', "\ufffd"])
def test_a_last_line_that_is_no_row_waits_and_is_noted_once(tmp_path: Path, kind: str, rest: str) -> None:
    begin = HEADER + line(1) if kind == "csv" else record(1)
    path = write_text(tmp_path / f"rows/a.{kind}", begin + rest)
    source = open_files(tmp_path)
    reads = read_often(source, times=2 * PATIENCE_READS)
    assert [one for read in reads for one in ids_of(read)] == ["1"]
    number = 3 if kind == "csv" else 2
    assert [one for read in reads for one in read.notes] == [
        f"a.{kind}: line {number}, the last, is not whole; it waits for its end"
    ]
    assert all(read.lines == () for read in reads)
    append_text(path, "\n" + (line(2) if kind == "csv" else record(2)))
    read = source.read(reads[-1].cursor, 1000)
    if rest != '7,"2013-':
        assert ids_of(read) == ["2"]
        assert [one.line for one in read.lines] == [number]


def test_a_quote_that_is_not_closed_costs_its_line_when_the_file_rests(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + '"1,x\n' + line(2) + line(3))
    reads = read_often(open_files(tmp_path))
    assert ids_of(reads[0]) == []
    assert [one for read in reads for one in ids_of(read)] == ["2", "3"]
    assert [one for read in reads for one in rejected(read)] == [(2, "open_quote")]


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    text = (
        HEADER + line('"1') + line(2, more='" pipe') + line('"3"x') + line('"4"') + line("5", score='"0.25"')
    )
    write_text(tmp_path / "rows/a.csv", text)
    read = open_files(tmp_path).read({}, 1000)
    assert rejected(read) == [(2, "open_quote"), (4, "open_quote")]
    assert values(read, "carrier") == ['UA" pipe', "UA", "UA"]
    assert values(read, "score")[-1] == 0.25


def test_quotes_far_apart_do_not_swallow_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrain.sources.records.MOST_QUOTED_BYTES", 200)
    write_text(tmp_path / "rows/a.csv", HEADER + '"1,\n' + "".join(line(one) for one in range(2, 50)))
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read)[:1] == ["2"]
    assert rejected(read) == [(2, "open_quote")]


@pytest.mark.parametrize("compressed", ["", ".gz", ".zst"])
def test_bad_lines_are_set_aside_alone(tmp_path: Path, compressed: str) -> None:
    good = record(1).encode(), record(2).encode(), record(3).encode()
    bad = (
        b'{"flight_id": 9\n',
        b"[1]\n",
        b'"x"\n',
        b"null\n",
        b'{"a":"\xff"}\n',
        b"[" * 9999 + b"\n",
        b"{}{}\n",
    )
    content = good[0] + b"".join(bad[:4]) + b"\n" + good[1] + b"".join(bad[4:]) + good[2]
    write_text(tmp_path / f"rows/a.jsonl{compressed}", content)
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["1", "2", "3"]
    assert rejected(read) == [
        (2, "bad_json"),
        (3, "bad_json"),
        (4, "bad_json"),
        (5, "bad_json"),
        (8, "not_utf8"),
        (9, "bad_json"),
        (10, "bad_json"),
    ]
    name = f"a.jsonl{compressed}"
    assert [one.message for one in read.lines][:2] == [
        f"{name}: line 2: it is not JSON (Expecting ',' delimiter at character 16)",
        f"{name}: line 3: it is not a JSON object but a list",
    ]
    assert all(len(one.text) <= 1000 for one in read.lines)


def test_csv_values_that_are_not_utf8_cost_their_line(tmp_path: Path) -> None:
    text = HEADER.encode() + line(1).encode() + b"2,x,1,1,1,\xff\n" + line(3).encode()
    write_text(tmp_path / "rows/a.csv", text.replace(b"\n", b"\r\n"))
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["1", "3"]
    assert [one.message for one in read.lines] == ["a.csv: line 3: column 'carrier' is not UTF-8 text"]


def test_unused_columns_may_hold_anything(tmp_path: Path) -> None:
    text = HEADER.encode().replace(b"\n", b",note\n") + b"1,2013-03-01T00:00:00Z,0.5,1,100,UA,\xff\xfe\n"
    write_text(tmp_path / "rows/a.csv", text)
    read = open_files(tmp_path).read({}, 1000)
    assert (ids_of(read), read.lines) == (["1"], ())
    assert read.notes == ("a.csv: columns that the policy does not use are ignored: 'note'",)


def test_text_among_numbers_stays_a_text_and_is_noted_with_its_line_and_column(tmp_path: Path) -> None:
    text = HEADER + line(1) + line(2, distance="far") + line(3, distance="NA") + line(4, distance="inf")
    write_text(tmp_path / "rows/a.csv", text)
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["1", "2", "3", "4"]
    assert values(read, "distance") == ["100", "far", None, "1e999"]
    assert read.notes == ("a.csv: line 3: column 'distance' holds 'far', no number",)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2.5", "-3e2", "+4", ".5"], [1.0, 2.5, -300.0, 4.0, 0.5]),
        (['"1"', " 2 ", "", '""', "NA"], [1.0, 2.0, None, None, None]),
        (["null", "NaN", "N/A", "None", "\\N"], [None] * 5),
        (["inf", "-Infinity"], [float("inf"), -float("inf")]),
        (["9007199254740993", "18446744073709551617"], [9007199254740992.0, 18446744073709551616.0]),
        (["True", "false", "TRUE"], [True, False, True]),
    ],
)
def test_numbers_are_read_however_they_are_written(
    tmp_path: Path, texts: list[str], expected: list[object]
) -> None:
    write_text(
        tmp_path / "rows/a.csv", HEADER + "".join(line(at, distance=one) for at, one in enumerate(texts))
    )
    read = open_files(tmp_path).read({}, 1000)
    assert values(read, "distance") == expected
    assert read.notes == ()


def test_texts_stay_as_they_are_written(tmp_path: Path) -> None:
    names = ["NA", "null", " x ", "", '"a,b"', '"say ""hi"""', "01234", "1.0", "é"]
    text = HEADER + "".join(f"{at},{TIME},0.5,1,1,{one}\n" for at, one in enumerate(names))
    write_text(tmp_path / "rows/a.csv", text)
    read = open_files(tmp_path).read({}, 1000)
    assert values(read, "carrier") == ["NA", "null", " x ", None, "a,b", 'say "hi"', "01234", "1.0", "é"]


def test_whole_numbers_among_texts_lose_the_point_that_missing_values_gave_them(tmp_path: Path) -> None:
    for name, codes in (("a", ["1.0", "", "2.0"]), ("b", ["1", "2", "01"])):
        rows = "".join(f"{name}{at},{TIME},0.5,1,1,{one}\n" for at, one in enumerate(codes))
        write_text(tmp_path / f"rows/{name}.csv", HEADER + rows)
    read = open_files(tmp_path).read({}, 1000)
    assert values(read, "carrier") == ["1", None, "2", "1", "2", "01"]
    assert read.cursor["types"]["carrier"] == "number"


def test_a_type_is_inferred_once_and_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + f"1,{TIME},0.5,1,3,01234\n")
    cursor = open_files(tmp_path).read({}, 1000).cursor
    write_text(tmp_path / "rows/b.csv", HEADER + f"2,{TIME},1,1,3.5,94110.0\n")
    read = open_files(tmp_path).read(json.loads(json.dumps(cursor)), 1000)
    assert (values(read, "carrier"), values(read, "distance")) == (["94110.0"], [3.5])
    assert read.cursor["types"] == {
        "flight_id": "number",
        "scheduled_at": "instant",
        "score": "number",
        "version": "number",
        "distance": "number",
        "carrier": "text",
    }


def test_a_declared_type_is_not_inferred(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + f"1,{TIME},0.5,1.0,3,1.0\n")
    read = open_files(tmp_path, types={"version": "text"}).read({}, 1000)
    assert (values(read, "version"), values(read, "carrier")) == (["1.0"], ["1"])


def test_ids_keep_all_their_digits(tmp_path: Path, kind: str) -> None:
    ids = [9007199254740993, 9007199254740995, 123456789012345678901234567890]
    text = HEADER + "".join(map(line, ids)) if kind == "csv" else "".join(map(record, ids))
    write_text(tmp_path / f"rows/a.{kind}", text)
    assert ids_of(open_files(tmp_path).read({}, 1000)) == [str(one) for one in ids]


def test_json_values_of_any_type_are_read(tmp_path: Path) -> None:
    found = [1, 2.5, "3", "far", True, None, [4], float("nan"), 10**400]
    text = "".join(record(at, distance=one, carrier=one) for at, one in enumerate(found))
    write_text(tmp_path / "rows/a.jsonl", text)
    read = open_files(tmp_path).read({}, 1000)
    assert values(read, "distance")[:8] == ["1", "2.5", "3", "far", "true", None, "[4]", None]
    assert values(read, "carrier")[:8] == ["1", "2.5", "3", "far", "true", None, "[4]", None]
    assert read.notes == ("a.jsonl: line 4: column 'distance' holds 'far', no number",)


@pytest.mark.parametrize("time", [1362096000, 1362096000000, 1362096000.5, True, [1], None])
def test_json_values_that_are_no_time_are_set_aside_with_their_rows(tmp_path: Path, time: object) -> None:
    """Nobody knows the unit of a number."""
    data = build_data(features={"numeric": ["distance"], "date": ["bought"]})
    text = record(1, scheduled_at=time) + record(2, scheduled_at=time)
    write_text(tmp_path / "rows/a.jsonl", text)
    write_text(tmp_path / "rows/b.jsonl", record(3, bought=15765))
    found = normalise_rows(open_files(tmp_path, data=data).read({}, 1000).batches, data, "binary", NOW)
    assert found.table.select(["row_id", "bought"]).to_pylist() == [{"row_id": "3", "bought": None}]
    assert found.rejected == {"null_time" if time is None else "bad_value": 2}
    assert found.wrong["bought"].tolist() == [True]


@pytest.mark.parametrize("awkward", [None, "7"])
def test_nested_fields_of_json_are_found(tmp_path: Path, awkward: object) -> None:
    data = build_data(columns={"score": "prediction.prob", "version": "prediction.model.version"})
    text = record(1, prediction={"prob": 0.25, "model": {"version": 3}, "unused": 1})
    text += record(2, prediction=awkward) + record(3, prediction={"prob": 1})
    write_text(tmp_path / "rows/a.jsonl", text)
    read = open_files(tmp_path, data=data).read({}, 1000)
    assert values(read, "prediction.prob") == [0.25, None, 1.0]
    assert values(read, "prediction.model.version") == ["3", None, None]
    wrong = build_data(columns={"score": "prediction.probability"})
    assert open_files(tmp_path, data=wrong).read({}, 1000).rejected[0].message == (
        "a.jsonl: column 'prediction.probability' is missing; the nearest that exists is 'prediction.prob'"
        + ENDING
    )


def test_a_field_with_a_dot_in_its_name_is_found(tmp_path: Path) -> None:
    data = build_data(columns={"score": "prediction.prob"})
    write_text(tmp_path / "rows/a.jsonl", record(1, **{"prediction.prob": 0.25}))
    assert values(open_files(tmp_path, data=data).read({}, 1000), "prediction.prob") == [0.25]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("\ufeff" + HEADER, line(1)),
        ("\n\n" + HEADER, line(1)),
        (HEADER.replace(",", ";"), line(1).replace(",", ";")),
        (HEADER.replace(",", "\t"), line(1).replace(",", "\t")),
        (HEADER.replace("score", ' "score" ').replace(' "', '"').replace('" ', '"'), line(1)),
        ("carrier,score,flight_id,version,distance,scheduled_at\n", f"UA,0.5,1,1,100,{TIME}\n"),
    ],
)
def test_rows_are_read_under_any_header_also_one_that_comes_again(
    tmp_path: Path, header: str, row: str
) -> None:
    write_text(tmp_path / "rows/a.csv", header + row + row.replace("1", "2", 1) + header.lstrip("\n") + row)
    read = open_files(tmp_path).read({}, 1000)
    assert len(ids_of(read)) == 3
    assert set(values(read, "score")) == {0.5}
    assert read.lines == ()


@pytest.mark.parametrize(
    ("header", "reason", "message"),
    [
        (HEADER.replace("distance", "score"), "repeated_column", "column 'score' is there more than once"),
        (
            HEADER.replace("distance", "distence"),
            "missing_column",
            "column 'distance' is missing; the nearest that exists is 'distence'",
        ),
    ],
)
def test_a_header_that_cannot_be_used_sets_the_file_aside_once(
    tmp_path: Path, header: str, reason: str, message: str
) -> None:
    path = write_text(tmp_path / "rows/a.csv", header + line(1))
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    assert [(one.reason, one.message) for one in read.rejected] == [(reason, f"a.csv: {message}{ENDING}")]
    append_text(path, line(2))
    again = source.read(read.cursor, 1000)
    assert (again.rejected, again.batches) == ((), ())
    write_text(path, HEADER + line(1))
    read = source.read(again.cursor, 1000)
    assert ids_of(read) == ["1"]
    assert read.notes == ("a.csv: the file was set aside before; it can be read now",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER.encode("utf-16"), "the file is UTF-16, expected UTF-8"),
        (b"\x00\x01\xff,b\n1,2\n", "the first line names no columns"),
    ],
)
def test_what_is_no_text_is_set_aside(tmp_path: Path, content: bytes, message: str) -> None:
    write_text(tmp_path / "rows/a.csv", content)
    read = read_often(open_files(tmp_path), times=PATIENCE_READS)[-1]
    assert [one.reason for one in read.rejected] == ["bad_header"]
    assert read.rejected[0].message.startswith(f"a.csv: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            (HEADER + line(1) + line(2)).replace("\n", "\r"),
            "its lines end with carriage returns alone, expected newlines",
        ),
        ('"' + HEADER + line(1), "its first line does not end: a quote in it is not closed"),
        ("x," * 300, "its first line does not end within 500 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_first_line_that_does_not_end_sets_the_file_aside_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, message: str
) -> None:
    monkeypatch.setattr(text_look, "FIRST_BYTES", 500)
    path = write_text(tmp_path / "rows" / name, content)
    source = open_files(tmp_path)
    reads = read_often(source, times=PATIENCE_READS - 1)
    assert all(read.rejected == () for read in reads)
    reads += read_often(source, reads[-1].cursor)
    append_text(path, content[:20])
    reads += read_often(open_files(tmp_path), reads[-1].cursor, 2 * PATIENCE_READS)
    assert [(one.reason, one.message) for read in reads for one in read.rejected] == [
        ("bad_header", f"{name}: {message}{ENDING}")
    ]
    write_text(path, HEADER + line(1))
    read = source.read(reads[-1].cursor, 1000)
    assert ids_of(read) == ["1"]
    assert read.notes == (f"{name}: the file was set aside before; it can be read now",)


def test_a_quoted_header_that_is_set_aside_is_read_when_it_is_completed(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.csv", HEADER.rstrip() + ',"a\nname')
    source = open_files(tmp_path)
    reads = read_often(source)
    assert [one.reason for read in reads for one in read.rejected] == ["bad_header"]
    append_text(path, '"\n' + line(1, more=","))
    assert ids_of(source.read(reads[-1].cursor, 1000)) == ["1"]


def test_a_header_alone_between_carriage_return_and_newline_waits(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.csv", f"\ufeff{HEADER.rstrip()}\r")
    source = open_files(tmp_path)
    reads = read_often(source)
    assert all(read.rejected == () for read in reads)
    append_text(path, "\n" + line(1))
    assert ids_of(source.read(reads[-1].cursor, 1000)) == ["1"]


def test_a_feature_that_a_later_file_lacks_is_missing_there(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + line(1))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    write_text(tmp_path / "rows/b.csv", HEADER.replace("distance,", "") + f"2,{TIME},0.5,1,UA\n")
    read = source.read(cursor, 1000)
    assert ids_of(read) == ["2"]
    assert "distance" not in read.batches[0].table.column_names
    assert len(read.notes) == 1


@pytest.mark.parametrize("limit", [1, 1000])
@pytest.mark.parametrize("restart", [True, False])
def test_a_header_in_the_middle_goes_for_what_follows(tmp_path: Path, limit: int, restart: bool) -> None:
    other = "distance,carrier,gate,flight_id,score,version,scheduled_at\n"
    text = HEADER + line(1) + HEADER + line(2) + other + f"7,DL,A1,3,0.25,1,{TIME}\n"
    path = write_text(tmp_path / "rows/a.csv", text)
    source = open_files(tmp_path)
    reads, cursor = drain(source, {}, limit)
    append_text(path, f"8,DL,A1,4,0.25,1,{TIME}\n" + HEADER + line(5))
    more, _ = drain(open_files(tmp_path) if restart else source, json.loads(json.dumps(cursor)), limit)
    assert [one for read in reads + more for one in values(read, "flight_id")] == ["1", "2", "3", "4", "5"]
    assert [one for read in reads + more for one in values(read, "distance")] == [100, 100, 7, 8, 100]
    assert all(read.lines == () for read in reads + more)
    assert [one for read in reads + more for one in read.notes] == [
        "a.csv: line 5 names other columns; what follows is read by them",
        "a.csv: columns that the policy does not use are ignored: 'gate'",
        "a.csv: line 8 names other columns; what follows is read by them",
    ]
    places = [place for read in reads + more for batch in read.batches for place in batch.lines.tolist()]  # type: ignore[union-attr] # text has lines
    assert places == [2, 4, 6, 7, 9]


def test_a_file_without_a_feature_is_read_on_when_it_grows(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + line(1))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    path = write_text(tmp_path / "rows/b.csv", HEADER.replace("distance,", "") + f"2,{TIME},0.5,1,UA\n")
    cursor = source.read(cursor, 1000).cursor
    append_text(path, f"3,{TIME},0.5,1,UA\n")
    assert ids_of(open_files(tmp_path).read(cursor, 1000)) == ["3"]


def test_new_columns_of_later_files_come_with_their_first_rows(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", HEADER + line(1))
    source = open_files(tmp_path)
    first = source.read({}, 1000)
    write_text(tmp_path / "rows/b.csv", HEADER.replace("\n", ",gate\n") + line(2, more=",A1"))
    read = source.read(first.cursor, 1000)
    assert [batch.new_columns for batch in first.batches + read.batches] == [(), ("gate",)]


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.zst"])
def test_a_compressed_file_that_is_being_written_waits(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows/a.{ending}"
    whole = write_rows(tmp_path / f"a.{ending}", build_rows([str(one) for one in range(100)])).read_bytes()
    path.parent.mkdir()
    source, cursor = open_files(tmp_path), NOTHING
    for size in range(4, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        read = source.read(cursor, 1000)
        assert (read.batches, read.rejected, read.lines) == ((), (), ())
        cursor = read.cursor
    path.write_bytes(whole)
    read = source.read(cursor, 1000)
    assert len(ids_of(read)) == 100
    path.write_bytes(whole + whole[:20])
    reads = read_often(source, read.cursor, times=2 * PATIENCE_READS)
    assert [one.message for read in reads for one in read.rejected] == [
        f"a.{ending}: the file ends in the middle: it is being written or was cut off; "
        "100 rows of it had been read before" + ENDING
    ]
    path.write_bytes(whole)
    append_rows(path, build_rows(["x"]))
    read = source.read(reads[-1].cursor, 1000)
    assert ids_of(read) == ["x"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", b"no gzip at all"),
        ("a.csv.zst", b"no zstd at all"),
        ("a.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff"),
    ],
)
def test_a_damaged_compressed_file_is_set_aside(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / name).write_bytes(content)
    reads = read_often(open_files(tmp_path), times=2 * PATIENCE_READS)
    assert [one.reason for read in reads for one in read.rejected] == ["damaged"]


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(HEADER.encode()))
    content[-6] ^= 1
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.csv.gz").write_bytes(content)
    reads = read_often(open_files(tmp_path), times=2 * PATIENCE_READS)
    assert [one.message for read in reads for one in read.rejected] == [
        "a.csv.gz: the gzip is damaged (Error -3 while decompressing data: incorrect data check)" + ENDING
    ]


def rotate(path: Path, how: str) -> None:
    """As logrotate does it: by renaming, by copying and emptying, or with a compressed copy."""
    if how == "rename":
        path.rename(path.with_name(path.name + ".1"))
    elif how == "copytruncate":
        shutil.copy(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
    elif how == "compress":
        path.with_name(path.name + ".1.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    else:
        path.with_name(path.name + "-20240131.zst").write_bytes(zstd(path.read_bytes()))
        os.truncate(path, 0)


@pytest.mark.parametrize("how", ["rename", "copytruncate", "compress", "compress and empty"])
@pytest.mark.parametrize("pattern", ["rows", "rows/app.{}", "rows/app*"])
@pytest.mark.parametrize("restart", [True, False])
def test_rotation_loses_no_row_and_repeats_none(
    tmp_path: Path, kind: str, how: str, pattern: str, restart: bool
) -> None:
    path = tmp_path / f"rows/app.{kind}"
    source, cursor = open_files(tmp_path, pattern.format(kind)), NOTHING
    append_rows(path, build_rows(["1", "2"]))
    read = source.read(cursor, 1000)
    append_rows(path, build_rows(["3"]))
    rotate(path, how)
    if how in ("copytruncate", "compress and empty"):
        append_text(path, text_of(path.name, build_rows(["4"]), header=False))
    else:
        append_rows(path, build_rows(["4"]))
    source = open_files(tmp_path, pattern.format(kind)) if restart else source
    second = source.read(json.loads(json.dumps(read.cursor)), 1000)
    assert sorted(ids_of(second)) == ["3", "4"]
    assert (second.rejected, second.lines, second.notes) == ((), (), ())
    append_rows(path, build_rows(["5"]))
    third = source.read(second.cursor, 1000)
    assert ids_of(third) == ["5"]


def test_a_log_that_is_shifted_on_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "rows/app.csv"
    source, cursor = open_files(tmp_path), NOTHING
    found: list[str] = []
    for number in range(5):
        append_rows(path, build_rows([f"{number}a"]))
        read = source.read(cursor, 1000)
        found += ids_of(read)
        cursor = read.cursor
        append_rows(path, build_rows([f"{number}b"]))
        for old in range(number, 0, -1):
            path.with_name(f"app.csv.{old}").rename(path.with_name(f"app.csv.{old + 1}"))
        path.rename(path.with_name("app.csv.1"))
    read = source.read(cursor, 1000)
    found += ids_of(read)
    assert sorted(found) == sorted(f"{number}{half}" for number in range(5) for half in "ab")
    assert read.notes == ()


def test_a_file_emptied_under_its_writer_begins_with_zeros(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / f"rows/app.{kind}", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    size = path.stat().st_size
    path.write_bytes(b"\0" * size + text_of(path.name, build_rows(["3"]), header=False))
    read = source.read(cursor, 1000)
    assert (ids_of(read), read.lines, read.rejected) == (["3"], (), ())


def test_a_rewritten_file_is_read_again_whole(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / f"rows/a.{kind}", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    write_rows(path, build_rows(["7", "8", "9"]))
    read = source.read(cursor, 1000)
    assert ids_of(read) == ["7", "8", "9"]
    assert read.notes == (
        f"a.{kind}: the file holds something else than before; it is read from its beginning, "
        "and ids that are known are dropped",
    )
    assert [batch.first_row for batch in read.batches] == [0]


def test_a_shorter_file_is_read_again(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / f"rows/a.{kind}", build_rows(["1", "2", "3"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    write_rows(path, build_rows(["1"]))
    assert ids_of(source.read(cursor, 1000)) == ["1"]


def test_a_change_in_what_was_read_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_rows(tmp_path / "rows/a.csv", build_rows([f"{one:04}" for one in range(1000)]))
    text = path.read_bytes()
    more = text_of("a.csv", build_rows(["new"]), header=False)
    source = open_files(tmp_path)
    cursor = source.read({}, 2000).cursor
    for changed in (b"0001", b"0500", b"0999"):
        path.write_bytes(text.replace(changed, b"x" + changed[1:]) + more)
        assert len(ids_of(source.read(cursor, 2000))) == 1001
    monkeypatch.setattr(positions, "WHOLE_BYTES", len(text) // 4)
    monkeypatch.setattr(positions, "TAIL_BYTES", len(text) // 4)
    path.write_bytes(text)
    cursor = open_files(tmp_path).read({}, 2000).cursor
    for changed, rows in ((b"0001", 1001), (b"0500", 1), (b"0999", 1001), (b"none", 1)):
        path.write_bytes(text.replace(changed, b"x" + changed[1:]) + more)
        assert len(ids_of(open_files(tmp_path).read(cursor, 2000))) == rows


def test_a_copy_of_a_file_that_stays_is_read_too(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / f"rows/a.{kind}", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    shutil.copy(path, path.with_name(f"b.{kind}"))
    append_rows(path, build_rows(["3"]))
    read = source.read(cursor, 1000)
    assert sorted(ids_of(read)) == ["1", "2", "3"]


def test_a_tick_with_nothing_new_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "b.jsonl.gz"):
        write_rows(tmp_path / "rows" / name, build_rows([name]))
    write_text(tmp_path / "rows/c.csv", HEADER + line(1) + "2,")
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise AssertionError(self)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert source.read(cursor, 1000).cursor == cursor


def test_with_a_timer_files_that_grow_are_seen_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows/app.{kind}"
    source, cursor = open_files(tmp_path, timer=SteppedTimer()), NOTHING
    for one in "123":
        append_rows(path, build_rows([one]))
        read = source.read(cursor, 1000)
        assert ids_of(read) == [one]
        cursor = read.cursor


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst", "jsonl"])
def test_small_blocks_give_the_same_rows(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "LEAST_BLOCK_BYTES", 10)
    monkeypatch.setattr(text_reader, "BLOCK_BYTES", 300)
    monkeypatch.setattr("ctrain.sources.streams.HELD_BYTES", 0)
    monkeypatch.setattr("ctrain.sources.streams.CHUNK_BYTES", 64)
    monkeypatch.setattr(positions, "HEAD_BYTES", 100)
    monkeypatch.setattr(positions, "WHOLE_BYTES", 300)
    monkeypatch.setattr(positions, "TAIL_BYTES", 200)
    ids = [str(one) for one in range(300)]
    path = write_rows(tmp_path / f"rows/a.{ending}", build_rows(ids[:200]))
    source = open_files(tmp_path)
    reads, cursor = drain(source, {}, 33)
    append_rows(path, build_rows(ids[200:]))
    more, _ = drain(open_files(tmp_path), cursor, 33)
    assert [one for read in reads + more for one in ids_of(read)] == ids
    lines = [
        one
        for read in reads + more
        for batch in read.batches
        for one in (batch.lines if batch.lines is not None else [])
    ]
    assert len(set(lines)) == 300


def test_a_line_that_does_not_fit_sets_the_file_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "MOST_LINE_BYTES", 100_000)
    write_text(tmp_path / "rows/a.csv", HEADER + line(1) + "x" * 200_000 + "\n" + line(2))
    read = open_files(tmp_path).read({}, 1000)
    assert [one.message for one in read.rejected] == ["a.csv: line 3 has more than 100000 bytes" + ENDING]


def test_labels_may_come_as_text(tmp_path: Path) -> None:
    columns = label_columns(build_data(), "binary")
    write_text(tmp_path / "labels/a.csv", "flight_id,delayed\n1,True\n2,\n3,FALSE\n")
    read = FilesSource("labels", tmp_path, columns).read({}, 1000)
    assert values(read, "delayed") == [True, None, False]


def test_a_declared_format_goes_for_any_name(tmp_path: Path) -> None:
    write_text(tmp_path / "rows/a.csv", record(1))
    (tmp_path / "rows/app.log").write_text(record(2))
    assert ids_of(open_files(tmp_path, "rows/*.log", declared="jsonl").read({}, 1000)) == ["2"]
    assert ids_of(open_files(tmp_path, "rows/*", declared="jsonl").read({}, 1000)) == ["1", "2"]


def test_a_folder_of_one_format_leaves_the_others(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    write_rows(tmp_path / "rows/b.csv.gz", build_rows(["2"]))
    assert ids_of(open_files(tmp_path, declared="csv").read({}, 1000)) == ["2"]
    assert ids_of(open_files(tmp_path, declared="parquet").read({}, 1000)) == ["1"]


def test_a_file_that_was_replaced_while_it_was_looked_at_is_left_for_the_next_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / f"rows/a.{kind}", build_rows(["1", "2"]))
    source = open_files(tmp_path)
    look = text_look.Looker.look

    def replace_after(looker: text_look.Looker, *arguments: Any) -> object:
        found = look(looker, *arguments)
        monkeypatch.setattr(text_look.Looker, "look", look)
        other = write_rows(tmp_path / f"other.{kind}", build_rows(["7", "8"]))
        other.replace(path)
        return found

    monkeypatch.setattr(text_look.Looker, "look", replace_after)
    assert source.read({}, 1000).batches == ()
    assert ids_of(source.read({}, 1000)) == ["7", "8"]


@pytest.mark.parametrize("restart", [True, False])
def test_an_emptied_file_is_read_from_its_beginning(tmp_path: Path, kind: str, restart: bool) -> None:
    path = write_rows(tmp_path / f"rows/a.{kind}", build_rows(["1"]))
    source = open_files(tmp_path)
    cursor = source.read({}, 1000).cursor
    path.write_bytes(b"")
    cursor = json.loads(json.dumps(source.read(cursor, 1000).cursor))
    source = open_files(tmp_path) if restart else source
    append_text(path, text_of(path.name, build_rows(["2"]), header=False))
    assert ids_of(source.read(cursor, 1000)) == ["2"]


def test_an_empty_file_is_nothing_and_a_header_alone_is_no_row(tmp_path: Path) -> None:
    path = write_text(tmp_path / "rows/a.csv", "")
    source = open_files(tmp_path)
    reads = read_often(source)
    path.write_text(HEADER.rstrip())
    reads += read_often(source, reads[-1].cursor)
    path.write_text(HEADER)
    reads += read_often(source, reads[-1].cursor)
    assert all((read.batches, read.rejected, read.lines) == ((), (), ()) for read in reads)
    append_text(path, line(1))
    assert ids_of(source.read(reads[-1].cursor, 1000)) == ["1"]


def test_positions_cost_sixty_characters_a_file(tmp_path: Path) -> None:
    for at in range(50):
        write_rows(tmp_path / f"rows/{at}.csv", build_rows([str(at)]))
    cursor = open_files(tmp_path).read({}, 1000).cursor
    assert len(cursor["positions"]) == 50 * 60
    assert len(json.dumps(cursor)) < 50 * 60 + 700


def test_event_times_with_and_without_a_zone(tmp_path: Path) -> None:
    texts = ["2013-03-01T00:00:00Z", "2013-03-01 01:00:00+01:00", "2013-03-01T00:00:00", "2013-03-01"]
    write_text(tmp_path / "rows/a.csv", HEADER + "".join(line(at, time=one) for at, one in enumerate(texts)))
    assert values(open_files(tmp_path).read({}, 1000), "scheduled_at") == texts


def test_arrow_sees_one_schema_for_clean_files(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows/a.csv", build_rows(["1"]))
    write_rows(tmp_path / "rows/b.jsonl", build_rows(["2"]))
    read = open_files(tmp_path).read({}, 1000)
    assert {batch.table.schema.field("distance").type for batch in read.batches} == {pa.float64()}
