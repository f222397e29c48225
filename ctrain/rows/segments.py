"""Segments on disk: immutable Parquet files that appear whole, are durable, and are never changed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import PolicyName, Segment, SegmentKind, Version
from ctrain.errors import PermanentError, TransientError
from ctrain.turns import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

SPARE_BYTES = 100 * 10**6
"""Left free on the disk, so that the database can go on."""
MOST_ASIDE_BYTES = 256 << 20
"""Of rows that cannot be used, a day and policy; those beyond are counted and not kept."""
SMALL_ROWS = 1000
"""Below these, to compress a segment and to unpack it takes longer than everything else about it."""
_THREADED_ROWS = 50_000
_KINDS = tuple(SegmentKind)


class SegmentLost(PermanentError):
    """A segment that the database names has no file."""


class SegmentFolder:
    """The files of one policy's segments; paths in ``Segment`` are relative to ``root``."""

    def __init__(self, root: Path, policy: PolicyName) -> None:
        self._root = root
        self._policy = policy
        self._folder = root / policy
        self._written: list[Path] = []
        self._grown: set[Path] = set()
        """Folders with new entries."""

    def write(
        self,
        kind: SegmentKind,
        event_date: str,
        table: pa.Table,
        sequence: int,
        *,
        version: Version | None = None,
        folder: str = "",
    ) -> Segment:
        """Put a table on disk under a new name; ``flush`` makes it durable.

        Raises
        ------
        TransientError
            when the disk is full or cannot be written.
        """
        segment_id = uuid.uuid4().hex
        parts = [
            kind.value,
            *([version] if version is not None else []),
            event_date,
            *([folder] if folder else []),
        ]
        path = self._folder.joinpath(*parts, f"{segment_id}.parquet")
        self._put(table, path)
        return Segment(
            id=segment_id,
            policy=self._policy,
            kind=kind,
            event_date=event_date,
            path=path.relative_to(self._root).as_posix(),
            rows=table.num_rows,
            bytes=path.stat().st_size,
            sequence=sequence,
            model_version=version,
        )

    def set_aside(self, table: pa.Table, day: str, name: str) -> None:
        """Keep rows that cannot be used where a person finds them; the same name is overwritten.

        A day has room for so many of them: whoever sends nothing else fills no disk.
        """
        folder = self._folder / "rejected" / day
        if _bytes_in(folder) < MOST_ASIDE_BYTES:
            self._put(table, folder / f"{name}.parquet")

    def read(self, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a segment; SegmentLost when it is not there."""
        path = self._root / segment.path
        try:
            file = pq.ParquetFile(path)
        except FileNotFoundError:
            raise SegmentLost(
                f"{path}: the database names this segment of the row log, and it is not there; "
                f"was the database restored, but not {self._root} of that time beside it?"
            ) from None
        return file.read(
            columns=list(columns) if columns else None, use_threads=segment.rows >= _THREADED_ROWS
        )

    def flush(self) -> None:
        """Make everything written since the last flush survive a loss of power."""
        with waiting():
            for path in self._written:
                _sync(path)
            for folder in self._grown:
                if folder.is_dir():
                    _sync(folder)
        self._written.clear()
        self._grown.clear()

    def delete(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            path = self._root / segment.path
            path.unlink(missing_ok=True)
            self._remove_if_empty(path.parent)

    def delete_set_aside(self, before: str) -> None:
        """Delete what was set aside on days before ``before``."""
        rejected = self._folder / "rejected"
        for folder in sorted(rejected.iterdir()) if rejected.is_dir() else []:
            if folder.name < before:
                shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, kept: Iterable[Segment]) -> int:
        """Delete the files of segments that are not among ``kept``; return how many.

        ``kept`` is asked for when the files have been listed: one that comes later is nobody's orphan.
        Where one that is kept is not there, all files stay: they may be those of another database.
        """
        present = {path.relative_to(self._root).as_posix(): path for path in self._files()}
        names = {segment.path for segment in kept}
        if not all((self._root / name).exists() for name in names - present.keys()):
            return 0
        orphans = [present[name] for name in present.keys() - names]
        for path in orphans:
            path.unlink(missing_ok=True)
            self._remove_if_empty(path.parent)
        return len(orphans)

    def begin(self, needed_bytes: int, *, held: bool = False) -> None:
        """Begin the segments of one read; what an earlier one wrote and never flushed is an orphan.

        Unless it was ``held``: then it is flushed together with these.

        Raises
        ------
        TransientError
            unless so much can be written and some room is left.
        """
        if not held:
            self._written.clear()
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < needed_bytes + SPARE_BYTES:
            raise TransientError(
                f"{self._folder}: {free // 10**6} MB are free, "
                f"{(needed_bytes + SPARE_BYTES) // 10**6} MB are needed to take in rows",
                retry_in=timedelta(minutes=1),
            )

    def _put(self, table: pa.Table, path: Path) -> None:
        partial = path.with_name(f".{path.name}.partial")
        try:
            self._make_room_in(path.parent)
            pq.write_table(table, partial, **_options(table))
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise TransientError(
                f"{path.parent}: a segment cannot be written: {error}", timedelta(minutes=1)
            ) from error
        self._written.append(path)

    def _files(self) -> Iterator[Path]:
        for kind in _KINDS:
            yield from (path for path in (self._folder / kind.value).rglob("*") if path.is_file())

    def _make_room_in(self, folder: Path) -> None:
        """Create a folder when it is not there; remember which folders have to be made durable."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self._grown.update(one for one in folder.parents if one.is_relative_to(self._root))
        self._grown.add(folder)

    def _remove_if_empty(self, folder: Path) -> None:
        if folder != self._folder:
            with suppress(FileNotFoundError):  # a daemon that was overtaken may be at it, too
                if not any(folder.iterdir()):
                    folder.rmdir()


def _options(table: pa.Table) -> dict[str, Any]:
    """How to write a table: a small one, which is soon put together with others, as it is."""
    if table.num_rows < SMALL_ROWS:
        return {"compression": "none", "use_dictionary": False, "write_statistics": False}
    return {"compression": "zstd", "use_dictionary": _texts(table.schema)}


def _texts(schema: pa.Schema) -> list[str]:
    """Columns that gain from a dictionary: texts, but not ids."""
    return [field.name for field in schema if pa.types.is_string(field.type) and field.name != "row_id"]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes_in(folder: Path) -> int:
    """How large the files of a folder are; 0 when there is none."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except FileNotFoundError:
        return 0
