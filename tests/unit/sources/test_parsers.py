"""Blocks of text as columns: what Python's own csv and json modules write comes back as it was."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.rows.columns import Column, Kind
from ctrain.sources.column_types import ColumnType, by_path, infer_type, settle
from ctrain.sources.delimited import DelimitedParser, Header
from ctrain.sources.formats import FileFormat, format_of
from ctrain.sources.json_lines import JsonLinesParser
from ctrain.sources.parquet import Fault
from ctrain.sources.records import cut_delimited, cut_lines
from ctrain.sources.streams import measure, open_text
from ctrain.sources.widening import WidestType
from ctrain.sources.zstd_frames import whole_frames_end
from tests.text_rows import zstd

FIELDS = st.text(st.sampled_from('ab1 ",;\n\té€'), max_size=6)
"""Without carriage returns: csv.writer quotes no lone one, so nobody could tell it from a line's end."""


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=8), st.sampled_from(["\n", "\r\n"]), st.data())
def test_what_the_csv_module_writes_is_read_as_it_was(
    rows: list[tuple[str, str, str]], newline: str, data: st.DataObject
) -> None:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator=newline).writerows(rows)
    content = sink.getvalue().encode()
    cut = data.draw(st.integers(0, len(content)))
    header = Header.parse(b"a,b,c")
    parser = DelimitedParser(header, {"a": "text", "c": "text"}, {})
    found = []
    first = cut_delimited(content[:cut], ",")
    second = cut_delimited(content[first.size :], ",")
    for records in (first, second):
        parsed = parser.parse(records)
        assert not parsed.rejected
        found += list(zip(parsed.columns["a"].to_pylist(), parsed.columns["c"].to_pylist(), strict=True))
    assert first.size + second.size == len(content)
    assert found == [(row[0], row[2]) for row in rows]
    assert first.line_count + second.line_count == content.count(b"\n")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)


@pytest.mark.parametrize(
    ("content", "kept", "rejected"),
    [
        (b"null\n", [], [0]),
        (b' null\n{"t": "a"}\n', ["a"], [0]),
        (b'{"t": "a"}\nnull\n{"t": "b"}\n', ["a", "b"], [1]),
        (b'{"t": "a"}\n{"t": "b"} null\n', ["a"], [1]),
        (b'{"t": "a"}null\n\n', [], [0]),
        (b"\xef\xbb\xbfnull\n", [], [0]),
        (b' {"t": "} null"}\n{"t": null}\n', ["} null", None], []),
    ],
)
def test_a_null_in_the_place_of_an_object_is_set_aside(
    content: bytes, kept: list[str | None], rejected: list[int]
) -> None:
    """Arrow's reader takes it for a row of nulls; as the first row it ends the process."""
    parsed = JsonLinesParser({"t": "text"}).parse(cut_lines(content))
    assert parsed.columns["t"].to_pylist() == kept
    assert [bad.index for bad in parsed.rejected] == rejected


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.fixed_dictionaries({}, optional={"n": VALUES, "t": VALUES, "x": VALUES}), max_size=8))
def test_what_the_json_module_writes_is_read_as_it_was(rows: list[dict[str, Any]]) -> None:
    content = b"".join(json.dumps(one).encode() + b"\n" for one in rows)
    parsed = JsonLinesParser({"n": "number", "t": "text"}).parse(cut_lines(content))
    assert not parsed.rejected
    for found, row in zip(parsed.columns["n"].to_pylist(), rows, strict=True):
        expected = row.get("n")
        if isinstance(found, float) and expected is not None:
            assert math.isclose(found, float(expected))
        else:
            assert found in (expected, as_text(expected))
    assert parsed.columns["t"].to_pylist() == [as_text(row.get("t")) for row in rows]


