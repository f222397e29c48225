"""The daemon: policies under watch, an HTTP server, one lease on the database, signals."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctrain.app.ticks import LEASE, Lease, Rhythm, TickLoop
from ctrain.app.wiring import Shell, close_shell, watch_policy
from ctrain.domain import PolicyName
from ctrain.errors import StateConflict

if TYPE_CHECKING:
    from ctrain.policy.files import LoadedPolicy
    from ctrain.web import Exposition


class Daemon:
    """A running ctrain: policies under watch, an HTTP server, one lease."""

    def __init__(
        self, shell: Shell, fleet: Sequence[LoadedPolicy], listen: str, exposition: Exposition
    ) -> None:
        self._shell = shell
        self._exposition = exposition
        self._fleet = list(fleet)
        self._listen = listen
        self._stopping = threading.Event()
        holder = f"{socket.gethostname()}:{os.getpid()}"
        self._lease = Lease(shell.store, shell.timer, holder, shell.settings.lease)

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; everything under way is left so that it can go on.

        Raises
        ------
        StateConflict
            when another daemon watches this database.
        """
        with self._leased() as token:
            self._serve(token)

    def stop(self) -> None:
        self._stopping.set()

    @contextmanager
    def _leased(self) -> Iterator[int]:
        token = self._lease.acquire()
        if token is None:
            raise StateConflict(
                f"another daemon ({self._lease.other()}) watches this database; "
                f"stop it, or wait {self._shell.settings.lease.total_seconds():.0f} s after it died"
            )
        try:
            yield token
        finally:
            self._lease.release()

    def _serve(self, token: int) -> None:
        from ctrain.web import serve

        shell = self._shell
        watches = {
            PolicyName(one.policy.policy): watch_policy(shell, one, (LEASE, token)) for one in self._fleet
        }
        rhythm = Rhythm(tick=shell.settings.tick, lease=shell.settings.lease)
        loop = TickLoop(watches, shell.clock, shell.timer, shell.telemetry, rhythm)
        server = serve(self._listen, self._exposition, loop)
        shell.telemetry.gauge("leader", 1.0)
        shell.telemetry.gauge("config_last_reload_successful", 1.0)
        shell.telemetry.log(
            "started", policies=sorted(watches), listen=server.address, home=str(shell.settings.home)
        )
        self._stop_on_signals()
        loop.start()
        loop.every(shell.settings.lease / 3, self._renew)
        try:
            self._stopping.wait()
        finally:
            loop.stop()
            server.close()
            close_shell(shell)
            shell.telemetry.log("stopped")

    def _renew(self) -> None:
        if self._lease.acquire() is None:
            self._shell.telemetry.log("lease_lost", holder=self._lease.other())
            self._stopping.set()

    def _stop_on_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stopping.set())
