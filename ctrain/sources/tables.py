"""Whole files as tables, in batches: Parquet, CSV and JSON lines, plain or compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ctrain.domain import RejectedLine
from ctrain.errors import InputError
from ctrain.sources.formats import FileFormat, format_of
from ctrain.sources.texts import batch_with_utf8

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
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    on_rejected: Callable[[RejectedLine], None] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file in batches of one schema; memory does not grow with the file.

    Types of texts are the narrowest that hold all values of a column: integers, numbers, booleans,
    dates, instants or texts. Lines that are no rows are handed to ``on_rejected`` and left out.

    Raises
    ------
    InputError
        when the file cannot be read, or a line of it without ``on_rejected``; the message names it.
    """
    kind = _format(path)
    try:
        if kind.kind == "parquet":
            yield from _parquet(path, columns, batch_rows)
        else:
            yield from _texts(path, kind, columns, on_rejected)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as {kind.kind}: {error}") from error


def _texts(
    path: Path,
    kind: FileFormat,
    columns: Sequence[str] | None,
    on_rejected: Callable[[RejectedLine], None] | None,
) -> Iterator[pa.RecordBatch]:
    # what reads texts would cost a comparison of Parquet files a multiple of its own time to import
    from ctrain.sources.streams import FileChanged
    from ctrain.sources.whole_texts import WholeText

    try:
        yield from WholeText(path, kind, columns, on_rejected).batches()
    except FileChanged as error:
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
    batches = file.iter_batches(batch_size=rows, columns=list(columns) if columns is not None else None)
    yield from map(batch_with_utf8, batches)
