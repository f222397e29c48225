"""Reloads that somebody asks for: by SIGHUP one daemon reads its policy files, by the API every daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ctrain.domain.pushes import ReloadOutcome
from ctrain.errors import CtrainError

if TYPE_CHECKING:
    from ctrain.ports import Store, Telemetry, Timer


class ReloadRequests:
    """Takes what is asked for, from any thread; looks are made one at a time.

    ``look`` reads the files, or looks whether they have changed, as ``again`` was called before or not; it
    returns what is wrong with them.
    """

    def __init__(
        self,
        store: Store,
        timer: Timer,
        telemetry: Telemetry,
        daemon: str,
        look: Callable[[], str],
        again: Callable[[], None],
    ) -> None:
        self._store = store
        self._timer = timer
        self._telemetry = telemetry
        self._daemon = daemon
        self._look = look
        self._again = again
        self._lock = threading.Lock()
        self._answered = self._newest()
        """What was asked before this daemon began was done when it began."""

    def look(self) -> None:
        """Look at the files; read them when somebody has asked for it, and put on record what came of it."""
        with self._lock:
            asked = self._asked()
            if asked is None:
                self._look()
                return
            number, actor = asked
            problem = self._reload(actor)
            outcome = ReloadOutcome(self._daemon, not problem, problem, self._timer.now())
            with self._store.write() as tx:
                tx.save_reload_outcome(number, outcome)
            self._answered = number

    def hang_up(self) -> None:
        """Read the files now, in a thread of its own: called by the handler of a signal."""
        threading.Thread(target=self._hung_up, name="reload", daemon=True).start()

    def _hung_up(self) -> None:
        try:
            with self._lock:
                self._reload("SIGHUP")
        except CtrainError as error:
            self._telemetry.log("reload_failed", message=str(error))

    def _reload(self, actor: str) -> str:
        self._telemetry.log("reload_asked", actor=actor)
        self._again()
        return self._look()

    def _asked(self) -> tuple[int, str] | None:
        with self._store.read() as tx:
            newest = tx.newest_reload()
        if newest is None or newest.number <= self._answered:
            return None
        return newest.number, newest.actor

    def _newest(self) -> int:
        with self._store.read() as tx:
            newest = tx.newest_reload()
        return newest.number if newest is not None else 0
