"""Folders that are thrown away at the end of their program, or by the next one when it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK, TAKING = ".in-use", ".taking"


@contextmanager
def throwaway_folder(prefix: str, parent: str | None = None) -> Iterator[Path]:
    """A temporary folder; those of this prefix that killed programs of this user left are removed first.

    A lock on a file in it, which ends with its program, tells whether it is in use.
    """
    sweep(prefix, Path(parent or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / TAKING).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / TAKING).rename(folder / LOCK)  # others see no lock that is not held yet
            yield folder


def sweep(prefix: str, parent: Path) -> None:
    """Remove the folders of this prefix that nobody uses any more."""
    for folder in parent.glob(f"{prefix}*"):
        if _is_left_over(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left_over(folder: Path) -> bool:
    """Ours, with a lock that nobody holds; one without is just being made."""
    try:
        if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
            return False
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False
