"""Further daemons beside one, on its home, for machines with more than one core: started, watched, stopped.

They are daemons like any other, which share the policies by their leases. They have no address of their own:
the first one passes on what they measure and how they are, ends those that hang and replaces those that end.
A worker ends when its standard input does, which the first one holds.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from ctrain.clocks import StreamClock, open_clock
from ctrain.errors import InputError, TransientError
from ctrain.telemetry.merged import merged
from ctrain.web.private import PrivateDaemon

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.ports import Telemetry, Timer
    from ctrain.settings import Settings
    from ctrain.web import Exposition, Health

STOP_SECONDS = 45.0
"""A worker lets its ticks under way end."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A worker that lived for so long is replaced at once."""
ASKED_EVERY_SECONDS = 15.0
PATIENCE_SECONDS = 5.0
MOST_FAILURES = 4
"""A worker that was not alive so often in a row hangs."""
MOST_FAILURES_AT_START = 40
"""The same before its first answer: it opens its policies first."""
OF_THE_MANAGER = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})
"""What the service manager says is for the first daemon."""


def check_workers(workers: int, settings: Settings, local_cluster: int) -> None:
    """Raise InputError where one daemon alone may be."""
    if workers > 1 and isinstance(open_clock(settings.home), StreamClock):
        raise InputError(f"--workers {workers}: a home on the time of a stream has one daemon")
    if workers > 1 and local_cluster:
        raise InputError(
            f"--workers {workers}: --local-cluster serves one daemon; start a dask cluster of your own, and "
            "name its address in the policies (train.launcher.address)"
        )


class Workers:
    """Daemons beside the first one, each kept running from ``start`` to ``close``."""

    def __init__(self, workers: Sequence[Worker] = ()) -> None:
        self._workers = tuple(workers)

    def start(self) -> None:
        """Begin to start them."""
        for one in self._workers:
            one.start()

    def hang_up(self) -> None:
        """Let all read their policies again."""
        for one in self._workers:
            one.hang_up()

    def end(self) -> None:
        """Let all stop; wait for none."""
        for one in self._workers:
            one.end()

    def close(self) -> None:
        """Stop all that have not been stopped; none is there any more."""
        self.end()
        for one in self._workers:
            one.join()

    def told(self, accept: str) -> dict[str, bytes]:
        """The metrics of those that answer, by their names."""
        answers = {one.name: one.ask("/metrics", accept) for one in self._workers}
        return {name: body for name, (status, body) in answers.items() if status == _OK}

    def all_say(self, path: str) -> bool:
        """True when no worker that has been there denies it, or gives no answer."""
        return all(one.says(path) for one in self._workers)

    def together(self, exposition: Exposition, health: Health) -> tuple[Exposition, Health]:
        """The first daemon's own, and with workers its and theirs as one."""
        if not self._workers:
            return exposition, health
        both = Together(exposition, health, self)
        return both, both


NO_WORKERS = Workers()
_OK = 200
_NO_ANSWER = (0, b"")


