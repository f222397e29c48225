"""Files that end the process that reads them: none does so twice.

A file that is damaged, or made to, can end a process inside of Arrow's code, without an exception. While a
source reads a file its path stands in a mark; a mark that is left tells whoever reads the source next what
was being read when the process ended, for whatever reason. That file is read in a child first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctrain.children import child_environment
from ctrain.domain import Json

TRIAL_SECONDS = 120.0
END = b"\0"
"""Ends a path in a mark; what stands behind it is of an earlier one."""


def try_in_child(path: str, asked: Json) -> str:
    """How a process ends that reads the whole file; empty when it lives on, or takes too long.

    ``asked`` is what the source is opened with: ``columns``, ``declared`` and ``types``.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "ctrain.sources.trial"],
            input=json.dumps({"path": path, **asked}).encode(),
            env=child_environment(os.environ, tracking_uri="", threads=1),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return f"signal {-ended.returncode}" if ended.returncode < 0 else ""


class Perils:
    """The mark of one source; without a place for it nothing is remembered."""

    def __init__(self, mark: Path | None = None, trial: Callable[[str, Json], str] = try_in_child) -> None:
        self._mark = mark
        self._trial = trial
        self._suspect = _left_in(mark)

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Leave a mark for as long as the file is read."""
        if self._mark is None:
            yield
            return
        self._write(self._mark, os.fsencode(path))
        try:
            yield
        finally:
            self._write(self._mark, b"")

    @staticmethod
    def _write(mark: Path, path: bytes) -> None:
        """Write over what stands there: a file that is truncated waits for the disk."""
        with suppress(OSError):  # a full disk must not keep rows from being read
            opened = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(opened, path + END)
            finally:
                os.close(opened)

    def of(self, path: str, asked: Json) -> str:
        """By what reading the file would end this process; empty: by nothing, as far as is known."""
        if path != self._suspect:
            return ""
        self._suspect = ""
        return self._trial(path, asked)


def _left_in(mark: Path | None) -> str:
    if mark is None:
        return ""
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        return os.fsdecode(mark.read_bytes().partition(END)[0])
    except OSError:
        return ""
