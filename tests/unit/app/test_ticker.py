"""The ticker does not lose a tick, however fast one follows another, and is woken once for a burst."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from ctrain.app.ticker import TICK_THREADS, WAKE_SECONDS, Ticker, tell_lateness
from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from ctrain.turns import Turns, waiting
from tests.support.fakes import QuietTelemetry
from tests.waiting import wait_until

TICKS = 5
BUSY = PolicyName("busy")
AT_ONCE, AN_HOUR = timedelta(0), timedelta(hours=1)


class Overtaking(Ticker):
    """A tick that is still at its last line when the scheduler already takes up its successor."""

    def after(self, delay: timedelta, name: PolicyName, call: Callable[[PolicyName], None]) -> None:
        super().after(delay, name, call)
        scheduler = self._scheduler
        if scheduler is not None and threading.current_thread() is not threading.main_thread():
            wait_until(lambda: scheduler.get_job(name) is None, 5, "the successor is taken up")


def test_a_tick_that_is_overtaken_by_its_successor_does_not_end_the_ticking() -> None:
    done = threading.Event()
    seen: list[PolicyName] = []
    ticker = Overtaking(RealTimer())

    def tick(name: PolicyName) -> None:
        seen.append(name)
        if len(seen) >= TICKS:
            done.set()
        else:
            ticker.after(AT_ONCE, name, tick)

    ticker.start()
    ticker.after(AT_ONCE, BUSY, tick)
    try:
        assert done.wait(10), f"{len(seen)} of {TICKS} ticks, then none"
    finally:
        ticker.stop()


def test_stopping_waits_for_a_tick_under_way_and_is_not_held_up_by_its_end() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()
    ticker = Ticker(RealTimer())

    def tick(name: PolicyName) -> None:
        begun.set()
        may_end.wait(10)
        ticker.after(AT_ONCE, name, tick)
        ended.set()

    ticker.start()
    ticker.after(AT_ONCE, BUSY, tick)
    assert begun.wait(10)
    stopping = threading.Thread(target=ticker.stop, daemon=True)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    may_end.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert ended.is_set()


class StillTimer:
    """Real time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class StillScheduler:
    """Keeps what it is to call, and when, until it is told that the time has come."""

    running = True

    def __init__(self, timer: StillTimer) -> None:
        self._timer = timer
        self.pending: dict[str, tuple[datetime, Callable[[], None]]] = {}

    def add_job(
        self, call: Callable[..., None], kind: str, *, run_date: datetime, args: list[Any], id: str, **_: Any
    ) -> None:
        self.pending[id] = run_date, lambda: call(*args)

    def run(self, name: str) -> None:
        self.pending.pop(name)[1]()

    def seconds_until(self, name: str) -> float:
        return (self.pending[name][0] - self._timer.now()).total_seconds()


class Beats:
    """A policy that ticks every hour on a ticker whose time stands still; keeps when each tick began."""

    def __init__(self) -> None:
        self.timer = StillTimer()
        self.late: list[float] = []
        self.ticker = Ticker(self.timer, lambda _, late: self.late.append(late))
        self.scheduler = StillScheduler(self.timer)
        self.ticker._scheduler = self.scheduler  # no threads: what matters is when
        self.begun: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def tick(self, name: PolicyName) -> None:
        self.begun.append(self.timer.monotonic())
        self.meanwhile()
        self.ticker.after(AN_HOUR, name, self.tick)

    def wake(self) -> None:
        self.ticker.wake(BUSY, self.tick)


def test_a_policy_that_is_woken_ticks_at_once_and_is_then_due_as_ever() -> None:
    beats = Beats()
    beats.ticker.after(AN_HOUR, BUSY, beats.tick)
    beats.wake()
    assert beats.scheduler.seconds_until(BUSY) == 0
    beats.scheduler.run(BUSY)
    assert beats.scheduler.seconds_until(BUSY) == AN_HOUR.total_seconds()


def test_a_burst_is_one_tick() -> None:
    beats = Beats()
    for _ in range(50):
        beats.wake()
        beats.timer.advance(0.01)
    assert list(beats.scheduler.pending) == [BUSY]
    assert beats.scheduler.seconds_until(BUSY) == pytest.approx(-0.5)


def test_what_comes_during_a_tick_gets_one_more_after_it_and_none_beside_it() -> None:
    beats = Beats()
    during: list[list[str]] = []

    def burst() -> None:
        for _ in range(50):
            beats.wake()
        during.append(list(beats.scheduler.pending))

    beats.meanwhile = burst
    beats.ticker.after(AT_ONCE, BUSY, beats.tick)
    beats.scheduler.run(BUSY)
    assert during == [[]]
    assert beats.scheduler.seconds_until(BUSY) == pytest.approx(WAKE_SECONDS)
    beats.meanwhile = lambda: None
    beats.scheduler.run(BUSY)
    assert beats.scheduler.seconds_until(BUSY) == AN_HOUR.total_seconds()


def test_a_policy_that_is_woken_all_the_time_ticks_at_a_distance() -> None:
    beats = Beats()
    beats.wake()
    beats.scheduler.run(BUSY)
    beats.timer.advance(0.1)
    beats.wake()
    assert beats.scheduler.seconds_until(BUSY) == pytest.approx(WAKE_SECONDS - 0.1)


def test_a_tick_that_is_due_sooner_than_it_would_be_woken_stays_as_it_is() -> None:
    beats = Beats()
    beats.wake()
    beats.scheduler.run(BUSY)
    beats.ticker.after(timedelta(seconds=0.2), BUSY, beats.tick)
    beats.wake()
    assert beats.scheduler.seconds_until(BUSY) == pytest.approx(0.2)


