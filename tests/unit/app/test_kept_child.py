"""When a child is replaced, after which pause, and how it is let go."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from ctrain.app.kept_child import MOST_FAILURES, Care, KeptChild
from tests.support.fakes import QuietTelemetry
from tests.support.notices import SetTimer

CARE = Care("worker", stop_seconds=45.0, most_failures_at_start=6, fields={"worker": "1"})
STARTS = 8


class Child:
    """Ends once it gets a signal to end by; ``deaf`` to all but the last."""

    stdin = None

    def __init__(self, pid: int = 7, *, deaf: bool = False) -> None:
        self.pid, self.deaf = pid, deaf
        self.signals: list[int] = []
        self.begun, self._ended = threading.Event(), threading.Event()

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if number == signal.SIGKILL or (number == signal.SIGTERM and not self.deaf):
            self._ended.set()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> int:
        """A deaf one is not waited for in real time."""
        self.begun.set()
        if seconds is not None and self.deaf and not self._ended.is_set():
            raise subprocess.TimeoutExpired("child", seconds)
        self._ended.wait(30)
        return -self.signals[-1]


class Pauses(threading.Event):
    """Waits without waiting, so often; remembers for how long."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seconds = most, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        if len(self.seconds) >= self.most:
            self.set()
        return self.is_set()


def kept(
    begin: Callable[[], Any],
    telemetry: QuietTelemetry,
    timer: SetTimer,
    *,
    answers: Callable[[], bool] = lambda: True,
    stopping: threading.Event | None = None,
) -> KeptChild:
    return KeptChild(CARE, begin, answers, telemetry, timer, stopping)


class Lives:
    """Children that end by themselves after so many seconds; None: one that cannot be started."""

    def __init__(self, timer: SetTimer, seconds: Sequence[float | None]) -> None:
        self._timer, self._seconds = timer, iter(seconds)

    def begin(self) -> Any:
        seconds = next(self._seconds)
        if seconds is None:
            raise OSError("no memory")
        self._timer.seconds += seconds
        child = Child()
        child.send_signal(signal.SIGKILL)
        return child


def pauses_after(telemetry: QuietTelemetry, lives: Sequence[float | None]) -> list[float]:
    timer, pauses = SetTimer(), Pauses(len(lives))
    kept(Lives(timer, lives).begin, telemetry, timer, stopping=pauses).keep()
    return pauses.seconds


def test_one_that_keeps_ending_is_started_after_longer_and_longer_pauses() -> None:
    telemetry = QuietTelemetry()
    pauses = pauses_after(telemetry, [1.0] * STARTS)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert telemetry.counted == {("worker_restarts_total",): STARTS}
    assert telemetry.logged[2] == (
        "worker_failed",
        {"worker": "1", "outcome": "exit code -9", "again_in_seconds": 2.0},
    )


def test_one_that_lived_for_long_is_started_at_once_again() -> None:
    assert pauses_after(QuietTelemetry(), [1.0, 1.0, 61.0, 1.0]) == [0.5, 1.0, 0.5, 1.0]


def test_one_that_cannot_be_started_is_tried_again() -> None:
    telemetry = QuietTelemetry()
    assert pauses_after(telemetry, [None, 1.0]) == [0.5, 1.0]
    outcomes = [fields["outcome"] for _, fields in telemetry.logged]
    assert outcomes == ["it cannot be started: no memory", "exit code -9"]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([], 6),
        ([True], 1 + MOST_FAILURES),
        ([False] * 5 + [True] + [False] * 3 + [True], 10 + MOST_FAILURES),
    ],
)
def test_one_that_leaves_too_much_unanswered_is_killed(answers: list[bool], asked: int) -> None:
    telemetry, child, pauses, given = QuietTelemetry(), Child(), Pauses(100), iter(answers)
    one = kept(lambda: child, telemetry, SetTimer(), answers=lambda: next(given, False))
    one.ask(cast(Any, child), pauses)
    assert (child.signals, len(pauses.seconds)) == ([signal.SIGKILL], asked)
    unanswered = MOST_FAILURES if answers else 6
    assert telemetry.logged == [("worker_hangs", {"worker": "1", "unanswered": unanswered})]


def test_one_that_has_ended_is_asked_no_more() -> None:
    child, pauses = Child(), Pauses(3)
    kept(lambda: child, QuietTelemetry(), SetTimer(), answers=lambda: False).ask(cast(Any, child), pauses)
    assert (child.signals, len(pauses.seconds)) == ([], 3)


@pytest.mark.parametrize(
    ("deaf", "signals"), [(False, [signal.SIGTERM]), (True, [signal.SIGTERM, signal.SIGKILL])]
)
def test_one_that_is_closed_is_asked_to_end_and_not_replaced(deaf: bool, signals: list[int]) -> None:
    telemetry, child = QuietTelemetry(), Child(deaf=deaf)
    one = kept(lambda: child, telemetry, SetTimer())
    one.start()
    assert child.begun.wait(30)
    assert one.pid == child.pid
    one.close()
    assert child.signals == signals
    assert not telemetry.logged


def test_a_signal_reaches_the_process_that_it_is_for_alone() -> None:
    child = Child(pid=7)
    one = kept(lambda: child, QuietTelemetry(), SetTimer())
    one.signal(signal.SIGHUP, 7)
    one.start()
    assert child.begun.wait(30)
    one.signal(signal.SIGHUP, 6)
    assert child.signals == []
    one.signal(signal.SIGHUP, 7)
    assert child.signals == [signal.SIGHUP]
    one.close()


def test_one_that_is_closed_before_it_was_started_never_is() -> None:
    one = kept(lambda: pytest.fail("it was started"), QuietTelemetry(), SetTimer())
    one.close()
    one.keep()
    assert one.pid is None
