"""Parquet files whose texts or footers are not what they say: rows come in, or one clear message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.app.profiling import profile_files
from ctrain.app.scanning import TableFiles, read_footer
from ctrain.domain import Json, RejectedFile
from ctrain.errors import InputError
from ctrain.rows.normalise import normalise_rows
from ctrain.sources.inspection import PATIENCE_READS
from ctrain.sources.tables import read_batches
from ctrain.sources.texts import with_utf8
from tests.parquet_rows import START, build_data, build_rows, ids_of, open_files, write_parquet
from tests.row_logs import NOW

LATIN = [b"M\xfcller", b"Meier", None]
READ = ["M\\xfcller", "Meier", None]


def texts(values: list[bytes | None]) -> Any:
    """An array of texts with these bytes, whatever they are."""
    return pa.array(values, pa.binary()).view(pa.string())


def nested(array: Any) -> Any:
    return pa.StructArray.from_arrays([array], names=["name"])


def coded(array: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), array, ordered=True)


def large(array: Any) -> Any:
    return array.view(pa.binary()).cast(pa.large_binary()).view(pa.large_string())


@pytest.mark.parametrize("made", [lambda array: array, large, coded])
def test_bytes_that_are_no_text_are_written_out(made: Callable[[Any], Any]) -> None:
    table = pa.table({"name": made(texts(LATIN)), "x": [1.0, 2.0, 3.0]})
    found, mended = with_utf8(table)
    assert found["name"].to_pylist() == READ
    assert found.schema == table.schema
    assert mended == ("name",)


def test_so_are_those_within_a_column_and_in_a_part_of_a_table() -> None:
    table = pa.table({"who": nested(texts([b"before", *LATIN]))}).slice(1)
    found, mended = with_utf8(table)
    assert found.flatten()["who.name"].to_pylist() == READ
    assert mended == ("who",)


def test_texts_as_views_are_written_out_wherever_they_are() -> None:
    texts_as_views = pa.array(["a", None], pa.string_view())
    table = pa.table(
        {
            "name": texts_as_views,
            "raw": pa.array([b"a", None], pa.binary_view()),
            "who": nested(texts_as_views),
            "list": pa.array([["a"], None], pa.list_(pa.string_view())),
            "large": pa.array([["a"], None], pa.large_list(pa.string_view())),
            "map": pa.array([[("k", "a")], None], pa.map_(pa.string_view(), pa.string_view())),
            "x": [1, 2],
        }
    )
    found, mended = with_utf8(table)
    assert found.filter(pa.array([False, True])).to_pylist() == table.to_pylist()[1:]
    assert found.to_pylist() == table.to_pylist()
    assert mended == ()


def test_rows_that_cannot_be_used_are_set_aside_where_texts_are_views(tmp_path: Path) -> None:
    """As Polars writes them."""
    rows = build_rows(["1", "2"])
    at = rows.schema.get_field_index("flight_id")
    ids = pa.array(["1", None], pa.string_view())
    write_parquet(tmp_path / "rows/a.parquet", rows.set_column(at, "flight_id", ids))
    read = open_files(tmp_path).read({}, 1000)
    found = normalise_rows(read.batches, build_data(), "binary", NOW)
    assert found.table["row_id"].to_pylist() == ["1"]
    assert found.rejected == {"null_id": 1}


def test_sound_texts_are_left_as_they_are() -> None:
    table = pa.table({"name": ["Müller", None]})
    assert with_utf8(table) == (table, ())


def test_rows_with_such_texts_come_in_and_it_is_said_once(tmp_path: Path) -> None:
    for number, start in enumerate(("a", "b")):
        rows = build_rows([f"{start}1", f"{start}2", f"{start}3"])
        at = rows.schema.get_field_index("flight_id")
        ids = texts(
            [f"{start}\xfc".encode("latin-1"), f"{start}\xfd".encode("latin-1"), b"c" + start.encode()]
        )
        write_parquet(tmp_path / f"rows/{number}.parquet", rows.set_column(at, "flight_id", ids))
    read = open_files(tmp_path).read({}, 1000)
    assert ids_of(read) == ["a\\xfc", "a\\xfd", "ca", "b\\xfc", "b\\xfd", "cb"]
    assert [note for note in read.notes if "UTF-8" in note] == [
        "0.parquet: texts of 'flight_id' are not UTF-8; a byte that is none is read as \\x and its number"
    ]
    assert not read.rejected


def with_other_name(path: Path, name: bytes, other: bytes) -> None:
    """Write another name of the same length over that of a column."""
    assert len(name) == len(other)
    path.write_bytes(path.read_bytes().replace(name, other))


def test_a_footer_with_a_name_that_is_no_text_is_set_aside(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    bad = write_parquet(tmp_path / "rows/b.parquet", build_rows(["2"]).append_column("wxyz", pa.array([1])))
    with_other_name(bad, b"wxyz", b"w\xffyz")
    source = open_files(tmp_path)
    cursor: Json = {}
    rejected: list[RejectedFile] = []
    ids: list[str] = []
    for _ in range(PATIENCE_READS):
        read = source.read(cursor, 1000)
        cursor = read.cursor
        rejected += read.rejected
        ids += ids_of(read)
    assert ids == ["1"]
    assert [(one.path, one.reason) for one in rejected] == [("b.parquet", "damaged")]
    assert "a column's name is not UTF-8 text" in rejected[0].message


def test_statistics_beyond_the_calendar_order_nothing(tmp_path: Path) -> None:
    rows = build_rows(["1"], start=START)
    at = rows.schema.get_field_index("scheduled_at")
    far = pa.array([10**18], pa.timestamp("us", "UTC"))
    write_parquet(tmp_path / "rows/a.parquet", rows.set_column(at, "scheduled_at", far))
    write_parquet(tmp_path / "rows/b.parquet", build_rows(["2"]))
    assert ids_of(open_files(tmp_path).read({}, 1000)) == ["2", "1"]


def test_files_that_commands_read_are_treated_alike(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"name": texts(LATIN), "wxyz": [1, 2, 3]}), path)
    assert pa.Table.from_batches(read_batches(path))["name"].to_pylist() == READ
    assert set(profile_files(TableFiles.find([path])).profile.columns) == {"name", "wxyz"}
    views = tmp_path / "views.parquet"
    pq.write_table(pa.table({"name": pa.array(["a", None], pa.string_view())}), views)
    assert pa.Table.from_batches(read_batches(views)).drop_null()["name"].to_pylist() == ["a"]
    both = TableFiles.find([path, views]).read()
    assert both is not None
    assert both["name"].to_pylist() == [*READ, "a", None]
    with_other_name(path, b"wxyz", b"w\xffyz")
    with pytest.raises(InputError, match=r"rows\.parquet: cannot be read as parquet"):
        read_footer(path)
    with pytest.raises(InputError, match=r"rows\.parquet: cannot be read as parquet"):
        list(read_batches(path))
