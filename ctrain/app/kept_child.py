"""A child process that is kept running: replaced when it ends by itself, or when it hangs.

One that ends soon is replaced after a pause, each pause longer than the one before. It ends when its standard
input does, which this process holds.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.ports import Telemetry, Timer

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A child that lived for so long is replaced after the first pause again."""
ASKED_EVERY_SECONDS = 15.0
MOST_FAILURES = 4
"""A child that gave no answer so often in a row hangs."""


@dataclass(frozen=True, slots=True)
class Care:
    """What a child is called where it is told of, and what it may take."""

    kind: str
    stop_seconds: float
    """What it has to end in once it is asked to."""
    most_failures_at_start: int
    """Before its first answer: starting takes its time."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of the log, which of its kind it is."""


class Patience:
    """Counts what a child leaves unanswered."""

    def __init__(self, most_failures_at_start: int) -> None:
        self.failures = 0
        self._most = most_failures_at_start

    def is_over(self, *, answered: bool) -> bool:
        """True once it was too often in a row."""
        if answered:
            self.failures, self._most = 0, MOST_FAILURES
        else:
            self.failures += 1
        return self.failures >= self._most


class KeptChild:
    """A child that is kept running from ``start`` to ``close``; any thread may call."""

    def __init__(
        self,
        care: Care,
        begin: Callable[[], subprocess.Popen[bytes]],
        answers: Callable[[], bool],
        telemetry: Telemetry,
        timer: Timer,
        stopping: threading.Event | None = None,
    ) -> None:
        """``begin`` starts a child, or raises OSError; ``answers`` tells whether it is there."""
        self._care = care
        self._begin, self._answers = begin, answers
        self._telemetry, self._timer = telemetry, timer
        self._stopping = stopping or threading.Event()
        self._lock = threading.RLock()  # signals are passed on by a handler, which may interrupt its holder
        self._child: subprocess.Popen[bytes] | None = None
        name = "-".join(["ctrain", care.kind, *care.fields.values()])
        self._keeper = threading.Thread(target=self.keep, name=name, daemon=True)

    @property
    def pid(self) -> int | None:
        """Of the child that lives now."""
        with self._lock:
            return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Keep it running from now on."""
        self._keeper.start()

    def signal(self, number: int, pid: int) -> None:
        """Send a signal to the child of this number, if it is still there."""
        with self._lock:
            if self._child is not None and self._child.pid == pid:
                self._child.send_signal(number)

    def end(self) -> None:
        """Let it end, and replace it no more; does not wait."""
        with self._lock:
            self._stopping.set()
            if self._child is not None:
                self._child.terminate()

    def close(self) -> None:
        """Let it end, and wait for that, but not for ever."""
        self.end()
        with self._lock:
            child = self._child
        if child is not None:
            self._wait_or_kill(child)
        if self._keeper.is_alive():
            self._keeper.join()

    def keep(self) -> None:
        """Keep it running on this thread, until it is to end."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            begun = self._timer.monotonic()
            ended = self._live_once()
            if self._stopping.is_set():
                return
            if self._timer.monotonic() - begun > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._telemetry.count(f"{self._care.kind}_restarts_total")
            self._tell("failed", outcome=ended, again_in_seconds=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def ask(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        """Ask the child now and then until it has ended, and kill it when it hangs."""
        patience = Patience(self._care.most_failures_at_start)
        while not ended.wait(ASKED_EVERY_SECONDS):
            if patience.is_over(answered=self._answers()):
                self._tell("hangs", unanswered=patience.failures)
                child.kill()
                return

    def _live_once(self) -> str:
        """Start a child, and return how it ended."""
        with self._lock:
            if self._stopping.is_set():
                return "stopped"
            try:
                child = self._child = self._begin()
            except OSError as error:
                return f"it cannot be started: {error}"
        ended = threading.Event()
        name = f"{self._keeper.name}-asked"
        threading.Thread(target=self.ask, args=(child, ended), name=name, daemon=True).start()
        code = child.wait()
        ended.set()
        with self._lock:
            self._child = None
        if child.stdin is not None:
            child.stdin.close()
        return f"exit code {code}"

    def _wait_or_kill(self, child: subprocess.Popen[bytes]) -> None:
        try:
            child.wait(self._care.stop_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _tell(self, what: str, **fields: object) -> None:
        self._telemetry.log(f"{self._care.kind}_{what}", **self._care.fields, **fields)


def start_child(
    command: Sequence[str], environ: Mapping[str, str], handed_over: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A child that has the files of these numbers, in a session of its own: Ctrl-C is for this process."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=dict(environ),
        pass_fds=tuple(handed_over),
        start_new_session=True,
    )
