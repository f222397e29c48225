"""Further daemons beside one, on its home, for machines with more than one core: started, watched, stopped.

They are daemons like any other, which share the policies by their leases. They have no address of their own:
the first one passes on what they measure and how they are, and keeps them running.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from ctrain.app.kept_child import Care, KeptChild, start_child
from ctrain.clocks import StreamClock, open_clock
from ctrain.errors import InputError, TransientError
from ctrain.telemetry.merged import merged
from ctrain.web.private import PrivateDaemon

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from ctrain.ports import Telemetry, Timer
    from ctrain.settings import Settings
    from ctrain.web import Exposition, Health

STOP_SECONDS = 45.0
"""A worker lets its ticks under way end."""
PATIENCE_SECONDS = 5.0
MOST_FAILURES_AT_START = 40
"""Before its first answer a worker opens its policies."""
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
            one.close()

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
    """One worker, which is kept running."""

    def __init__(
        self, name: str, command: Sequence[str], environ: dict[str, str], telemetry: Telemetry, timer: Timer
    ) -> None:
        self.name = name
        self._command, self._environ = list(command), environ
        care = Care("worker", STOP_SECONDS, MOST_FAILURES_AT_START, {"worker": name})
        self._kept = KeptChild(care, self._begin, self._answers, telemetry, timer)
        self._door: PrivateDaemon | None = None
        self._heard_from: int | None = None
        """The process that answered last; from its first answer on its policies are its own matter."""

    def start(self) -> None:
        self._kept.start()

    def hang_up(self) -> None:
        """One that has not answered yet reads its policies anyway, and does not know the signal."""
        if self._heard_from is not None:
            self._kept.signal(signal.SIGHUP, self._heard_from)

    def end(self) -> None:
        self._kept.end()

    def close(self) -> None:
        """Wait until it has ended, but not for ever."""
        self._kept.close()

    def says(self, path: str) -> bool:
        """False when a worker that has been there denies it or does not answer."""
        there = self._is_there()
        return self.ask(path)[0] == _OK or not (there and self._is_there())

    def ask(self, path: str, accept: str = "") -> tuple[int, bytes]:
        """Status and body of its answer; status 0 when there is none."""
        pid, door = self._kept.pid, self._door  # a door is never older than the process read before it
        if pid is None or door is None:
            return _NO_ANSWER
        try:
            answer = door.fetch(path, accept)
        except TransientError:
            return _NO_ANSWER
        self._heard_from = pid
        return answer.status, answer.body

    def _is_there(self) -> bool:
        """True when the process that runs now has answered."""
        return self._heard_from is not None and self._heard_from == self._kept.pid

    def _answers(self) -> bool:
        return self.ask("/-/alive")[0] == _OK

    def _begin(self) -> subprocess.Popen[bytes]:
        name = f"ctrain-{secrets.token_hex(16)}"
        self._door = PrivateDaemon(name, PATIENCE_SECONDS)
        return start_child([*self._command, "--worker", name], self._environ)


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
    processes: int, paths: Sequence[Path], settings: Settings, telemetry: Telemetry, timer: Timer
) -> Workers:
    """What makes the first daemon so many processes for the policies in ``paths``; none is started yet."""
    environ = {name: value for name, value in os.environ.items() if name not in OF_THE_MANAGER}
    watch = "--watch" if settings.watch_folders else "--no-watch"
    command = [sys.executable, "-m", "ctrain", "run", *(str(path.absolute()) for path in paths)]
    command += ["--home", str(settings.home), watch, "--no-console", "--workers", str(processes)]
    return Workers([Worker(str(one), command, environ, telemetry, timer) for one in range(1, processes)])


def when_closed(opened: BinaryIO, stop: Callable[[], None]) -> None:
    """Call ``stop``, on a thread of its own, when nobody holds the other end any more."""

    def read() -> None:
        while opened.read(1):
            pass
        stop()

    threading.Thread(target=read, name="ctrain-parent", daemon=True).start()
