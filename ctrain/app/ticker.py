"""The ticker under the daemon's loop: APScheduler, with one pending call for each policy, in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    from ctrain.domain import PolicyName
    from ctrain.ports import Timer

TICK_THREADS = 4
UPKEEP_THREADS = 2
"""One for the lease, so that nothing else delays its renewal."""


class Ticker:
    """Calls policies after delays of real time, and upkeep in intervals on threads of its own."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
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
            "upkeep": ThreadPoolExecutor(UPKEEP_THREADS),
        }
        self._scheduler = Scheduler(
            executors=self._pools,
            # A tick schedules its successor while it, and maybe its predecessor, still count as running;
            # a job above the maximum would be dropped, and with it all ticks after it.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 100},
            timezone="UTC",
        )
        self._scheduler.start()

    def after(self, delay: timedelta, name: PolicyName, call: Callable[[PolicyName], None]) -> None:
        """Call for this policy after ``delay``, instead of what was pending; never once stopped."""
        scheduler = self._scheduler
        if scheduler is not None and scheduler.running:
            scheduler.add_job(
                call, "date", run_date=self._timer.now() + delay, args=[name], id=name, replace_existing=True
            )

    def every(self, interval: timedelta, call: Callable[[], None]) -> None:
        """Call every ``interval``, however busy the policies are."""
        assert self._scheduler is not None
        self._scheduler.add_job(
            call, "interval", seconds=interval.total_seconds(), executor="upkeep", max_instances=1
        )

    def stop(self) -> None:
        """Let the calls under way finish, and start no more."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            # Not wait=True: it waits under a lock that a tick at its end needs to schedule the next one.
            scheduler.shutdown(wait=False)
            for pool in self._pools.values():
                pool.shutdown(wait=True)
