"""Files that appear whole, and the lock that says a job's process lives."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

LOCK_PATIENCE_SECONDS = 2.0
"""The launcher looks at the lock for a moment, too; only a lock that stays taken belongs to a job."""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write atomically: a reader sees the old file or the whole new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w") as file:
        json.dump(content, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def take_lock(path: Path, patience_seconds: float = LOCK_PATIENCE_SECONDS) -> IO[bytes] | None:
    """The open lock file, held until this process ends; None when another process holds it.

    A POSIX record lock: processes that user code forks do not inherit it.
    """
    file = path.open("ab")
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(0.02)
        else:
            return file
