"""Which stretches of time windows and their references span, for each kind of reference.

Rows of the current window are never in its reference: a window grows back in time no further than
to the end of the rows that it is compared with.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ctrain.engine.instants import EPOCH, ceil_to, floor_to
from ctrain.engine.quality_sight import quality_reach
from ctrain.policy.models import LastWindow, SameHours
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.policy.models import Policy

LOOKBACK_WINDOWS = 4
"""A drift window grows back to at most this many times its length to find ``min_rows``."""
DAY, WEEK, HOUR = timedelta(days=1), timedelta(days=7), timedelta(hours=1)

Stretch = tuple[datetime, datetime]


def longest_window(policy: Policy) -> timedelta:
    """The longest window of the monitors that look at panes; zero when there are none."""
    windows = [one.window for one in policy.monitors.values() if isinstance(one, DriftMonitor)]
    return max(quality_reach(policy), *windows, timedelta(0))


def furthest_start(policy: Policy, as_of: datetime, window: timedelta, unseen_from: datetime) -> datetime:
    """The earliest start of a pane at which a window that ends at ``as_of`` may begin."""
    limits = [ceil_to(unseen_from, policy.data.pane), as_of - window * LOOKBACK_WINDOWS]
    match policy.reference:
        case LastWindow():
            limits.append(sliding_stretch(policy, as_of)[1])
        case SameHours():
            limits.append(shifted(policy, as_of, 1))
    return max(limits)


def sliding_stretch(policy: Policy, as_of: datetime) -> Stretch:
    """The stretch of ``{last: ..., lag: ...}`` for windows that end at ``as_of``.

    It moves on with the days (UTC) of event time, or with panes that are longer than a day, and ends
    at least one window of the longest monitor before the day began, whatever the lag.
    """
    reference = policy.reference
    assert isinstance(reference, LastWindow)
    pane = policy.data.pane
    day = as_of if pane > DAY else floor_to(as_of, DAY)
    end = floor_to(day - max(reference.lag or timedelta(0), longest_window(policy)), pane)
    return ceil_to(end - reference.last, pane), end


def same_hours(policy: Policy, start: datetime, end: datetime) -> list[Stretch]:
    """The hours of ``[start, end)`` in each of the weeks of ``{same_hours_last: ...}``, newest first."""
    reference = policy.reference
    assert isinstance(reference, SameHours)
    weeks = reference.same_hours_last // WEEK
    return [(shifted(policy, start, one), shifted(policy, end, one)) for one in range(1, weeks + 1)]


def shifted(policy: Policy, instant: datetime, weeks: int) -> datetime:
    """The same local hour ``weeks`` weeks earlier, as the start of the nearest pane.

    Local is ``data.event_time.timezone``, or UTC without one. So at nine in the morning is compared
    with at nine in the morning also when clocks were changed in between. In the hour that occurs
    twice the occurrence stays the same; an hour that was skipped is the one after it.
    """
    zone = ZoneInfo(policy.data.event_time.timezone or "UTC")
    local = instant.astimezone(zone)
    earlier = (local.replace(tzinfo=None) - weeks * WEEK).replace(tzinfo=zone, fold=local.fold)
    pane = policy.data.pane
    return floor_to(earlier.astimezone(UTC) + pane / 2, pane)


def needed_from(policy: Policy, as_of: datetime, unseen_from: datetime) -> datetime:
    """The earliest start of a pane that windows ending at ``as_of``, or their references, may need."""
    furthest = furthest_start(policy, as_of, longest_window(policy), unseen_from)
    match policy.reference:
        case LastWindow():
            return min(sliding_stretch(policy, as_of)[0], furthest)
        case SameHours():
            return same_hours(policy, furthest, as_of)[-1][0]
        case _:
            return furthest


def reach(policy: Policy) -> timedelta:
    """How far back before the end of a window panes can be needed at most."""
    some_day = EPOCH + 20_000 * DAY
    length = some_day - needed_from(policy, some_day, EPOCH)
    return length + policy.data.pane + DAY + HOUR