def as_text(value: Any) -> str | None:
    """As the row log reads texts: whole numbers without a point."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return (
        json.dumps(value) if not isinstance(value, float) else pa.array([value]).cast(pa.string())[0].as_py()
    )


@pytest.mark.parametrize(
    ("line", "names", "delimiter"),
    [
        (b"a,b\r\n", ("a", "b"), ","),
        (b'\xef\xbb\xbf"a;x";b\n', ("a;x", "b"), ";"),
        (b" a \t b \n", ("a", "b"), "\t"),
        (b"a|b|c,d", ("a", "b", "c,d"), "|"),
        (b"only", ("only",), ","),
    ],
)
def test_a_header_tells_the_names_and_the_delimiter(
    line: bytes, names: tuple[str, ...], delimiter: str
) -> None:
    header = Header.parse(line)
    assert (header.names, header.delimiter) == (names, delimiter)


@pytest.mark.parametrize(
    ("data", "final", "ends", "broken"),
    [
        (b'a,"b\nc', False, [], []),
        (b'a,"b\nc\n', True, [5, 7], [0]),
        (b'"a" ,b\nc,d\n', False, [7, 11], [0]),
        (b'a"b"c,d\n', False, [8], []),
        (b'"",""\n""""\n', False, [6, 11], []),
        (b'"a\n', True, [3], [0]),
        (b"\n\n", False, [1, 2], []),
    ],
)
def test_quotes_join_lines_and_a_stray_one_breaks_its_own_line(
    data: bytes, final: bool, ends: list[int], broken: list[int]
) -> None:
    records = cut_delimited(data, ",", final=final)
    assert records.ends.tolist() == ends
    assert sorted(records.broken) == broken


def test_lone_carriage_returns_stay_in_values() -> None:
    records = cut_delimited(b"1,a\rb\n2\n3,c\n", ",")
    parsed = DelimitedParser(Header.parse(b"x,y"), {"x": "number", "y": "text"}, {}).parse(records)
    assert parsed.columns["y"].to_pylist() == ["a\rb", "c"]
    assert [(bad.index, bad.message) for bad in parsed.rejected] == [
        (1, "it has 1 fields, the header names 2")
    ]


def test_lines_of_anything_are_told_apart() -> None:
    """Ragged, not UTF-8, both, and a field that is longer than the csv module reads."""
    long = b'5,"' + b"x" * 200_000 + b'",a"b\n'
    content = b'1,"a,\n",b\n\xff\n\xff,b,c\n4,\xff,c\n' + long
    parser = DelimitedParser(Header.parse(b"x,y,z"), {"x": "text", "y": "text"}, {})
    parsed = parser.parse(cut_delimited(content[: -len(long)], ","))
    assert parsed.columns["x"].to_pylist() == ["1"]
    assert [(bad.index, bad.reason) for bad in parsed.rejected] == [
        (1, "ragged_line"),
        (2, "not_utf8"),
        (3, "not_utf8"),
    ]
    parsed = parser.parse(cut_delimited(content, ","))
    assert [bad.index for bad in parsed.rejected] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("number", ["1", "2.5"], "number"),
        ("number", ["True", "false"], "boolean"),
        ("number", ["", "NA"], None),
        ("text", ["1", "2.0", ""], "number"),
        ("text", ["01"], "text"),
        ("text", ["1.5"], "text"),
        ("text", ["TRUE"], "boolean"),
        ("id", ["12"], "number"),
        ("instant", ["anything"], "instant"),
        ("boolean", ["yes"], "boolean"),
    ],
)
def test_inferred_types(kind: Kind, texts: list[str], expected: ColumnType | None) -> None:
    assert infer_type(pa.array(texts), kind) == expected


@pytest.mark.parametrize(
    ("kind", "column_type", "texts", "expected"),
    [
        ("text", "boolean", ["True", "maybe", "NA"], ["true", "maybe", "NA"]),
        ("text", "number", ["-3.0", "3.10", "0.0", "00.0"], ["-3", "3.10", "0", "00.0"]),
        ("number", "boolean", ["1", "FALSE", "", " true "], [True, False, None, True]),
        ("number", "boolean", ["0.5", "true"], ["0.5", "true"]),
        ("number", "number", ["x", "-INF", "1"], ["x", "-1e999", "1"]),
        ("boolean", None, ["null", "yes"], [None, "yes"]),
        ("date", None, ["NaT", "2020-01-01"], [None, "2020-01-01"]),
    ],
)
def test_settled_values(
    kind: Kind, column_type: ColumnType | None, texts: list[str], expected: list[object]
) -> None:
    assert settle(pa.array(texts), kind, column_type).to_pylist() == expected


def test_types_are_declared_by_name_or_by_path() -> None:
    columns = [Column("score", ("prediction.prob",), "number"), Column("zip", ("zip",), "text")]
    assert by_path({"score": "number", "zip": "text"}, columns) == {
        "prediction.prob": "number",
        "zip": "text",
    }
    assert by_path({"prediction.prob": "boolean"}, columns) == {"prediction.prob": "boolean"}


