"""Freshness: is there still anything coming in?"""

from __future__ import annotations

from datetime import datetime, timedelta

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import FreshnessMonitor


def assess_freshness(
    name: MonitorName, monitor: FreshnessMonitor, newest_event_at: datetime | None, now: datetime
) -> Verdict:
    """Return BREACHED when the newest row is older than ``max_age``; exactly that old is OK.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    newest_event_at
        event time of the newest row ever seen; None before the first, which is INCONCLUSIVE: since
        when one should have come is not known.
    now
        the present; value and threshold of the verdict are seconds.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> monitor = FreshnessMonitor(type="freshness", max_age="2h")
    >>> assess_freshness(MonitorName("fresh"), monitor, noon, noon + timedelta(hours=3)).reason
    'the newest row is 3h old, 2h are allowed'

    References
    ----------
    None; a comparison of two instants.
    """
    allowed = monitor.max_age
    threshold = allowed.total_seconds()
    if newest_event_at is None:
        reason = "no row has been seen yet"
        return Verdict(name, now, Status.INCONCLUSIVE, None, threshold, 0, reason)
    age = max(now - newest_event_at, timedelta(0))
    reason = f"the newest row is {format_duration(age)} old, {format_duration(allowed)} are allowed"
    status = Status.BREACHED if age > allowed else Status.OK
    return Verdict(name, now, status, age.total_seconds(), threshold, 1, reason)
