"""The daemon: policies under watch, an HTTP server, one lease on the database, signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.auditing import HEADS_EVERY, HeadKeeper
from ctrain.app.faltering import Faltering
from ctrain.app.lease import LEASE, Lease
from ctrain.app.memory import RELEASE_SECONDS, release_memory
from ctrain.app.noticing import open_notices
from ctrain.app.reload import PolicyFiles, Reloader
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.app.wiring import Shell, close_shell, watch_policy
from ctrain.domain import PolicyName
from ctrain.errors import CtrainError, StateConflict
from ctrain.policy.files import parse_policy
from ctrain.registry.embedded import embedded_tracking_uri

if TYPE_CHECKING:
    from ctrain.domain import Run
    from ctrain.engine.watch import Watch
    from ctrain.policy.files import LoadedPolicy
    from ctrain.web import Exposition


RELOAD_INTERVAL = timedelta(seconds=5)
STOP_PATIENCE = timedelta(seconds=5)


class Daemon:
    """A running ctrain: policies under watch, an HTTP server, one lease."""

    def __init__(
        self,
        shell: Shell,
        fleet: Sequence[LoadedPolicy],
        paths: Sequence[Path],
        listen: str,
        exposition: Exposition,
    ) -> None:
        self._paths = list(paths)
        self._shell = shell
        self._exposition = exposition
        self._fleet = list(fleet)
        self._listen = listen
        self._stopping = threading.Event()
        self._token = 0
        self._lost_to: str | None = None
        self._lease = Lease(shell.store, shell.timer, shell.settings.lease)

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; everything under way is left so that it can go on.

        Raises
        ------
        StateConflict
            when another daemon watches this database, or has taken over.
        """
        try:
            with self._stopped_by_signals(), self._leased() as token:
                self._token = token
                self._serve()
        finally:
            close_shell(self._shell)
        if self._lost_to is not None:
            raise StateConflict(f"another daemon ({self._lost_to}) has taken over this database")

    def stop(self) -> None:
        self._stopping.set()

    @contextmanager
    def _leased(self) -> Iterator[int]:
        token = self._lease.acquire()
        if token is None:
            raise StateConflict(
                f"another daemon ({self._lease.other()}) watches this database; "
                f"stop it; if it died on another machine, "
                f"wait {self._shell.settings.lease.total_seconds():.0f} s"
            )
        try:
            yield token
        finally:
            self._lease.release()

    def _serve(self) -> None:
        from ctrain.web import serve

        shell = self._shell
        watches = {one.name: one for one in self._open_watches()}
        rhythm = Rhythm(tick=shell.settings.tick, lease=shell.settings.lease)
        loop = TickLoop(watches, shell.clock, shell.timer, shell.telemetry, rhythm, Faltering(shell.timer))
        reloader = Reloader(
            PolicyFiles(self._paths),
            loop,
            shell.store,
            shell.telemetry,
            lambda loaded: watch_policy(shell, loaded, (LEASE, self._token)),
        )
        server = serve(self._listen, self._exposition, loop)
        shell.telemetry.gauge("leader", 1.0)
        shell.telemetry.gauge("config_last_reload_successful", 1.0)
        shell.telemetry.log(
            "started",
            policies=sorted(watches),
            listen=server.address,
            home=str(shell.settings.home),
            mlflow=shell.settings.tracking_uri or embedded_tracking_uri(shell.settings.home),
        )
        notices = open_notices(shell, lambda: loop.watched)
        loop.start()
        notices.start()
        loop.every(shell.settings.lease / 3, lambda: self._renew(loop))
        reloader.leave(watches.keys() - {PolicyName(one.policy.policy) for one in self._fleet})
        loop.every(min(shell.settings.tick, RELOAD_INTERVAL), reloader.look)
        loop.every(timedelta(seconds=RELEASE_SECONDS), release_memory)
        heads = HeadKeeper(shell.settings.home, shell.store, shell.telemetry)
        heads.keep()
        loop.every(HEADS_EVERY, heads.keep)
        try:
            self._stopping.wait()
        finally:
            shell.telemetry.log("stopping")
            self._stop(loop)
            heads.keep()
            notices.stop()
            server.close()
            shell.telemetry.log("stopped")

    def _stop(self, loop: TickLoop) -> None:
        """Let the ticks under way finish, but not wait for a registry that does not answer."""
        interrupt = getattr(self._shell.registry, "interrupt", lambda: None)
        patience = threading.Timer(STOP_PATIENCE.total_seconds(), interrupt)
        patience.start()
        loop.stop()
        patience.cancel()

    def _open_watches(self) -> Iterator[Watch]:
        """Every policy of the fleet, and policies without a file whose run is half done."""
        shell = self._shell
        for loaded in self._fleet:
            yield watch_policy(shell, loaded, (LEASE, self._token))
        present = {loaded.policy.policy for loaded in self._fleet}
        with shell.store.read() as tx:
            runs = [tx.active_run(name) for name in tx.policies() if name not in present]
        for run in runs:
            if run is not None:
                yield from self._open_leftover(run)

    def _open_leftover(self, run: Run) -> Iterator[Watch]:
        """The policy of a run by its snapshot; nothing when that cannot be used any more."""
        try:
            loaded = parse_policy(run.policy_text, Path(run.policy_path), os.environ)
            yield watch_policy(self._shell, loaded, (LEASE, self._token))
        except CtrainError as error:
            self._shell.telemetry.log(
                "snapshot_unreadable",
                policy=run.policy,
                run=run.id,
                phase=run.phase.value,
                message=str(error),
            )

    def _renew(self, loop: TickLoop) -> None:
        token = self._lease.acquire()
        if token is not None and token != self._token:
            self._shell.telemetry.log("lease_won_again", token=token)
            self._token = token
            loop.hold(token)
        if token is None:
            self._lost_to = self._lease.other() or "unknown"
            self._shell.telemetry.gauge("leader", 0.0)
            self._shell.telemetry.log("lease_lost", holder=self._lost_to)
            self._stopping.set()

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, lambda *_: self._stopping.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
