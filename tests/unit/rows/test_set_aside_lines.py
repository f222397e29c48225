"""Lines of text that are no rows, and rows with values that mean nothing, are kept and counted once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import Ingested, SourceRead
from tests.parquet_rows import build_data, open_files
from tests.row_logs import NOW, RowLogHarness
from tests.text_rows import append_text, write_text

HEADER = "flight_id,scheduled_at,score,version,distance,carrier\n"
GOOD = "1,2013-03-01T00:00:00Z,0.5,1,100,UA\n"


def take_in(harness: RowLogHarness, read: SourceRead) -> Ingested:
    return harness.commit(harness.log.write_rows(read, harness.state, NOW))


def set_aside(harness: RowLogHarness) -> list[pa.Table]:
    return [pq.read_table(path) for path in sorted(harness.folder.rglob("rejected/**/*.parquet"))]


def test_lines_are_counted_by_reason_and_kept_with_their_text(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path / "log")
    path = write_text(tmp_path / "rows/a.csv", HEADER + "short\n" + GOOD + "a,b\n")
    source = open_files(tmp_path)
    read = source.read({}, 1000)
    ingested = take_in(harness, read)
    assert (ingested.accepted, dict(ingested.rejected)) == (1, {"ragged_line": 2})
    (table,) = set_aside(harness)
    assert table.to_pylist() == [
        {
            "text": text,
            "message": f"a.csv: line {line}: it has {fields} fields, the header names 6",
            "reason": "ragged_line",
            "source_path": "a.csv",
            "source_line": line,
        }
        for text, line, fields in (("short", 2, 1), ("a,b", 4, 2))
    ]
    append_text(path, "7\n")
    assert dict(take_in(harness, source.read(read.cursor, 1000)).rejected) == {"ragged_line": 1}


def test_a_read_of_bad_lines_alone_is_taken_in(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path / "log")
    write_text(tmp_path / "rows/a.jsonl", "[]\n")
    ingested = take_in(harness, open_files(tmp_path).read({}, 1000))
    assert (ingested.accepted, dict(ingested.rejected)) == (0, {"bad_json": 1})


def test_rows_that_are_set_aside_name_their_line(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path / "log")
    late = '"2\n",2013-03-01T00:00:00Z,7.5,1,far,UA\n'
    write_text(tmp_path / "rows/a.csv", HEADER + GOOD + late + "3,never,0.5,1,1,UA\n4,,0.5,1,1,UA\n")
    ingested = take_in(harness, open_files(tmp_path).read({}, 1000))
    assert dict(ingested.rejected) == {"bad_value": 2, "null_time": 1}
    (table,) = set_aside(harness)
    assert table.select(["reason", "source_row", "source_line"]).to_pylist() == [
        {"reason": "bad_value", "source_row": 1, "source_line": 3},
        {"reason": "bad_value", "source_row": 2, "source_line": 5},
        {"reason": "null_time", "source_row": 3, "source_line": 6},
    ]


def test_text_among_the_numbers_of_a_feature_costs_the_value_alone(tmp_path: Path) -> None:
    harness = RowLogHarness(tmp_path / "log")
    rows = "".join(
        f"{at},2013-03-01T00:00:0{at}Z,0.5,1,{value},UA\n" for at, value in enumerate(["1", "far", "inf"])
    )
    write_text(tmp_path / "rows/a.csv", HEADER + rows)
    ingested = take_in(harness, open_files(tmp_path).read({}, 1000))
    assert (ingested.accepted, dict(ingested.rejected)) == (3, {})
    assert harness.read("distance") == [(1.0,), (None,), (float("inf"),)]
    assert ingested.arrived is not None
    assert ingested.arrived.wrong["distance"].tolist() == [False, True, False]


def test_times_without_a_zone_are_read_in_the_zone_of_the_policy(tmp_path: Path) -> None:
    data = build_data(event_time={"column": "scheduled_at", "timezone": "America/New_York"})
    harness = RowLogHarness(tmp_path / "log", data)
    naive = GOOD.replace("T00:00:00Z", "T00:00:00")
    write_text(tmp_path / "rows/a.csv", HEADER + naive + GOOD.replace("1,", "2,", 1))
    read = open_files(tmp_path, data=data).read({}, 1000)
    take_in(harness, read)
    assert [str(one) for (one,) in harness.read("event_at")] == [
        "2013-03-01 00:00:00+00:00",
        "2013-03-01 05:00:00+00:00",
    ]
    strict = RowLogHarness(tmp_path / "strict")
    assert dict(take_in(strict, read).rejected) == {"naive_time": 1}
