"""A batch is judged as a whole: the first row that cannot be used is named, with its column."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Task
from ctrain.domain.pushes import PushKind
from ctrain.errors import InputError
from ctrain.sources.push_body import ARROW, JSON, MOST_BYTES, MOST_ROWS, MOST_TABLE_BYTES, read_body
from ctrain.sources.push_contract import Contract
from ctrain.sources.push_files import SpoolFiles
from ctrain.sources.push_refusals import BadBatch, BadRow, TooLarge, UnknownMedia
from ctrain.sources.push_rows import Judged, judge_rows
from tests.parquet_rows import build_rows
from tests.support.pushes import FLIGHTS, LABELS, NOW, ROWS, body_of, pushed_data, row

LINES = "application/x-ndjson"


def judge(rows: Any, kind: PushKind = ROWS, task: Task = Task.BINARY, **changes: Any) -> Judged:
    return judge_rows(rows, Contract(FLIGHTS, task, pushed_data(**changes)), kind, NOW)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row().items() if key != name}


def test_the_columns_that_the_policy_names_are_kept_in_their_types() -> None:
    found = judge([row(7, note="x"), row(8, distance=2.5, carrier=1)])
    assert found.table.to_pylist() == [
        {
            "flight_id": 7,
            "scheduled_at": datetime(2026, 11, 20, 1, tzinfo=UTC),
            "distance": 731.0,
            "carrier": "UA",
            "score": 0.25,
            "version": "3",
        },
        {
            "flight_id": 8,
            "scheduled_at": datetime(2026, 11, 20, 1, tzinfo=UTC),
            "distance": 2.5,
            "carrier": "1",
            "score": 0.25,
            "version": "3",
        },
    ]
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("values", "found"),
    [(["AA", math.nan], ["AA", None]), ([True, math.nan], [True, None]), ([math.nan], [None])],
    ids=str,
)
def test_a_number_that_is_none_is_a_missing_value_in_a_column_of_texts(values: list[Any], found: Any) -> None:
    judged = judge([row(str(at), carrier=value) for at, value in enumerate(values)])
    assert judged.table["carrier"].to_pylist() == found


def test_an_id_that_is_no_number_is_missing() -> None:
    with pytest.raises(BadRow, match="row 1: there is no id"):
        judge([row("a"), row(math.nan)])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 2], [1, 2]),
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([2**70, 1], [str(2**70), "1"]),
        (["1.5", 2], ["1.5", "2"]),
        ([True, False], [True, False]),
        ([True, 2.5], [1.0, 2.5]),
        ([1.0, "x2", True, None], None),
    ],
    ids=str,
)
def test_values_of_one_column_come_to_one_type(values: list[Any], found: list[Any] | None) -> None:
    rows = [row(str(at), distance=value) for at, value in enumerate(values)]
    if found is None:
        with pytest.raises(BadRow, match="row 1: column 'distance' holds 'x2', expected a number"):
            judge(rows)
    else:
        assert judge(rows).table["distance"].to_pylist() == found


@pytest.mark.parametrize(
    ("bad", "column", "message"),
    [
        (row(None), "flight_id", "row 1: there is no id"),
        (row(""), "flight_id", "row 1: there is no id"),
        (row(scheduled_at=None), "scheduled_at", "row 1: there is no event time"),
        (row(scheduled_at="2026-01-01T00:00:00"), "scheduled_at", "row 1: the event time has no zone"),
        (
            row(scheduled_at="soon"),
            "scheduled_at",
            "row 1: column 'scheduled_at' holds 'soon', expected an ins",
        ),
        (
            row(scheduled_at="2026-12-01T00:00:00Z"),
            "scheduled_at",
            "row 1: the event time lies in the future",
        ),
        (row(distance="far"), "distance", "row 1: column 'distance' holds 'far', expected a number"),
        (row(distance=[1]), "distance", r"row 1: column 'distance' holds \[1\], expected one value"),
        (row(score=1.5), "score", "row 1: column 'score' holds 1.5, expected a probability"),
        (row(carrier="\ud800"), "carrier", "row 1: column 'carrier' holds a text that is not Unicode"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_first_row_that_cannot_be_used_is_named(bad: Any, column: str, message: str) -> None:
    with pytest.raises(BadRow, match=message) as refused:
        judge([row("good"), bad, row("good too"), bad])
    assert (refused.value.row, refused.value.column) == (1, column)


@pytest.mark.parametrize("name", ["flight_id", "scheduled_at", "score", "version"])
def test_a_column_that_must_be_there_is_named(name: str) -> None:
    typo = {**without(name), f"{name[:-1]}": "x"}
    with pytest.raises(
        BadRow, match=f"column '{name}' is missing; the nearest that exists is '{name[:-1]}'"
    ) as no:
        judge([typo])
    assert (no.value.row, no.value.column) == (None, name)


def test_a_feature_that_is_not_there_counts_as_missing_and_is_told() -> None:
    found = judge([without("carrier"), without("carrier")])
    assert found.table["carrier"].to_pylist() == [None, None]
    assert found.warnings == (
        "column 'carrier' is missing; the nearest that exists is 'score'. Its values count as missing",
    )
    assert judge([row(), without("carrier")]).warnings == ()


def test_numbers_are_no_instants() -> None:
    with pytest.raises(BadRow, match="column 'scheduled_at' holds int64, expected instants"):
        judge([row(scheduled_at=1_700_000_000)])


def test_a_policy_with_a_zone_takes_local_times() -> None:
    times = {"column": "scheduled_at", "timezone": "Asia/Tokyo"}
    found = judge([row(scheduled_at="2026-11-20T10:00:00")], event_time=times)
    assert found.table["scheduled_at"].to_pylist() == [datetime(2026, 11, 20, 1, tzinfo=UTC)]


def test_nested_fields_are_found_by_their_paths() -> None:
    renamed = {"score": "prediction.prob", "carrier": "by"}
    sent = {**without("score"), "prediction": {"prob": 0.5}, "by": "DL"}
    found = judge([sent], columns=renamed).table
    assert (found["prediction.prob"].to_pylist(), found["by"].to_pylist()) == ([0.5], ["DL"])


@pytest.mark.parametrize(
    ("label", "task", "meant"),
    [
        (2, Task.BINARY, "0 or 1"),
        ("many", Task.REGRESSION, "a number"),
        (float("inf"), Task.REGRESSION, "a number"),
    ],
)
def test_labels_are_judged_by_the_task(label: object, task: Task, meant: str) -> None:
    rows = [{"flight_id": 1, "delayed": 1}, {"flight_id": 2, "delayed": label}]
    with pytest.raises(BadRow, match=f"row 1: column 'delayed' holds .*, expected {meant}"):
        judge(rows, LABELS, task)
    assert judge([{"flight_id": 1, "delayed": None}], LABELS, task).table.num_rows == 1


def test_arrow_is_judged_alike() -> None:
    table = build_rows(["1", "2"])
    assert judge(table).table.select(table.column_names).equals(table)
    with pytest.raises(BadRow, match="column 'flight_id' is missing"):
        judge(table.drop_columns(["flight_id"]))
    wrong = table.set_column(0, "flight_id", pa.array([None, "2"], pa.string()))
    with pytest.raises(BadRow, match="row 0: there is no id"):
        judge(wrong)
    naive = table.set_column(1, "scheduled_at", table["scheduled_at"].cast(pa.timestamp("us")))
    with pytest.raises(BadRow, match="holds instants without a zone"):
        judge(naive)


ODD_TYPES: dict[str, Any] = {
    "date": pa.array([date(2020, 1, 1)]),
    "far": pa.array([2**62], pa.timestamp("s")),
    "zone": pa.array([5], pa.timestamp("ms", "No/Where")),
    "duration": pa.array([timedelta(days=1)]),
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "decimal": pa.array([Decimal("1.5")]),
    "bytes": pa.array([b"\xff"]),
    "dictionary": pa.array(["x"]).dictionary_encode(),
    "view": pa.array(["x"], pa.string_view()),
    "run-end": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["x"])),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16))], pa.binary(16))),
}


@pytest.mark.parametrize("name", ODD_TYPES)
def test_a_column_of_any_type_is_taken_whole_or_refused(tmp_path: Path, name: str) -> None:
    table = build_rows(["1"])
    for at, column in enumerate(table.column_names):
        odd = table.set_column(at, column, ODD_TYPES[name])
        with suppress(InputError):
            judged = judge(read_body(ARROW, body_of(odd, ARROW), ROWS).rows)
            SpoolFiles().write(judged.table, "b", "d", tmp_path / column)
        written = tmp_path / column
        assert not written.exists() or pq.read_table(written).num_rows == 1


def test_a_row_that_cannot_be_used_is_named_where_texts_are_views_and_nobody_asked_for_some() -> None:
    table = build_rows(["1", "2"]).append_column("note", pa.array(["a", "b"], pa.string_view()))
    views = table.set_column(0, "flight_id", pa.array(["1", None], pa.string_view()))
    with pytest.raises(BadRow, match=r"row 1: there is no id"):
        judge(views)
    assert judge(views.slice(0, 1)).table["flight_id"].to_pylist() == ["1"]


def test_uuids_are_taken() -> None:
    table = build_rows(["1"]).set_column(0, "flight_id", ODD_TYPES["uuid"])
    found = judge(read_body(ARROW, body_of(table, ARROW), ROWS).rows).table
    assert [str(one) for one in found["flight_id"].to_pylist()] == ["00010203-0405-0607-0809-0a0b0c0d0e0f"]


@pytest.mark.parametrize("media", [JSON, LINES, ARROW, f"{JSON}; charset=utf-8", "APPLICATION/JSON"])
def test_bodies_of_every_kind_say_the_same(media: str) -> None:
    table = build_rows(["1", "2"])
    body = body_of(table, media.partition(";")[0].lower())
    assert judge(read_body(media, body, ROWS).rows).table.num_rows == 2


def test_an_object_may_be_a_row_or_hold_them() -> None:
    def rows_in(found: object, kind: PushKind = ROWS) -> Any:
        return read_body(JSON, json.dumps(found).encode(), kind).rows

    assert rows_in({"a": 1}) == rows_in([{"a": 1}]) == rows_in({"rows": [{"a": 1}]}) == [{"a": 1}]
    assert rows_in({"labels": [{"a": 1}]}, LABELS) == [{"a": 1}]
    assert rows_in({"labels": 1}) == [{"labels": 1}]


@pytest.mark.parametrize(
    ("media", "body", "error", "message"),
    [
        (JSON, b"{", BadBatch, "the body is not JSON"),
        (JSON, b"\xff", BadBatch, "the body is not JSON"),
        (JSON, b"[" * 100_000, BadBatch, "the body is not JSON"),
        (JSON, b"[" + b"9" * 5000 + b"]", BadBatch, "the body is not JSON"),
        (JSON, b"3", BadBatch, "expected an object, an array of objects"),
        (JSON, b"[{}, 3]", BadBatch, "row 1: expected an object, got int"),
        (JSON, b"[]", BadBatch, "the batch has no rows"),
        (JSON, b'{"rows": [{}], "batch_id": 3}', BadBatch, "batch_id: expected a text"),
        (JSON, b'{"rows": [{}], "other": 3}', BadBatch, "there may be 'batch_id' only, got 'other'"),
        (LINES, b'{}\n{"a"\n', BadBatch, "row 1 is not JSON"),
        (LINES, b"\n\n", BadBatch, "the batch has no rows"),
        (ARROW, b"ARROW1", BadBatch, "no stream of Arrow record batches"),
        (ARROW, b"", BadBatch, "no stream of Arrow record batches"),
        ("text/csv", b"a,b", UnknownMedia, "expected application/json, .* got text/csv"),
        ("", b"{}", UnknownMedia, "got no type"),
        (JSON, b" " * (MOST_BYTES + 1), TooLarge, f"at most {MOST_BYTES} bytes"),
        (LINES, b"{}\n" * (MOST_ROWS + 1), TooLarge, f"at most {MOST_ROWS} rows"),
    ],
)
def test_what_is_no_batch_is_refused(media: str, body: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_body(media, body, ROWS)


def test_a_small_body_cannot_stand_for_endless_rows() -> None:
    many = pa.table({"flight_id": pa.nulls(10**9)})
    body = body_of(many, ARROW)
    assert len(body) < 1000
    with pytest.raises(TooLarge, match=f"at most {MOST_ROWS} rows"):
        read_body(ARROW, body, ROWS)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_streams_are_refused_before_they_are_unpacked(codec: Any) -> None:
    table = build_rows(["1"]).append_column("more", pa.array(["x" * 10_000]).dictionary_encode())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as stream:
        stream.write_table(table)
    with pytest.raises(BadBatch, match="write the stream without compression"):
        read_body(ARROW, bytes(sink.getvalue()), ROWS)


@pytest.mark.parametrize("kind", ["dictionary", "view", "dictionary of views"])
def test_a_value_that_many_rows_refer_to_counts_for_each(kind: str) -> None:
    rows, long = 50_000, "x" * 10_000
    plain = build_rows([str(at) for at in range(rows)])
    encoded = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([long]))
    one_view = np.array([len(long), int.from_bytes(b"xxxx", "little"), 0, 0], np.int32)
    buffers = [None, pa.py_buffer(np.tile(one_view, rows).tobytes()), pa.py_buffer(long.encode())]
    views: Any = pa.Array.from_buffers(pa.string_view(), rows, buffers)
    found = {
        "dictionary": encoded,
        "view": views,
        "dictionary of views": pa.DictionaryArray.from_arrays(
            encoded.indices, pa.array([long], pa.string_view())
        ),
    }[kind]
    table = plain.set_column(plain.column_names.index("carrier"), "carrier", found)
    assert table.nbytes < MOST_TABLE_BYTES
    with pytest.raises(TooLarge, match=f"the values take {rows * len(long)} bytes"):
        judge(table)
    if kind != "dictionary of views":  # which Arrow itself cannot read
        assert judge(table.slice(0, 10)).table["carrier"].to_pylist() == [long] * 10


def test_arrow_that_lies_about_its_buffers_is_refused() -> None:
    whole = body_of(build_rows(["1", "2", "3"]), ARROW)
    for end in range(0, len(whole) - 16, 97):
        with pytest.raises((BadBatch, BadRow)):
            judge(read_body(ARROW, whole[:end], ROWS).rows)
