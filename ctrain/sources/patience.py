"""How long files that are not whole are waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.sources.inspection import PATIENCE_READS

if TYPE_CHECKING:
    from ctrain.ports import Timer

LAST_LINE_SECONDS = 600.0
"""A last line without its newline is taken for whole when the file has not changed for so long."""


@dataclass(slots=True)
class _Wait:
    stat: str
    since: float
    reads: int = 0


class Patience:
    """Counts the reads that found a file as it was, and the time."""

    def __init__(self, timer: Timer | None, seconds: float) -> None:
        self._timer = timer
        self._seconds = seconds
        self._waits: dict[str, _Wait] = {}

    def is_over(self, name: str, stat: str, changed_at: float) -> bool:
        """Count one more read of an unchanged file; True when it has been the same for long enough.

        ``changed_at`` is what the file system says; files that nobody has touched for long need no
        watching. Without a timer the reads alone count.
        """
        now = self._timer.monotonic() if self._timer else 0.0
        wait = self._waits.get(name)
        if wait is None or wait.stat != stat:
            wait = self._waits[name] = _Wait(stat, now)
        wait.reads += 1
        if self._timer is None:
            return wait.reads >= PATIENCE_READS
        if self._timer.now().timestamp() - changed_at >= self._seconds:
            return True
        return wait.reads >= PATIENCE_READS and now - wait.since >= self._seconds

    def forget(self, name: str) -> None:
        self._waits.pop(name, None)
