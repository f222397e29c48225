"""The ticker does not lose a tick, however fast one follows another."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ctrain.app import ticks
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.clocks import RealTimer, SystemClock
from ctrain.domain import PolicyName
from ctrain.engine.tick import Ticked
from tests.support.fakes import QuietTelemetry
from tests.waiting import wait_until

TICKS = 5
BUSY = PolicyName("busy")


class Overtaking(TickLoop):
    """A tick that is still at its last line when the scheduler already takes up its successor."""

    def _schedule(self, name: PolicyName, delay: timedelta) -> None:
        super()._schedule(name, delay)
        scheduler = self._scheduler
        if scheduler is not None and delay == timedelta(0) and self._ticked:
            wait_until(lambda: scheduler.get_job(name) is None, 5, "the successor is taken up")


def test_a_tick_that_is_overtaken_by_its_successor_does_not_end_the_ticking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = threading.Event()
    seen: list[Any] = []

    def busy_tick(watch: Any, **_: Any) -> Ticked:
        seen.append(watch)
        if len(seen) >= TICKS:
            done.set()
        return Ticked(moved=len(seen) < TICKS)

    monkeypatch.setattr(ticks, "tick", busy_tick)
    watch = cast(Any, SimpleNamespace(name=BUSY))
    rhythm = Rhythm(tick=timedelta(hours=1), lease=timedelta(hours=1))
    loop = Overtaking({BUSY: watch}, SystemClock(), RealTimer(), QuietTelemetry(), rhythm)
    loop.start()
    try:
        assert done.wait(10), f"{len(seen)} of {TICKS} ticks, then none"
    finally:
        loop.stop()


def test_stopping_waits_for_a_tick_under_way_and_is_not_held_up_by_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    class Late(TickLoop):
        """A tick that has decided to go on when it is told to stop."""

        def _schedule(self, name: PolicyName, delay: timedelta) -> None:
            scheduler = self._scheduler
            if begun.is_set() and scheduler is not None:
                may_end.wait(10)
                scheduler.get_jobs()
                ended.set()
            super()._schedule(name, delay)

    def one_tick(watch: Any, **_: Any) -> Ticked:
        begun.set()
        return Ticked(moved=True)

    monkeypatch.setattr(ticks, "tick", one_tick)
    watch = cast(Any, SimpleNamespace(name=BUSY))
    rhythm = Rhythm(tick=timedelta(hours=1), lease=timedelta(hours=1))
    loop = Late({BUSY: watch}, SystemClock(), RealTimer(), QuietTelemetry(), rhythm)
    loop.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=loop.stop, daemon=True)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    may_end.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert ended.is_set()
