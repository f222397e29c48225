"""Tells of policies whose ticks fail: once for each time of trouble, and when it is over.

A single fault is none: the next tick comes soon. Nothing here raises, and nothing but trouble costs a query.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ctrain.engine.troubles import TICK_FAILED, TICK_RECOVERED, begin_trouble, end_trouble
from ctrain.errors import CtrainError

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.ports import Timer

PATIENCE_SECONDS = 60.0
"""Of trouble before it is told."""


class Faltering:
    """Remembers since when the ticks of each policy fail."""

    def __init__(self, timer: Timer, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._timer = timer
        self._patience_seconds = patience_seconds
        self._since: dict[PolicyName, float] = {}
        self._well: set[PolicyName] = set()
        self._lock = threading.Lock()

    def failed(self, watch: Watch, kind: str, message: str) -> None:
        """A tick of the policy failed."""
        now = self._timer.monotonic()
        with self._lock:
            since = self._since.setdefault(watch.name, now)
            self._well.discard(watch.name)
        if now - since >= self._patience_seconds:
            # The first line says what it is; the rest may differ each time.
            self._record(watch, f"{kind}: {message.partition(chr(10))[0]}")

    def succeeded(self, watch: Watch) -> None:
        """A tick of the policy went through: the first one after a start or a trouble ends what is told."""
        with self._lock:
            self._since.pop(watch.name, None)
            if watch.name in self._well:
                return
            self._well.add(watch.name)
        try:
            end_trouble(watch, TICK_FAILED, TICK_RECOVERED, "the policy is looked after again")
        except CtrainError as error:
            with self._lock:
                self._well.discard(watch.name)
            watch.telemetry.log("trouble_record_failed", policy=watch.name, message=str(error))

    def forget(self, name: PolicyName) -> None:
        """Nobody looks after the policy here any more: another daemon may begin or end its trouble."""
        with self._lock:
            self._since.pop(name, None)
            self._well.discard(name)

    def _record(self, watch: Watch, message: str) -> None:
        try:
            begin_trouble(watch, TICK_FAILED, TICK_RECOVERED, message, but_for_numbers=True)
        except CtrainError as error:
            watch.telemetry.log("trouble_record_failed", policy=watch.name, message=str(error))
