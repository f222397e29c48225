"""One Parquet file as it lies there: whether it is whole, what it holds, and its rows."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

WHOLE_BYTES = 64 * 2**20
"""Up to this size the whole content is hashed and held while it is read; beyond, both ends are hashed."""
_MAGIC = b"PAR1"
_THREADED_ROWS = 50_000
MOST_GROUP_BYTES = 4 * 2**30
"""Memory that the columns of a row group may take when they are read."""
_VALUE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file cannot be read, as it is now."""

    reason: Literal["truncated", "not_parquet", "unreadable", "damaged", "bad_header"]
    message: str
    content: str = "        "


@dataclass(frozen=True, slots=True)
class ParquetContent:
    """An open file whose footer is valid."""

    content: str
    file: pq.ParquetFile
    bytes: int

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def read(self, columns: Sequence[str], offset: int, limit: int) -> pa.Table:
        """Return the rows from ``offset`` to the end of the row group that reaches ``limit`` rows.

        Raises
        ------
        pyarrow.ArrowException, OSError
            when a page is damaged.
        """
        metadata = self.file.metadata
        groups, skipped, covered = [], 0, 0
        for index in range(metadata.num_row_groups):
            rows = metadata.row_group(index).num_rows
            if covered + rows <= offset:
                skipped += rows
            elif covered < offset + limit:
                groups.append(index)
            covered += rows
        for index in groups:
            self._refuse_bomb(index, columns)
        threads = sum(metadata.row_group(index).num_rows for index in groups) >= _THREADED_ROWS
        table = self.file.read_row_groups(groups, columns=list(columns), use_threads=threads)
        return table.slice(offset - skipped)

    def _refuse_bomb(self, index: int, columns: Sequence[str]) -> None:
        """Raise ArrowInvalid when a row group says itself that it takes more memory than there may be.

        A few bytes of Parquet can stand for billions of equal values.
        """
        group = self.file.metadata.row_group(index)
        chunks = [group.column(at) for at in range(group.num_columns)]
        paths = [_path_of(one) for one in chunks]
        if None in paths:
            raise pa.ArrowInvalid(f"row group {index} names a column that is not UTF-8 text")
        asked = [
            one for one, path in zip(chunks, paths, strict=True) if path and _is_asked_for(path, columns)
        ]
        needed = sum(_VALUE_BYTES * one.num_values + one.total_uncompressed_size for one in asked)
        if needed > MOST_GROUP_BYTES:
            raise pa.ArrowInvalid(
                f"row group {index} of {group.num_rows} rows takes {needed} bytes of memory, more than "
                f"{MOST_GROUP_BYTES}: write smaller row groups"
            )

    def first_event(self, path: str) -> int | None:
        """Return the least value of a time column in microseconds, when the footer tells it."""
        metadata = self.file.metadata
        instants = []
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            chunks = (group.column(at) for at in range(group.num_columns))
            chunk = next((one for one in chunks if _path_of(one) == path), None)
            instant = _least(chunk) if chunk is not None and chunk.is_stats_set else None
            if instant is None:
                return None
            instants.append(instant)
        return min(instants, default=None)


def _path_of(chunk: Any) -> str | None:
    """The path of a column in a row group; None when it is no text."""
    try:
        return str(chunk.path_in_schema)
    except UnicodeDecodeError:
        return None


def _is_asked_for(path: str, columns: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in columns)


def open_parquet(path: Path) -> ParquetContent | Fault:
    """Open a file; what is read later is what was hashed here, unless the file is very large.

    Raises
    ------
    FileNotFoundError
        when the file has gone.
    """
    try:
        with path.open("rb") as stream:
            return _open(path, stream)
    except FileNotFoundError:
        raise
    except OSError as error:
        return Fault("unreadable", f"the file cannot be read ({error.strerror or error})")


def _open(path: Path, stream: BinaryIO) -> ParquetContent | Fault:
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(min(size, WHOLE_BYTES))
    ends = [head]
    if size > WHOLE_BYTES:
        stream.seek(-WHOLE_BYTES // 2, os.SEEK_END)
        ends.append(stream.read(WHOLE_BYTES // 2))
    digest = hashlib.blake2b(digest_size=6)
    digest.update(str(size).encode())
    for part in ends:
        digest.update(part)
    content = b64encode(digest.digest()).decode()
    if head[:4] != _MAGIC[: len(head)]:
        return Fault("not_parquet", "the file is not Parquet", content)
    name: Any = os.fsencode(path)  # the stubs know names that are texts only
    try:
        source = pa.BufferReader(head) if size <= WHOLE_BYTES else pa.OSFile(name, "r")
        return ParquetContent(content, pq.ParquetFile(source), size)
    except (pa.ArrowException, OSError):
        return Fault("truncated", "the file has no footer: it is being written or was cut off", content)
    except UnicodeDecodeError:
        return Fault("damaged", "the footer is damaged: a column's name is not UTF-8 text", content)


def _least(chunk: Any) -> int | None:
    """The least instant that the statistics of a column tell; None for one that means nothing."""
    statistics = chunk.statistics
    try:
        return _microseconds(statistics.min) if statistics.has_min_max else None
    except (OverflowError, UnicodeDecodeError):
        return None


def _microseconds(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1e6)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)) // timedelta(microseconds=1)
    return None
