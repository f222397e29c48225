"""Files that are small and unpack to more than a machine has, and lines without an end."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ctrain.sources import parquet, streams, text_reader
from ctrain.sources.files import FilesSource
from tests.parquet_rows import build_rows, ids_of, open_files
from tests.text_rows import packed, write_rows

MEGABYTE = 2**20


def messages(source: FilesSource) -> list[str]:
    """What is said about the files that are set aside, once patience with them is over."""
    for _ in range(5):
        read = source.read({}, 1000)
        if read.rejected:
            assert read.batches == ()
            return [one.message for one in read.rejected]
    raise AssertionError("nothing was set aside")


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_compressed_bomb_is_set_aside(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BOMB_BYTES", 4 * MEGABYTE)
    content = packed(f"a.jsonl.{kind}", b"{}" * (8 * MEGABYTE))
    (tmp_path / "rows").mkdir()
    (tmp_path / f"rows/a.jsonl.{kind}").write_bytes(content)
    (message,) = messages(open_files(tmp_path))
    assert f"a.jsonl.{kind}: its {len(content)} bytes unpack to more than 200 times as many" in message


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_compressed_file_takes_memory_for_one_line_whatever_it_unpacks_to(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen megabytes of one line, of which one is held."""
    monkeypatch.setattr(text_reader, "MOST_LINE_BYTES", MEGABYTE)
    monkeypatch.setattr(streams, "HELD_BYTES", MEGABYTE)
    (tmp_path / "rows").mkdir()
    (tmp_path / f"rows/a.jsonl.{kind}").write_bytes(packed(f"a.jsonl.{kind}", b"x" * (16 * MEGABYTE) + b"\n"))
    source = open_files(tmp_path)
    tracemalloc.start()
    found = messages(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0].startswith(f"a.jsonl.{kind}: line 1 has more than {MEGABYTE} bytes")
    assert peak < 8 * MEGABYTE


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_without_an_end_is_not_read_to_its_end(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "MOST_LINE_BYTES", MEGABYTE)
    (tmp_path / "rows").mkdir()
    whole = "a,b\n" if kind == "csv" else ""
    (tmp_path / f"rows/a.{kind}").write_text(whole + "x" * (24 * MEGABYTE))
    tracemalloc.start()
    (message,) = messages(open_files(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"a.{kind}: " in message
    assert peak < 16 * MEGABYTE


def test_zeros_of_a_file_that_was_emptied_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Megabytes that take no room on the disk, with a row at its end."""
    monkeypatch.setattr(text_reader, "MOST_LINE_BYTES", MEGABYTE)
    path = write_rows(tmp_path / "rows/a.jsonl", build_rows(["1"]))
    row = path.read_bytes()
    with path.open("wb") as file:
        file.seek(48 * MEGABYTE)
        file.write(row)
    source = open_files(tmp_path)
    tracemalloc.start()
    read = source.read({}, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids_of(read) == ["1"]
    assert peak < 16 * MEGABYTE


def test_a_parquet_bomb_is_set_aside_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand rows that take eight kilobytes a column and less than one on the disk."""
    monkeypatch.setattr(parquet, "MOST_GROUP_BYTES", 20_000)
    (tmp_path / "rows").mkdir()
    rows = build_rows([str(number) for number in range(1000)])
    pq.write_table(rows, tmp_path / "rows/a.parquet")
    (message,) = messages(open_files(tmp_path))
    assert "row group 0 of 1000 rows takes" in message
    assert "write smaller row groups" in message


def test_row_groups_that_fit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_GROUP_BYTES", 20_000)
    (tmp_path / "rows").mkdir()
    rows = build_rows([str(number) for number in range(1000)])
    pq.write_table(rows, tmp_path / "rows/a.parquet", row_group_size=50)
    assert sum(batch.table.num_rows for batch in open_files(tmp_path).read({}, 5000).batches) == 1000
