"""Columns of features that come, go and change their type from one file to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from ctrain.domain import SourceRead
from tests.parquet_rows import START, build_rows, drain, ids_of, open_files, write_parquet

DAY = timedelta(days=1)
Write = Callable[[Path, pa.Table], Path]


def write_csv(path: Path, table: pa.Table) -> Path:
    path = path.with_suffix(".csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    pacsv.write_csv(table, str(path))
    return path


WRITERS: list[Write] = [write_parquet, write_csv]


def without(table: pa.Table, name: str) -> pa.Table:
    return table.drop_columns([name])


def all_ids(reads: list[SourceRead]) -> list[str]:
    return [one for read in reads for one in ids_of(read)]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("at_once", [True, False])
def test_rows_without_a_feature_are_read_once_a_file_has_had_it(
    tmp_path: Path, write: Write, at_once: bool
) -> None:
    whole, partial = build_rows(["1"]), without(build_rows(["2"], start=START + DAY), "distance")
    source = open_files(tmp_path)
    write(tmp_path / "rows/a.parquet", whole)
    first, cursor = ([], {}) if at_once else drain(source, {})
    write(tmp_path / "rows/b.parquet", partial)
    second, _ = drain(source, cursor)
    assert all_ids([*first, *second]) == ["1", "2"]
    assert not any(read.rejected for read in (*first, *second))
    assert any("column 'distance' is missing" in note for read in second for note in read.notes)


@pytest.mark.parametrize("write", WRITERS)
def test_a_feature_that_no_file_has_had_is_a_mistake_in_the_policy(tmp_path: Path, write: Write) -> None:
    for at, day in (("a", 0), ("b", 1)):
        rows = without(build_rows([at], start=START + day * DAY), "distance")
        write(tmp_path / f"rows/{at}.parquet", rows)
    write(tmp_path / "rows/c.parquet", build_rows([], start=START + 2 * DAY))
    reads, cursor = drain(open_files(tmp_path), {})
    assert [one.reason for read in reads for one in read.rejected] == ["missing_column"] * 2
    write(tmp_path / "rows/d.parquet", without(build_rows(["d"]), "distance"))
    reads, _ = drain(open_files(tmp_path), cursor)
    assert [one.reason for read in reads for one in read.rejected] == ["missing_column"]


def test_a_feature_of_another_type_costs_no_row_later(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows/a.parquet", build_rows(["1"]))
    listed = build_rows(["2"], start=START + DAY)
    place = listed.schema.get_field_index("distance")
    write_parquet(tmp_path / "rows/b.parquet", listed.set_column(place, "distance", pa.array([[1.0]])))
    reads, _ = drain(open_files(tmp_path), {})
    assert all_ids(reads) == ["1", "2"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_column_that_no_earlier_file_had_is_new_once(tmp_path: Path, write: Write) -> None:
    def with_gate(name: str, day: int) -> pa.Table:
        return build_rows([name], start=START + day * DAY).append_column("gate", pa.array(["A1"]))

    write(tmp_path / "rows/a.parquet", build_rows(["1"]).append_column("colour", pa.array(["red"])))
    write(tmp_path / "rows/b.parquet", with_gate("2", 1))
    write(tmp_path / "rows/c.parquet", with_gate("3", 2))
    reads, _ = drain(open_files(tmp_path), {})
    found = [batch.new_columns for read in reads for batch in read.batches]
    assert found == [(), ("gate",), ()]
