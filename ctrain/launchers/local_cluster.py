"""The dask cluster of this machine: a child (``ctrain.launchers.dask_local``) that a daemon keeps running."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence

from ctrain.children import ChildGone, LineChild
from ctrain.domain import Json
from ctrain.ports import Timer

ONE_TRAINING = {"train": 1.0}
"""Of dask's resources: each worker has it."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""Before a cluster that keeps ending is started again."""


class LocalDask:
    """The cluster of this machine; ends with this process, and is started again when it is gone.

    One that ended is started again at once if it had come up, then after pauses that double: a machine on
    which no cluster comes up is not kept busy with trying.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], timer: Timer) -> None:
        self._command = list(command)
        self._environ, self._timer = dict(environ), timer
        self._lock = threading.RLock()
        self._child: LineChild | None = None
        self._told: Json | None = None
        self._closed = False
        self._pause_seconds = 0.0
        self._retry_at = float("-inf")
        self._trouble = ""

    @classmethod
    def of(cls, workers: int, environ: Mapping[str, str], timer: Timer) -> LocalDask:
        """A cluster of so many workers."""
        command = [sys.executable, "-P", "-m", "ctrain.launchers.dask_local", str(workers)]
        return cls(command, environ, timer)

    def place(self) -> Json | None:
        """Address and certificate; None while it starts. Raises ChildGone when it does not come up."""
        with self._lock:
            if self._child is None and not self._closed:
                if self._timer.monotonic() < self._retry_at:
                    raise ChildGone(self._trouble, taken=False)
                self._child = LineChild(
                    self._command, self._environ, on_message=self._on_message, on_exit=self._on_exit
                )
            return self._told

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            child, self._child, self._told = self._child, None, None
        if child is not None:
            child.kill()

    def _on_message(self, message: Json) -> None:
        with self._lock:
            self._told = message
            self._pause_seconds = 0.0

    def _on_exit(self) -> None:
        with self._lock:
            child, self._child, self._told = self._child, None, None
            words = child.last_words().splitlines() if child is not None else []
            self._trouble = f"the local cluster ended: {words[-1] if words else 'it said nothing'}"
            self._retry_at = self._timer.monotonic() + self._pause_seconds
            doubled = max(FIRST_PAUSE_SECONDS, 2 * self._pause_seconds)
            self._pause_seconds = min(doubled, LONGEST_PAUSE_SECONDS)