class Worker:
    """One worker, and the thread that keeps it running."""

    def __init__(
        self, name: str, command: Sequence[str], environ: dict[str, str], telemetry: Telemetry, timer: Timer
    ) -> None:
        self.name = name
        self._command, self._environ = list(command), environ
        self._telemetry, self._timer = telemetry, timer
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._child: subprocess.Popen[bytes] | None = None
        self._door: PrivateDaemon | None = None
        self._there = False
        """It has answered since it was started: its policies are its own matter from then on."""
        self._keeper = threading.Thread(target=self._keep, name=f"ctrain-worker-{name}", daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def hang_up(self) -> None:
        """One that has not answered yet reads its policies anyway, and does not know the signal."""
        with self._lock:
            if self._there and self._child is not None:
                self._child.send_signal(signal.SIGHUP)

    def end(self) -> None:
        with self._lock:
            self._stopping.set()
            if self._child is not None:
                self._child.terminate()

    def join(self) -> None:
        """Wait until it has ended, but not for ever."""
        with self._lock:
            child = self._child
        if child is not None:
            _wait_or_kill(child)
        if self._keeper.is_alive():
            self._keeper.join()

    def says(self, path: str) -> bool:
        """False when a worker that has been there denies it or does not answer."""
        there = self._there
        return self.ask(path)[0] == _OK or not (there and self._there)

    def ask(self, path: str, accept: str = "") -> tuple[int, bytes]:
        """Status and body of its answer; status 0 when there is none."""
        door = self._door
        if door is None:
            return _NO_ANSWER
        try:
            answer = door.fetch(path, accept)
        except TransientError:
            return _NO_ANSWER
        self._there = self._there or self._door is door
        return answer.status, answer.body

    def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            begun = self._timer.monotonic()
            ended = self._live_once()
            if self._stopping.is_set():
                return
            if self._timer.monotonic() - begun > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._telemetry.count("worker_restarts_total")
            self._telemetry.log("worker_failed", worker=self.name, outcome=ended, again_in_seconds=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _live_once(self) -> str:
        """Start a worker, look after it, and return how it ended."""
        name = f"ctrain-{secrets.token_hex(16)}"
        with self._lock:
            if self._stopping.is_set():
                return "stopped"
            try:
                child = self._child = _start([*self._command, "--worker", name], self._environ)
            except OSError as error:
                return f"it cannot be started: {error}"
            self._there, self._door = False, PrivateDaemon(name, PATIENCE_SECONDS)
        self._look_after(child)
        with self._lock:
            self._door, self._there, self._child = None, False, None
        if child.stdin is not None:
            child.stdin.close()
        return f"exit code {child.returncode}"

    def _look_after(self, child: subprocess.Popen[bytes]) -> None:
        """Return when it has ended, by itself or because it hung."""
        failures = 0
        while True:
            try:
                child.wait(ASKED_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                failures = 0 if self.ask("/-/alive")[0] == _OK else failures + 1
            else:
                return
            if failures >= (MOST_FAILURES if self._there else MOST_FAILURES_AT_START):
                self._telemetry.log("worker_hangs", worker=self.name, unanswered=failures)
                child.kill()


class Together:
    """A daemon and its workers as one: an ``Exposition`` and a ``Health``."""

    def __init__(self, exposition: Exposition, health: Health, workers: Workers) -> None:
        self._exposition, self._health, self._workers = exposition, health, workers

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics of all, in a format that the Accept header allows, and its content type."""
        own, content_type = self._exposition.expose(accept)
        return merged({"0": own, **self._workers.told(accept)}), content_type

    @property
    def healthy(self) -> bool:
        """Ticks succeed everywhere."""
        return self._health.healthy and self._workers.all_say("/-/healthy")

    @property
    def ready(self) -> bool:
        """Every policy has ticked once."""
        return self._health.ready and self._workers.all_say("/-/ready")

    @property
    def alive(self) -> bool:
        """No tick of this process hangs: a worker of which one does is replaced."""
        return self._health.alive


def open_workers(
    amount: int, paths: Sequence[Path], settings: Settings, telemetry: Telemetry, timer: Timer
) -> Workers:
    """So many workers for the policies in ``paths``; none is started yet."""
    environ = {name: value for name, value in os.environ.items() if name not in OF_THE_MANAGER}
    watch = "--watch" if settings.watch_folders else "--no-watch"
    command = [sys.executable, "-m", "ctrain", "run", *(str(path.absolute()) for path in paths)]
    command += ["--home", str(settings.home), watch, "--no-console"]
    return Workers([Worker(str(one + 1), command, environ, telemetry, timer) for one in range(amount)])


def when_closed(opened: BinaryIO, stop: Callable[[], None]) -> None:
    """Call ``stop``, on a thread of its own, when nobody holds the other end any more."""

    def read() -> None:
        while opened.read(1):
            pass
        stop()

    threading.Thread(target=read, name="ctrain-parent", daemon=True).start()


def _start(command: Sequence[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """A worker in a session of its own: Ctrl-C is for the first daemon."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    )


def _wait_or_kill(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
