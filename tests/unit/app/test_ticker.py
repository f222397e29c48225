"""The ticker does not lose a tick, however fast one follows another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from ctrain.app.ticker import Ticker
from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from tests.waiting import wait_until

TICKS = 5
BUSY = PolicyName("busy")
AT_ONCE = timedelta(0)


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
