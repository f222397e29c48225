"""Cron and interval triggers -> the occurrence that is due.

Cron follows Debian's rules (cronsim): a time that the spring change skips fires once, right after
the gap; a time that the autumn change repeats fires once, at the first of the two; expressions with
``*`` in minutes or hours follow real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from cronsim import CronSim

from ctrain.policy.fields import zone_of
from ctrain.policy.triggers import Cron, Every, Schedule

MAX_MISSED = 1000
"""So many missed occurrences are listed, the oldest of them."""

_SEARCHES = (timedelta(days=1), timedelta(days=32), timedelta(days=366))


Found = tuple[list[datetime], datetime | None]
"""Occurrences from the oldest on, perhaps not all of them, and the latest one."""


@dataclass(frozen=True, slots=True)
class Due:
    """An occurrence of a schedule; ``at`` (UTC) identifies it for ever."""

    at: datetime
    missed: tuple[datetime, ...] = ()
    """Older occurrences that nobody looked at, oldest first: they are reported, not made up for."""


def due_occurrence(trigger: Schedule, last: datetime | None, since: datetime, now: datetime) -> Due | None:
    """Return the latest occurrence up to ``now`` that nobody has looked at, if any.

    ``last`` is the occurrence that was looked at last. Occurrences count from then, and not before ``since``,
    when this schedule was first seen. It must not move with a restart.
    However long the service was down, one occurrence comes back; the others are in ``missed``.
    """
    after = since if last is None else max(last, since)
    if now <= after:
        return None
    found = (
        _every_times(trigger, after, now) if isinstance(trigger, Every) else _cron_times(trigger, after, now)
    )
    times, latest = found
    return None if latest is None else Due(latest, tuple(at for at in times if at < latest)[:MAX_MISSED])


def next_occurrence(trigger: Cron, now: datetime) -> datetime | None:
    """Return the first time of a cron expression after ``now``, or None within 50 years."""
    return next(_fires(trigger, now), None)


def _every_times(trigger: Every, after: datetime, now: datetime) -> Found:
    count = (now - after) // trigger.every
    steps = [*range(1, min(count, MAX_MISSED) + 1), count]
    times = [(after + trigger.every * step).astimezone(UTC) for step in steps]
    return times, times[-1] if count else None


def _cron_times(trigger: Cron, after: datetime, now: datetime) -> Found:
    times = list(islice(_until(trigger, after, now), MAX_MISSED + 1))
    if len(times) <= MAX_MISSED:
        return times, times[-1] if times else None
    for length in _SEARCHES:
        recent = list(_until(trigger, max(after, now - length), now))
        if recent:
            return times, recent[-1]
    return times, times[-1]


def _until(trigger: Cron, after: datetime, now: datetime) -> Iterator[datetime]:
    return takewhile(lambda at: at <= now, _fires(trigger, after))


def _fires(trigger: Cron, after: datetime) -> Iterator[datetime]:
    """Return the instants of the expression after ``after``.

    In the repeated hour of autumn cronsim starts from the wall clock alone and may answer with an
    instant before ``after``; those are dropped.
    """
    for local in CronSim(trigger.cron, after.astimezone(zone_of(trigger.timezone))):
        at = local.astimezone(UTC)
        if at > after:
            yield at
