"""Whole files as tables, whatever they are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ctrain.domain import RejectedLine
from ctrain.errors import InputError
from ctrain.sources import whole_texts
from ctrain.sources.tables import read_batches, table_files
from tests.parquet_rows import build_rows
from tests.text_rows import packed, write_rows, write_text

ENDINGS = ("parquet", "csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "ndjson.zst")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_table(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_texts, "BLOCK_BYTES", 1000)
    rows = build_rows([f"id-{at}" for at in range(50)])
    path = write_rows(tmp_path / f"a.{ending}", rows)
    table = pa.Table.from_batches(read_batches(path))
    assert table.num_rows == 50
    for name in ("flight_id", "scheduled_at", "score", "distance", "carrier"):
        assert table[name].to_pylist() == rows[name].to_pylist()
        assert table.schema.field(name).type == rows.schema.field(name).type
    some = pa.Table.from_batches(read_batches(path, ["score", "carrier"]))
    assert some.column_names == ["score", "carrier"]


def test_a_column_has_one_type_over_all_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_texts, "BLOCK_BYTES", 10)
    path = write_text(tmp_path / "a.csv", "x,zip,e\n1,2,\n2.5,02,\nNA,3,")
    batches = list(read_batches(path))
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    assert table.to_pydict() == {"x": [1.0, 2.5, None], "zip": ["2", "02", "3"], "e": [None, None, None]}


def test_nested_fields_are_columns_by_their_paths(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.jsonl", '{"p": {"q": 1, "r": {"s": true}}}\n{"p": null, "t": "x"}')
    table = pa.Table.from_batches(read_batches(path))
    assert table.to_pydict() == {"p.q": [1, None], "p.r.s": [True, None], "t": [None, "x"]}


def test_lines_that_are_no_rows_are_errors_or_handed_on(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5\n")
    with pytest.raises(InputError) as caught:
        list(read_batches(path))
    assert str(caught.value) == f"{path}: line 3: it has 1 fields, the header names 2"
    found: list[RejectedLine] = []
    table = pa.Table.from_batches(read_batches(path, on_rejected=found.append))
    assert table.to_pydict() == {"a": [1, 4], "b": [2, 5]}
    assert [(one.line, one.reason, one.text) for one in found] == [(3, "ragged_line", "3")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file has no first line that names columns"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "the file is UTF-16, expected UTF-8"),
        (
            "a.csv",
            b"a,b\xe9\n1,2\n",
            "the first line names no columns ('utf-8' codec can't decode byte 0xe9 in position 3:"
            " unexpected end of data); expected UTF-8",
        ),
        ("a.csv", b"a,a\n1,2\n", "column 'a' is there more than once"),
        ("a.csv.gz", packed("a.csv.gz", b"a\n1\n")[:-3], "the file ends in the middle: it was cut off"),
        ("a.csv.zst", b"nothing", "the file is not zstd"),
        ("a.parquet", b"nothing", "cannot be read as parquet: "),
        (
            "a.txt",
            b"a,b\n",
            "what it holds is not known by its name; "
            "expected *.parquet, *.csv, *.jsonl or *.ndjson (the texts also with .gz or .zst)",
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_batches(tmp_path / name))
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_a_column_that_is_missing_is_said(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "a\n1\n")
    with pytest.raises(InputError, match=r"column 'b' is missing$"):
        list(read_batches(path, ["b"]))


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.jsonl.gz", "_part.csv", ".d.csv", "notes.txt"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).touch()
    assert [path.name for path in table_files(tmp_path / "folder")] == ["a.parquet", "b.csv", "c.jsonl.gz"]
    assert table_files(tmp_path / "folder/notes.txt") == [tmp_path / "folder/notes.txt"]
    (tmp_path / "empty").mkdir()
    for missing in ("nowhere", "empty"):
        with pytest.raises(InputError):
            table_files(tmp_path / missing)
