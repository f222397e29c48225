"""The ticker under the daemon's loop: APScheduler, with one pending call for each policy, in memory."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.app.steady_time import SteadyTime
from ctrain.turns import computing

if TYPE_CHECKING:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    from ctrain.domain import PolicyName
    from ctrain.ports import Telemetry, Timer

TICK_THREADS = 8
"""One computes at a time; of a round of fresh rows on a busy disk most is waiting, which they do together.
As many again are for urgent policies alone."""
UPKEEP_THREADS = 2
"""One for the lease, so that nothing else delays its renewal."""
WAKE_SECONDS = 0.5
"""Between the beginning of a policy's tick and of one for which it was woken."""


def tell_lateness(telemetry: Telemetry, interval: timedelta) -> Callable[[float], None]:
    """What measures by how many seconds ticks are late, and counts the intervals that had none."""

    def tell(seconds: float) -> None:
        telemetry.observe("tick_lateness_seconds", seconds)
        telemetry.count("ticks_skipped_total", seconds // interval.total_seconds())

    return tell


class Ticker:
    """Calls policies after delays of real time, and upkeep in intervals on threads of its own.

    ``began`` is told, at the beginning of each call, whose it is and by how many seconds it is late.
    Calls of policies that are ``urgent`` have threads of their own.
    """

    def __init__(
        self,
        timer: Timer,
        began: Callable[[PolicyName, float], None] = lambda _name, _late: None,
        urgent: Callable[[PolicyName], bool] = lambda _: False,
    ) -> None:
        self._timer = timer
        self._time = SteadyTime(timer)
        self._began = began
        self._urgent = urgent
        self._due: dict[PolicyName, float] = {}
        """Of what is pending, and of what is due and waits for a thread."""
        self._begun: dict[PolicyName, float] = {}
        self._under_way: Counter[PolicyName] = Counter()
        self._woken: set[PolicyName] = set()
        """While they were under way."""
        self._lock = threading.Lock()
        self._scheduler: BackgroundScheduler | None = None
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def start(self) -> None:
        """Begin to call what is due."""
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.jobstores.base import JobLookupError
        from apscheduler.schedulers.background import BackgroundScheduler

        class Scheduler(BackgroundScheduler):  # type: ignore[misc]  # apscheduler has no types
            def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
                """Remove a job; a scheduler that was stopped in the middle of a look has none left."""
                with suppress(JobLookupError):
                    super().remove_job(job_id, jobstore)

        self._pools = {
            "default": ThreadPoolExecutor(TICK_THREADS),
            "urgent": ThreadPoolExecutor(TICK_THREADS),
            "upkeep": ThreadPoolExecutor(UPKEEP_THREADS),
        }
        self._scheduler = Scheduler(
            executors=self._pools,
            # A tick schedules its successor while it, and maybe its predecessor, still count as running;
            # a job above the maximum would be dropped, and with it all ticks after it.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 100},
            timezone=self._time,
        )
        # It warns of each upkeep that is left out while the last one goes on: on a busy machine, of all.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler.start()

    def after(self, delay: timedelta, name: PolicyName, call: Callable[[PolicyName], None]) -> None:
        """Call for this policy after ``delay``, instead of what was pending; never once stopped."""
        with self._lock:
            seconds = delay.total_seconds()
            if name in self._woken:
                self._woken.discard(name)
                seconds = min(seconds, self._until_awake(name))
            self._schedule(name, seconds, call)

    def wake(self, name: PolicyName, call: Callable[[PolicyName], None]) -> None:
        """Call for this policy soon, however often it is woken; after a call that is under way."""
        with self._lock:
            due = self._due.get(name)
            if due is None and self._under_way[name]:
                self._woken.add(name)
                return
            seconds = self._until_awake(name)
            if due is None or due > self._timer.monotonic() + seconds:
                self._schedule(name, seconds, call)

    def _until_awake(self, name: PolicyName) -> float:
        begun = self._begun.get(name)
        return 0.0 if begun is None else max(begun + WAKE_SECONDS - self._timer.monotonic(), 0.0)

    def _schedule(self, name: PolicyName, seconds: float, call: Callable[[PolicyName], None]) -> None:
        scheduler = self._scheduler
        if scheduler is not None and scheduler.running:
            self._due[name] = self._timer.monotonic() + seconds
            run_date = self._time.now() + timedelta(seconds=seconds)
            scheduler.add_job(
                self._call,
                "date",
                run_date=run_date,
                args=[name, call],
                id=name,
                executor="urgent" if self._urgent(name) else "default",
                replace_existing=True,
            )

    def _call(self, name: PolicyName, call: Callable[[PolicyName], None]) -> None:
        with computing():
            with self._lock:
                now = self._timer.monotonic()
                due = self._due.pop(name, now)
                self._begun[name] = now
                self._woken.discard(name)
                self._under_way[name] += 1
            try:
                self._began(name, max(now - due, 0.0))
                call(name)
            finally:
                with self._lock:
                    self._under_way[name] -= 1

    def every(self, interval: timedelta, call: Callable[[], None]) -> None:
        """Call every ``interval``, however busy the policies are."""
        from apscheduler.triggers.interval import IntervalTrigger

        class Every(IntervalTrigger):  # type: ignore[misc]  # apscheduler has no types
            def get_next_fire_time(self, previous: datetime | None, _: datetime) -> datetime:
                """Count in steady time, to which instants cannot be converted."""
                due: datetime = self.start_date if previous is None else previous + self.interval
                return due

        assert self._scheduler is not None
        trigger = Every(seconds=interval.total_seconds(), timezone=self._time)
        self._scheduler.add_job(call, trigger, executor="upkeep", max_instances=1)

    def stop(self) -> None:
        """Let the calls under way finish, and start no more."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            # Not wait=True: it waits under a lock that a tick at its end needs to schedule the next one.
            scheduler.shutdown(wait=False)
            for pool in self._pools.values():
                pool.shutdown(wait=True)
