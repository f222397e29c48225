"""Schedules: cron lines with a time zone, and intervals; each occurrence is one instant, fired once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim

from ctrain.policy.fields import zone_of
from ctrain.policy.triggers import Cron, Every

MAX_MISSED = 100_000
"""Occurrences counted after a downtime; a schedule by the minute passes this after ten weeks."""


@dataclass(frozen=True, slots=True)
class Due:
    """The occurrence to fire now; ``missed`` older ones are skipped (one catch-up after downtime)."""

    at: datetime
    missed: int = 0


def due_occurrence(
    trigger: Cron | Every, last: datetime | None, since: datetime, now: datetime
) -> Due | None:
    """Return the latest occurrence in ``(last or since, now]``, or None.

    Parameters
    ----------
    last
        the occurrence that was claimed last; None: none so far.
    since
        when the schedule began to be watched: nothing before it is caught up.
    """
    start = max(last, since) if last is not None else since
    if now <= start:
        return None
    return _every(trigger, start, since, now) if isinstance(trigger, Every) else _cron(trigger, start, now)


def _every(trigger: Every, start: datetime, since: datetime, now: datetime) -> Due | None:
    """Whole intervals counted from ``since``, so that a late tick does not shift the schedule."""
    latest = (now - since) // trigger.every
    before = (start - since) // trigger.every
    if latest <= before:
        return None
    return Due(since + trigger.every * latest, latest - before - 1)


def _cron(trigger: Cron, start: datetime, now: datetime) -> Due | None:
    zone = zone_of(trigger.timezone)
    found: datetime | None = None
    count = 0
    for local in CronSim(trigger.cron, start.astimezone(zone)):
        at = local.astimezone(UTC)
        if at > now or count >= MAX_MISSED:
            break
        found, count = at, count + 1
    return None if found is None else Due(found, count - 1)
