"""Whole files as tables, in batches: Parquet, CSV and JSON lines, plain or compressed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ctrain.errors import InputError
from ctrain.sources.formats import FileFormat, format_of

BATCH_ROWS = 65_536
_KINDS_OF_FILES = "*.parquet, *.csv, *.jsonl or *.ndjson (the texts also with .gz or .zst)"


def table_files(path: Path) -> list[Path]:
    """Return the file itself, or the files of a folder that can be read, by name.

    Raises
    ------
    InputError
        when there is none.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.is_file() and _is_table(one))
    if not files:
        raise InputError(f"{path}: no {_KINDS_OF_FILES} in this folder")
    return files


def read_batches(
    path: Path, columns: Sequence[str] | None = None, *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file in batches of one schema; memory does not grow with the file.

    Types of texts are inferred from the whole file: numbers are int64 or float64.

    Raises
    ------
    InputError
        when the file cannot be read; the message names it.
    """
    kind = _format(path)
    try:
        if kind.kind == "parquet":
            yield from _parquet(path, columns, batch_rows)
        elif kind.kind == "csv":
            yield from _csv(path, columns, kind)
        else:
            yield from _json_lines(path, columns, kind)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as {kind.kind}: {error}") from error


def _is_table(path: Path) -> bool:
    return not path.name.startswith((".", "_")) and format_of(path.name) is not None


def _format(path: Path) -> FileFormat:
    found = format_of(path.name)
    if found is None:
        raise InputError(f"{path}: what it holds is not known by its name; expected {_KINDS_OF_FILES}")
    return found


def _parquet(path: Path, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    yield from file.iter_batches(batch_size=rows, columns=list(columns) if columns is not None else None)


def _csv(path: Path, columns: Sequence[str] | None, kind: FileFormat) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv

    options = csv.ConvertOptions(include_columns=list(columns) if columns is not None else None)
    with pa.input_stream(path, compression=kind.compression or None) as stream:
        yield from csv.open_csv(stream, convert_options=options)


def _json_lines(path: Path, columns: Sequence[str] | None, kind: FileFormat) -> Iterator[pa.RecordBatch]:
    from pyarrow import json

    with pa.input_stream(path, compression=kind.compression or None) as stream:
        for batch in json.open_json(stream):
            yield batch.select(list(columns)) if columns is not None else batch
