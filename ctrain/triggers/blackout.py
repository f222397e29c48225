"""Blackouts: weekly hours of a wall clock without training and promotion.

A blackout is one stretch of time, from the first moment at which the wall clock has reached ``from``
to the last at which it reaches ``to``. On the day in spring whose clock skips one of them, the moment of
the change takes its place; on the day in autumn whose clock shows them twice, it begins at the first
``from`` and ends at the second ``to``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ctrain.policy.fields import zone_of
from ctrain.policy.models import Blackout

LOOKED_AHEAD = timedelta(days=8)
"""Blackouts repeat weekly: one that lasts for longer never ends."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE = timedelta(minutes=1)


def blackout_until(blackouts: Sequence[Blackout], now: datetime) -> datetime | None:
    """Return when it is over (UTC), or None when ``now`` lies in no blackout.

    Its end itself is no longer part of it. Blackouts that overlap or follow each other without a gap
    count as one; one that never ends is said to last for ``LOOKED_AHEAD`` or a little longer.

    >>> night = Blackout(**{"from": "22:00", "to": "06:00", "timezone": "Asia/Tokyo"})
    >>> blackout_until([night], datetime(2024, 3, 4, 14, tzinfo=UTC))
    datetime.datetime(2024, 3, 4, 21, 0, tzinfo=datetime.timezone.utc)
    """
    until = now
    while until < now + LOOKED_AHEAD:
        ends = [end for one in blackouts if (end := _end(one, until)) is not None]
        if not ends:
            break
        until = max(ends)
    return until.astimezone(UTC) if until > now else None


def _end(blackout: Blackout, at: datetime) -> datetime | None:
    """The end of the stretch that ``at`` lies in; it began today or yesterday by the blackout's clock."""
    zone = zone_of(blackout.timezone)
    today = at.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if blackout.days is None or _DAYS[day.weekday()] in blackout.days:
            start, end = _stretch(blackout, day, zone)
            if start <= at < end:
                return end
    return None


def _stretch(blackout: Blackout, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begin, finish = time.fromisoformat(blackout.from_), time.fromisoformat(blackout.to)
    last_day = day if begin < finish else day + timedelta(days=1)
    return _instants(datetime.combine(day, begin), zone)[0], _instants(
        datetime.combine(last_day, finish), zone
    )[1]


def _instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first and the last moment (UTC) at which the clock shows ``wall``, or jumps over it."""
    earlier, later = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _shown(earlier, zone) == wall:
        return earlier, later
    minutes = range((later - earlier) // _MINUTE)
    jump = earlier + _MINUTE * bisect_left(
        minutes, wall, key=lambda minute: _shown(earlier + _MINUTE * minute, zone)
    )
    return jump, jump


def _shown(at: datetime, zone: ZoneInfo) -> datetime:
    """What the wall clock shows."""
    return at.astimezone(zone).replace(tzinfo=None)