def test_a_tick_that_ends_in_a_fault_can_be_woken_again() -> None:
    beats = Beats()
    beats.meanwhile = lambda: 1 / 0  # type: ignore[assignment]  # any fault
    beats.wake()
    with pytest.raises(ZeroDivisionError):
        beats.scheduler.run(BUSY)
    beats.wake()
    assert beats.scheduler.seconds_until(BUSY) == pytest.approx(WAKE_SECONDS)


def test_lateness_is_the_time_from_due_until_begun() -> None:
    beats = Beats()
    beats.ticker.after(timedelta(seconds=10), BUSY, beats.tick)
    beats.timer.advance(12.5)
    beats.scheduler.run(BUSY)
    assert beats.late == [pytest.approx(2.5)]


def test_intervals_without_a_tick_are_counted() -> None:
    telemetry = QuietTelemetry()
    tell = tell_lateness(telemetry, timedelta(seconds=10))
    for seconds in (0.1, 9.9, 25.0):
        tell(seconds)
    assert telemetry.counted["ticks_skipped_total",] == 2
    assert telemetry.counted["tick_lateness_seconds",] == 25.0


class SetClock(StillTimer):
    """A machine's clock that can be set, above real time that passes when it is told to."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


def test_one_tick_computes_while_others_wait_for_something(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(patience_seconds=AN_HOUR.total_seconds())
    monkeypatch.setattr("ctrain.turns._OF_THIS_PROCESS", turns)
    waits, may_go_on = threading.Event(), threading.Event()
    computed: list[bool] = []
    ticker = Ticker(RealTimer())

    def wait_for_something(_: PolicyName) -> None:
        with waiting():
            waits.set()
            assert may_go_on.wait(10)

    def compute(_: PolicyName) -> None:
        computed.append(turns._section is not None and turns._holder is turns._section)

    ticker.start()
    try:
        ticker.after(AT_ONCE, BUSY, wait_for_something)
        assert waits.wait(10)
        for number in range(TICKS):
            ticker.after(AT_ONCE, PolicyName(f"p{number}"), compute)
        wait_until(lambda: len(computed) == TICKS, 10, "all others have ticked")
        assert all(computed), "each has the turn while it computes"
    finally:
        may_go_on.set()
        ticker.stop()


def test_an_urgent_policy_ticks_while_the_others_take_all_threads() -> None:
    held, may_go_on, ticked = threading.Semaphore(0), threading.Event(), threading.Event()
    ticker = Ticker(RealTimer(), urgent=lambda name: name == BUSY)

    def hold(_: PolicyName) -> None:
        with waiting():
            held.release()
            assert may_go_on.wait(10)

    ticker.start()
    try:
        for number in range(TICK_THREADS):
            ticker.after(AT_ONCE, PolicyName(f"p{number}"), hold)
        assert all(held.acquire(timeout=10) for _ in range(TICK_THREADS))
        ticker.after(AT_ONCE, BUSY, lambda _: ticked.set())
        assert ticked.wait(10)
    finally:
        may_go_on.set()
        ticker.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """What the scheduler takes for the machine's clock."""
    clock = SetClock()

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clock.now().astimezone(tz)

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Datetime)
    monkeypatch.setattr("apscheduler.triggers.interval.datetime", Datetime)
    return clock


@pytest.mark.parametrize("step", [timedelta(days=-1), timedelta(days=1)], ids=["back", "forward"])
@pytest.mark.parametrize("kind", ["ticks", "upkeep"])
def test_a_clock_that_is_set_neither_holds_up_nor_hurries_what_is_due(
    clock: SetClock, kind: str, step: timedelta
) -> None:
    begun: list[float] = []
    ticker = Ticker(clock)
    ticker.start()
    scheduler: Any = ticker._scheduler

    def dues() -> list[datetime]:
        return [job.next_run_time for job in scheduler.get_jobs()]

    try:
        if kind == "ticks":
            ticker.after(AN_HOUR, BUSY, lambda _: begun.append(clock.monotonic()))
        else:
            ticker.every(AN_HOUR, lambda: begun.append(clock.monotonic()))
        clock.advance(1800)
        clock.ahead = step
        before = dues()
        assert scheduler._process_jobs() == pytest.approx(1800)
        assert dues() == before
        clock.advance(1800)
        scheduler._process_jobs()
        wait_until(lambda: bool(begun), 5, "what is due is called")
    finally:
        ticker.stop()
    assert begun == [3600]


def test_upkeep_goes_on_in_its_interval_and_leaves_out_what_it_missed(clock: SetClock) -> None:
    ticker = Ticker(clock)
    ticker.start()
    scheduler: Any = ticker._scheduler
    called = threading.Semaphore(0)
    try:
        ticker.every(AN_HOUR, called.release)
        clock.advance(2.5 * 3600)
        assert scheduler._process_jobs() == pytest.approx(1800)
        assert called.acquire(timeout=5)
    finally:
        ticker.stop()
    assert not called.acquire(blocking=False)


def test_a_fault_in_upkeep_is_told(clock: SetClock, caplog: pytest.LogCaptureFixture) -> None:
    ticker = Ticker(clock)
    ticker.start()
    scheduler: Any = ticker._scheduler

    def fail() -> None:
        raise OSError("no space left")

    try:
        ticker.every(AN_HOUR, fail)
        clock.advance(3600)
        scheduler._process_jobs()
    finally:
        ticker.stop()
    (record,) = caplog.records
    assert "interval[1:00:00], next run at: 2024-05-01 0" in record.getMessage()
    assert "no space left" in caplog.text
