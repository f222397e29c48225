"""One pushed batch as a file: written, made durable, shown under the name of its id, known again by it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain.pushes import PushedBatch
from ctrain.sources.fingerprints import stat_fingerprint
from ctrain.sources.parquet import open_parquet
from ctrain.sources.push_refusals import BadBatch, DiskFull, SpoolAway

SUFFIX = ".parquet"
SPARE_BYTES = 200 * 10**6
"""Left free on the disk, so that the daemon can read what is there."""
_ID, _DIGEST, _TAKING = b"ctrain.batch", b"ctrain.digest", b"ctrain.taking"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """A file of a spool as it lies there."""

    path: Path
    bytes: int
    written_at: datetime
    stat: str
    """As the daemon's ledger knows a file that has not been touched."""


def file_name(batch_id: str) -> str:
    """Return the name of the file that holds a batch: a hash, so that no id is a path.

    >>> file_name("../../etc/passwd")[:12], file_name("a")[-8:]
    ('3754d6cb3a38', '.parquet')
    """
    return hashlib.sha256(batch_id.encode()).hexdigest() + SUFFIX


class SpoolFiles:
    """What is done to the files of spools, step by step."""

    def write(self, table: pa.Table, batch_id: str, digest: str, path: Path) -> None:
        """Put a batch on the disk, where nobody reads it yet; it survives a loss of power.

        When it came is written to the nanosecond: of two labels of a row the one that came later counts.
        No two files have the same content: one whose id had been forgotten is no file that was read.

        Raises
        ------
        BadBatch, DiskFull, SpoolAway
            when it cannot be written; nothing is left of it.
        """
        metadata = {_ID: batch_id.encode(), _DIGEST: digest.encode(), _TAKING: uuid.uuid4().hex.encode()}
        try:
            with _told(path), path.open("xb") as file:
                pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
                file.flush()
                os.utime(file.fileno(), ns=(time.time_ns(), time.time_ns()))
                os.fsync(file.fileno())
        except pa.ArrowException as error:
            path.unlink(missing_ok=True)
            raise BadBatch(f"the rows cannot be kept: {error}") from None
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def publish(self, written: Path, path: Path) -> bool:
        """Show a batch to its reader; False when one of that name is there."""
        with _told(path):
            try:
                os.link(written, path)
            except FileExistsError:
                return False
        return True

    def settle(self, folder: Path) -> None:
        """Make what is shown in a folder survive a loss of power."""
        with _told(folder):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def require_room(self, folder: Path, needed_bytes: int) -> None:
        """Raise DiskFull unless so much can be written, and some room is left."""
        with _told(folder / "."):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        if free < needed_bytes + SPARE_BYTES:
            raise DiskFull(f"{folder}: {free // 10**6} MB are free: too little to take more in")

    def delete(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def read_label(path: Path) -> PushedBatch | None:
    """Return id and digest of the batch in a file; None when there is no such file.

    Raises
    ------
    SpoolAway
        when it is none of ours.
    """
    try:
        with path.open("rb") as file:
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            parquet = pq.ParquetFile(file)
            found = parquet.schema_arrow.metadata or {}
            return PushedBatch(
                found[_ID].decode(), found[_DIGEST].decode(), parquet.metadata.num_rows, written
            )
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise SpoolAway(f"{path}: no batch that was pushed: {error}") from error


def content_of(path: Path) -> str:
    """Return by what the daemon's ledger knows a file beside its name; empty when there is no such file."""
    try:
        return open_parquet(path).content
    except FileNotFoundError:
        return ""


def entries(folder: Path) -> Iterator[SpoolEntry]:
    """Yield the files in a folder of a spool."""
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for one in found:
            with suppress(FileNotFoundError):  # taken away meanwhile
                look = one.stat(follow_symlinks=False)
                if stat.S_ISREG(look.st_mode):
                    written = datetime.fromtimestamp(look.st_mtime, UTC)
                    yield SpoolEntry(Path(one.path), look.st_size, written, stat_fingerprint(look))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Around what touches the disk: what it says, as errors of ours."""
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno in _FULL else SpoolAway
        raise kind(f"{path.parent}: the batch cannot be written: {error.strerror or error}") from error
