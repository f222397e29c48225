"""Folders and files that no other user of the machine can read.

What is made here is its owner's alone. What was there before loses what everybody may do; what its group
may do was somebody's decision and stays.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ctrain.errors import InputError

OTHERS = stat.S_IRWXO


def make_private_folder(folder: Path) -> None:
    """Make the folder, and those above it that are missing, for this user alone.

    Raises
    ------
    InputError
        when it cannot be made, is a file, or one that everybody may write to, such as ``/tmp``.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            file = folder if folder.exists() else folder.parent
            raise InputError(f"{folder}: cannot be created: {file} is a file") from None
        found = folder.stat()
        if found.st_mode & stat.S_ISVTX and found.st_mode & stat.S_IWOTH:
            raise InputError(f"{folder}: every user may write there; name a folder of its own") from None
        _close_to_others(folder, found)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created: {error.strerror}") from error


def make_private_file(file: Path) -> None:
    """Make the file, empty, for this user alone; one that is there keeps its content."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _close_to_others(file, file.stat())


def _close_to_others(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if mode & OTHERS and found.st_uid == os.geteuid():
        path.chmod(mode & ~OTHERS)
