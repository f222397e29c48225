"""A time for the scheduler that goes on when the machine's clock is set."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.ports import Timer


class SteadyTime(tzinfo):
    """The time zone whose present began as UTC and has gone on in real time since, never set.

    APScheduler has no clock to replace: it asks for ``datetime.now(zone)``, and what that gives is up
    to the zone. So this zone is for the present only: any instant converted to it gives the present.
    """

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._from = timer.now().replace(tzinfo=self)
        self._since = timer.monotonic()

    def now(self) -> datetime:
        return self._from + timedelta(seconds=self._timer.monotonic() - self._since)

    def fromutc(self, _: datetime) -> datetime:
        return self.now()

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, _: datetime | None) -> str:
        return "UTC"
