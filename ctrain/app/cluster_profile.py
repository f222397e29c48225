"""Files that are read by the workers of a dask cluster, part by part, with the same result as here.

The parts are those of ``TableFiles``, and so is what is made of them: what a worker is told is which row
groups of which files to read, and what comes back is what their values come to. Workers pass each other the
findings of parts; rows go nowhere. A part whose worker is lost is read again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from ctrain.app.scanning import ColumnReader, Part, Scan, TableFiles, read_footer
from ctrain.errors import CtrainError, InputError

if TYPE_CHECKING:
    from distributed import Client

COLUMNS_TOGETHER = 8
"""Of one task; what it finds in them stays together."""
_R = TypeVar("_R")


@dataclass(frozen=True)
class ClusterFiles(TableFiles):
    """Parquet files that a cluster reads; the workers see them under the same paths."""

    client: Client | None = field(default=None, compare=False)

    @classmethod
    def on(cls, client: Client, files: TableFiles) -> ClusterFiles:
        """Return the files for a cluster; raises InputError for other files than Parquet."""
        if not files.in_parts:
            raise InputError("only Parquet files are read by a cluster")
        return cls(tuple(path.absolute() for path in files.paths), client)

    def consume(self, columns: Sequence[str], scan: Scan[_R]) -> dict[str, _R]:
        """Return for each column what ``scan`` comes to.

        Raises
        ------
        InputError
            when a worker cannot read a file, or sees another one under its name.
        CtrainError
            when the cluster is gone, or lost a part again and again.
        """
        assert self.client is not None
        if not columns:
            return {}
        told = self.client.submit(_told, scan, pure=False)
        merged = []
        for start in range(0, len(columns), COLUMNS_TOGETHER):
            names = tuple(columns[start : start + COLUMNS_TOGETHER])
            found = self.client.map(
                scan_part, self.parts, columns=names, scan=told, strings=self._strings, pure=False
            )
            merged.append(self.client.submit(merge_parts, told, names, found, pure=False))
        with told_apart(self.client):
            gathered: list[dict[str, _R]] = self.client.gather(merged)
        return {name: found for part in gathered for name, found in part.items()}

    @property
    def _strings(self) -> frozenset[str]:
        return frozenset(one.name for one in self.schema if pa.types.is_string(one.type))


@contextlib.contextmanager
def told_apart(client: Client) -> Iterator[None]:
    """Raise our own errors as they are, and those of dask as CtrainError."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    place = client.scheduler.address if client.scheduler is not None else "the cluster"
    try:
        yield
    except KilledWorker as error:
        raise CtrainError(f"{place}: worker after worker was lost; is there enough memory?") from error
    except (FutureCancelledError, CommClosedError, TimeoutError) as error:
        raise CtrainError(f"{place}: the scheduler was lost; nothing has been written") from error


@contextlib.contextmanager
def cluster_at(address: str) -> Iterator[Client]:
    """A client of the cluster; raises CtrainError when it cannot be reached, or could not do the work.

    ``tls://`` takes its certificates from dask's own configuration.
    """
    from ctrain.launchers.dask_agent import connect
    from ctrain.launchers.dask_versions import unfit

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is lost is told once, by us
    try:
        client = connect({"address": address, "certificate": "", "key": ""}, direct=True)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise CtrainError(f"the scheduler {address} cannot be reached: {error}") from error
    try:
        if found := unfit(client):
            raise CtrainError("\n".join(map(str, found)))
        yield client
    finally:
        client.close(timeout=2.0)


def scan_part(
    part: Part, *, columns: Sequence[str], scan: Scan[Any], strings: frozenset[str]
) -> dict[str, Any]:
    """Return what a scan finds in some columns of a part; run by workers."""
    footers = {Path(piece.path): _same_file(piece.path, piece.size_bytes) for piece in part.pieces}
    reader = ColumnReader(footers, strings.intersection(scan.dictionaries))
    return {name: reader.scan(part, name, scan) for name in columns}


def merge_parts(scan: Scan[_R], columns: Sequence[str], found: Sequence[Mapping[str, Any]]) -> dict[str, _R]:
    """Return what all parts come to; run by one worker, which is given what the others found."""
    return {name: scan.merge(name, [part[name] for part in found]) for name in columns}


def _told(scan: Scan[Any]) -> Scan[Any]:
    """What all tasks are told: told once, and made again when the worker that holds it is lost."""
    return scan


def _same_file(path: str, size_bytes: int) -> Any:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path}: a worker does not see it: {error.strerror}") from error
    if found.st_size != size_bytes:
        raise InputError(f"{path}: a worker sees another file, or it changed while it was read")
    return _footer(path, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _footer(path: str, changed_at: int) -> Any:  # noqa: ARG001 - another time is another file
    return read_footer(Path(path))
