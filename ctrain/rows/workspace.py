"""Folders of runs and scoring jobs: the tables that children read, and what they answer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.domain import RunId


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
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        pq.write_table(table, partial, compression="zstd")
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
            partial = target.with_name(f".{name}.partial")
            shutil.copyfile(path, partial)
            os.replace(partial, target)

    def remove(self, owner: str) -> None:
        shutil.rmtree(self._root / owner, ignore_errors=True)
