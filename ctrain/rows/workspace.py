"""Folders of runs and scoring jobs: the tables that children read, and what they answer."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import TransientError

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.domain import RunId


ROW_GROUP = 1 << 20
"""Rows."""
RETRY_IN = timedelta(minutes=1)


class FolderWorkspace:
    """A ``Workspace`` in a folder of the home; files appear under their name only when whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, run_id: RunId, attempt: int) -> str:
        path = self._root / run_id / f"attempt-{attempt}"
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def write(self, owner: str, name: str, table: pa.Table) -> str:
        import pyarrow.parquet as pq

        path = self._root / owner / name
        partial = _partial(path)
        with _written_whole(partial):
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(partial, table.schema, compression="zstd") as writer:
                for start in range(0, max(table.num_rows, 1), ROW_GROUP):
                    # Pages end where chunks do: in one piece the same rows are the same bytes.
                    writer.write_table(table.slice(start, ROW_GROUP).combine_chunks(), ROW_GROUP)
            os.replace(partial, path)
        return str(path)

    def path(self, owner: str, name: str) -> str:
        folder = self._root / owner
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder / name)

    def read(self, path: str) -> pa.Table | None:
        import pyarrow.parquet as pq

        return pq.ParquetFile(path).read() if Path(path).exists() else None

    def place(self, path: str, folder: str, name: str) -> None:
        target = Path(folder) / name
        if target.exists():
            return
        try:
            os.link(path, target)
        except OSError:
            partial = _partial(target)
            with _written_whole(partial):
                shutil.copyfile(path, partial)
                os.replace(partial, target)

    def digest(self, path: str) -> str:
        place = Path(path)
        if place.is_file():
            return _file_digest(place)
        if not place.is_dir():
            return ""
        total = hashlib.sha256()
        for file in _python_files(place):
            total.update(f"{file.relative_to(place).as_posix()}\0{_file_digest(file)}\n".encode())
        return total.hexdigest()

    def remove(self, owner: str) -> None:
        shutil.rmtree(self._root / owner, ignore_errors=True)


def _partial(path: Path) -> Path:
    """Where to write what is to be at ``path``; a daemon that was overtaken may still write it, too."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


@contextmanager
def _written_whole(partial: Path) -> Iterator[None]:
    """Leave nothing half written behind; raises TransientError when the disk is full or does not answer."""
    try:
        yield
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TransientError(f"{partial.parent}: a table cannot be written: {error}", RETRY_IN) from error


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    """Python files of a folder and of its packages, in one order, but for hidden folders and environments.

    Below a folder that has none nothing is looked for: data beside a policy may be millions of files.
    """
    for place, folders, names in os.walk(folder):
        here = Path(place)
        found = sorted(name for name in names if name.endswith(".py"))
        folders[:] = sorted(
            one
            for one in folders
            if not one.startswith((".", "__pycache__")) and not (here / one / "pyvenv.cfg").exists()
        )
        if not found and here != folder:
            folders.clear()
        yield from (here / name for name in found)