@pytest.mark.parametrize(
    ("blocks", "kind", "last"),
    [
        ([["1"], ["2"]], pa.int64(), 2),
        ([["1"], ["2.5"]], pa.float64(), 2.5),
        ([["1"], ["x"]], pa.string(), "x"),
        ([["9223372036854775808"]], pa.float64(), 2.0**63),
        ([["007"]], pa.string(), "007"),
        ([["", "NA"], ["true"]], pa.bool_(), True),
        ([["true"], ["1"]], pa.string(), "1"),
        ([["2020-01-01"], ["2020-01-01T00:00:00"]], pa.timestamp("us"), None),
        ([["2020-01-01T00:00:00Z"]], pa.timestamp("us", "UTC"), None),
        ([["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:00"]], pa.string(), "2020-01-01T00:00:00"),
        ([["", "null"]], pa.null(), None),
    ],
)
def test_the_narrowest_type(blocks: list[list[str]], kind: pa.DataType, last: object) -> None:
    widest = WidestType()
    for block in blocks:
        widest.add(pa.array(block))
    assert widest.arrow_type == kind
    values = widest.cast(pa.array(blocks[-1]))
    assert values.type == kind
    if last is not None:
        assert values[-1].as_py() == last


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", FileFormat("parquet")),
        ("a.PQ", FileFormat("parquet")),
        ("a.csv.gz", FileFormat("csv", "gzip")),
        ("a.csv.2", FileFormat("csv")),
        ("a.csv.gz.2", FileFormat("csv", "gzip")),
        ("a.ndjson-20240131.zst", FileFormat("jsonl", "zstd")),
        ("a.jsonl.2024-01-31T10.gz", FileFormat("jsonl", "gzip")),
        ("a.json", None),
        ("a.gz", None),
        ("csv", None),
    ],
)
def test_names_tell_formats(name: str, expected: FileFormat | None) -> None:
    assert format_of(name) == expected


CONTENT = bytes(range(256)) * 999


@pytest.mark.parametrize(("compression", "pack"), [("gzip", gzip.compress), ("zstd", zstd)])
@pytest.mark.parametrize("held", [True, False])
def test_whole_members_are_read_and_parts_wait(
    tmp_path: Path, compression: Any, pack: Any, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not held:
        monkeypatch.setattr("ctrain.sources.streams.HELD_BYTES", 0)
    monkeypatch.setattr("ctrain.sources.streams.CHUNK_BYTES", 4096)
    path = tmp_path / "a"
    members = pack(CONTENT), pack(b""), pack(b"tail")
    for cut in (0, 1, 3, 9, len(members[2]) - 1, len(members[2])):
        path.write_bytes(members[0] + members[1] + members[2][:cut])
        extent = measure(path, compression)
        assert not isinstance(extent, Fault)
        whole = CONTENT + (b"tail" if cut == len(members[2]) else b"")
        assert (extent.size, extent.cut_off) == (len(whole), 0 < cut < len(members[2]))
        stream = open_text(path, compression, extent)
        stream.skip_to(len(CONTENT) - 2)
        assert stream.read(100) == whole[len(CONTENT) - 2 :]
        stream.close()


def test_zeros_behind_a_gzip_are_padding(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"abc") + b"\0" * 1000 + gzip.compress(b"def") + b"\0" * 9)
    extent = measure(tmp_path / "a", "gzip")
    assert not isinstance(extent, Fault)
    assert (extent.held, extent.cut_off) == (b"abcdef", False)


def test_frames_of_zstd_end_where_their_blocks_do() -> None:
    """Made by hand after RFC 8878: a skippable frame, a raw and a run-length block, with a checksum."""
    skippable = (0x184D2A5F).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"xyz"
    magic, descriptor = (0xFD2FB528).to_bytes(4, "little"), bytes([0x20 | 0x04])
    raw, run = ((2 << 3) | 0).to_bytes(3, "little") + b"ab", ((9 << 3) | 2 | 1).to_bytes(3, "little") + b"c"
    frame = magic + descriptor + b"\x0b" + raw + run + b"sums"
    content = skippable + frame
    for size in range(len(content) + 1):
        end = 0 if size < len(skippable) else len(skippable) if size < len(content) else len(content)
        assert whole_frames_end(io.BytesIO(content[:size]), size) == end
    assert whole_frames_end(io.BytesIO(b"text that is no frame"), 21) is None
