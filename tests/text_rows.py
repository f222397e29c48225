"""The same small tables as CSV and JSON lines, plain or compressed, whole or appended."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from ctrain.sources.formats import format_of
from tests.parquet_rows import write_parquet


def as_csv(table: pa.Table, *, header: bool = True) -> bytes:
    """As pyarrow writes it, with instants in ISO 8601."""
    texts = table.set_column(1, table.column_names[1], pa.array(instants_of(table)))
    sink = pa.BufferOutputStream()
    csv.write_csv(texts, sink, csv.WriteOptions(include_header=header))
    return sink.getvalue().to_pybytes()


def as_json_lines(table: pa.Table) -> bytes:
    texts = table.set_column(1, table.column_names[1], pa.array(instants_of(table)))
    return b"".join(json.dumps(one).encode() + b"\n" for one in texts.to_pylist())


def instants_of(table: pa.Table) -> list[str]:
    return [str(one).replace(" ", "T") for one in table["scheduled_at"].to_pylist()]


def zstd(content: bytes) -> bytes:
    """One zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def packed(name: str, content: bytes) -> bytes:
    """The content as a file of this name has it: one gzip member, one zstd frame, or as it is."""
    found = format_of(name)
    assert found is not None
    if found.compression == "gzip":
        return gzip.compress(content, mtime=0)
    return zstd(content) if found.compression == "zstd" else content


def text_of(name: str, table: pa.Table, *, header: bool = True) -> bytes:
    found = format_of(name)
    assert found is not None
    return as_csv(table, header=header) if found.kind == "csv" else as_json_lines(table)


def write_rows(path: Path, table: pa.Table) -> Path:
    """Write a file in the format that its name says."""
    if path.suffix == ".parquet":
        return write_parquet(path, table, row_group_size=4)
    return write_text(path, text_of(path.name, table))


def append_rows(path: Path, table: pa.Table) -> Path:
    """Add rows to a file of text, which gets a header when it is new."""
    return append_text(path, text_of(path.name, table, header=not path.exists()))


def write_text(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(path.name, content.encode() if isinstance(content, str) else content))
    return path


def append_text(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(packed(path.name, content.encode() if isinstance(content, str) else content))
    return path
