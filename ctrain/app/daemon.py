"""The daemon: policies under watch, an HTTP server, its leases, signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.auditing import HEADS_EVERY, HeadKeeper
from ctrain.app.faltering import Faltering
from ctrain.app.holdings import Heartbeat, Holdings
from ctrain.app.home import claim_home
from ctrain.app.lease import DaemonLeases, is_here
from ctrain.app.leftovers import Leftovers
from ctrain.app.memory import RELEASE_SECONDS, release_memory
from ctrain.app.noticing import open_notices
from ctrain.app.pushing import SWEEP_EVERY, SpoolKeeper
from ctrain.app.reload import PolicyFiles, Reloader
from ctrain.app.reload_asked import ReloadRequests
from ctrain.app.removing import tell_gone
from ctrain.app.sd_notify import ServiceState
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.app.watching import FolderWatch
from ctrain.app.wiring import Shell, close_shell, watch_policy
from ctrain.app.workers import NO_WORKERS
from ctrain.clocks import StreamClock
from ctrain.domain import PolicyName
from ctrain.errors import CtrainError
from ctrain.registry.embedded import embedded_tracking_uri
from ctrain.sources.push_contract import SpoolPlaces

if TYPE_CHECKING:
    from ctrain.app.web_child import Console, Serving
    from ctrain.app.workers import Workers
    from ctrain.policy.files import LoadedPolicy
    from ctrain.web import Exposition

RELOAD_INTERVAL = timedelta(seconds=5)
STOP_PATIENCE = timedelta(seconds=5)
BEATS = 4
"""In the length of a lease: so often it is prolonged, and so often policies are spread."""


class Daemon:
    """A running ctrain: its share of the policies under watch, an HTTP server, its leases."""

    def __init__(
        self,
        shell: Shell,
        fleet: Sequence[LoadedPolicy],
        paths: Sequence[Path],
        listen: str,
        exposition: Exposition,
        console: Console | None = None,
        workers: Workers = NO_WORKERS,
    ) -> None:
        """Without ``console`` the address answers with metrics and health alone."""
        self._console, self._workers = console, workers
        self._paths = list(paths)
        self._shell = shell
        self._exposition = exposition
        self._fleet = list(fleet)
        self._listen = listen
        self._stopping = threading.Event()
        self._holdings: Holdings | None = None
        self._hang_up: Callable[[], None] = lambda: None
        """What SIGHUP does; nothing before there is something to read again."""
        lease = shell.settings.lease
        self._leases = DaemonLeases(shell.store, lease)
        self._state = ServiceState(os.environ, shell.timer)
        self._heartbeat = Heartbeat(self._beat, lease.total_seconds() / BEATS, shell.telemetry)

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; everything under way is left so that it can go on.

        SIGHUP reads the policies again.

        Raises
        ------
        StateConflict
            when another daemon watches this database that cannot share it.
        InputError
            when the database belongs to another home, or ``listen`` cannot be used.
        """
        try:
            with self._stopped_by_signals(), self._registered():
                self._serve()
        finally:
            close_shell(self._shell)

    def stop(self) -> None:
        self._stopping.set()

    @contextmanager
    def _registered(self) -> Iterator[None]:
        """One of the daemons of the database; whatever it holds is given back at the end."""
        shell = self._shell
        claim_home(shell.settings, shell.store)
        self._leases.register(self._reason_to_stay_away)
        present = {PolicyName(one.policy.policy): one.path for one in self._fleet}
        tell_gone(shell.store, shell.clock, PolicyFiles(self._paths).folders, present)
        self._heartbeat.start()
        try:
            yield
        finally:
            self._end_leases()

    def _reason_to_stay_away(self, others: Collection[str]) -> str:
        """Why this daemon must not be there beside these others; empty when it may."""
        settings = self._shell.settings
        strangers = [one for one in others if not is_here(one)]
        if others and isinstance(self._shell.clock, StreamClock):
            other, why = min(others), "a home on the time of a stream has one daemon"
        elif strangers and settings.database_url.startswith("sqlite"):
            other, why = min(strangers), "a state in SQLite is for the daemons of one machine"
        elif strangers and settings.tracking_uri is None:
            other, why = min(strangers), "an embedded MLflow is for the daemons of one machine"
        else:
            return ""
        wait = settings.lease.total_seconds()
        return (
            f"another daemon ({other}) watches this database; stop it; "
            f"if it died on another machine, wait {wait:.0f} s ({why})"
        )

    def _beat(self) -> None:
        holdings = self._holdings
        if holdings is None:
            self._leases.beat(())
        else:
            holdings.beat()

    def _end_leases(self) -> None:
        """Give everything back at once: whoever else is there takes it without waiting."""
        self._heartbeat.stop()
        try:
            self._leases.end()
        except CtrainError as error:  # they run out
            self._shell.telemetry.log("leases_not_released", message=str(error))

    def _serve(self) -> None:
        """Watch the policies until ``stop``, and leave everything so that it can go on."""
        shell = self._shell
        rhythm = Rhythm(tick=shell.settings.tick, lease=shell.settings.lease)
        loop = TickLoop({}, shell.clock, shell.timer, shell.telemetry, rhythm, Faltering(shell.timer))
        holdings, reloads = self._take_policies(loop)
        server = self._open_server(loop)
        self._tell_started(loop, server.address)
        notices = open_notices(shell, lambda: loop.watched)
        loop.start()
        notices.start()
        folders = self._watch_folders(loop)
        loop.every(shell.settings.lease / BEATS, holdings.balance)
        self._keep_up(loop, reloads)
        heads = HeadKeeper(shell.settings.home, shell.store, shell.telemetry)
        heads.keep()
        loop.every(HEADS_EVERY, heads.keep)
        self._tell_service_state(loop, server.address)
        self._workers.start()
        try:
            self._stopping.wait()
        finally:
            shell.telemetry.log("stopping")
            self._state.stopping()
            self._workers.end()
            folders.stop()
            self._stop(loop)
            self._end_leases()
            heads.keep()
            notices.stop()
            self._workers.close()
            server.close()
            shell.telemetry.log("stopped")

    def _take_policies(self, loop: TickLoop) -> tuple[Holdings, ReloadRequests]:
        """The share of this daemon, handed to the loop; and what answers requests to reload policies."""
        shell = self._shell
        leftovers = Leftovers(shell.store, shell.telemetry)
        holdings = Holdings(shell, self._leases, loop, partial(watch_policy, shell), leftovers.find)
        reloader = Reloader(
            PolicyFiles(self._paths, self._fleet),
            loop,
            shell.store,
            shell.telemetry,
            holdings.open,
            holdings,
            SpoolPlaces(shell.settings.push_folder).close,
        )
        reloads = ReloadRequests(
            shell.store,
            shell.timer,
            shell.telemetry,
            self._leases.holder,
            partial(self._reload, reloader, holdings),
            reloader.look_again,
        )
        holdings.leave = reloader.leave
        holdings.want(self._fleet)
        self._holdings = holdings
        holdings.balance(first=True)
        return holdings, reloads

    def _tell_started(self, loop: TickLoop, address: str) -> None:
        settings, telemetry = self._shell.settings, self._shell.telemetry
        telemetry.gauge("config_last_reload_successful", 1.0)
        telemetry.log(
            "started",
            policies=sorted(loop.watched),
            listen=address,
            home=str(settings.home),
            mlflow=settings.tracking_uri or embedded_tracking_uri(settings.home),
        )

    def _open_server(self, loop: TickLoop) -> Serving:
        from ctrain.app.web_child import open_server

        shell, (told, well) = self._shell, self._workers.together(self._exposition, loop)
        return open_server(self._listen, self._console, told, well, shell.telemetry, shell.timer)

    def _keep_up(self, loop: TickLoop, reloads: ReloadRequests) -> None:
        """What is done now and then, whatever the policies do."""
        shell = self._shell
        spools = SpoolKeeper(shell.settings, shell.store, shell.timer, shell.telemetry, lambda: loop.watched)
        self._hang_up = reloads.hang_up
        loop.every(min(shell.settings.tick, RELOAD_INTERVAL), reloads.look)
        loop.every(SWEEP_EVERY, spools.keep)
        loop.every(timedelta(seconds=RELEASE_SECONDS), release_memory)

    def _tell_service_state(self, loop: TickLoop, address: str) -> None:
        """Say that the daemon has started, and that it lives for as long as its ticks end."""
        self._state.ready(f"watching {len(loop.watched)} policies, listening on {address}")

        def live() -> None:
            if loop.alive:
                self._state.alive()

        if self._state.sign_of_life_every:
            loop.every(self._state.sign_of_life_every, live)

    def _watch_folders(self, loop: TickLoop) -> FolderWatch:
        """What wakes the ticks of policies for which files come; on stream time they come in lock-step."""
        shell = self._shell
        folders = FolderWatch(lambda: loop.watched, loop.wake, shell.timer, shell.telemetry)
        if shell.settings.watch_folders and not isinstance(shell.clock, StreamClock):
            folders.start()
        return folders

    def _stop(self, loop: TickLoop) -> None:
        """Let the ticks under way finish, but not wait for a registry that does not answer."""
        interrupt = getattr(self._shell.registry, "interrupt", lambda: None)
        patience = threading.Timer(STOP_PATIENCE.total_seconds(), interrupt)
        patience.start()
        loop.stop()
        patience.cancel()

    def _read_again(self) -> None:
        self._state.reloading()
        self._hang_up()
        self._workers.hang_up()

    def _reload(self, reloader: Reloader, holdings: Holdings) -> str:
        """What is wrong with the files, after a look at them."""
        before = holdings.missing
        reloader.look()
        if holdings.missing - before:
            holdings.balance()
        problem = "\n".join(filter(None, [reloader.problem, *dict(holdings.refused).values()]))
        self._state.reloaded(f"refused: {problem.splitlines()[0]}" if problem else "policies read again")
        return problem

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, lambda *_: self._stopping.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: self._read_again())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
