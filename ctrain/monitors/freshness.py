"""Freshness: is there still anything coming in?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict
from ctrain.monitors.first_few import first_few
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import FreshnessMonitor

MOST_NAMED = 5


def assess_freshness(
    name: MonitorName,
    monitor: FreshnessMonitor,
    newest_event_at: datetime | None,
    now: datetime,
    segments: Mapping[str, datetime] | None = None,
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
    segments
        event time of the newest row of each segment: every one of them has to be fresh, and the
        verdict is that of the oldest.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> monitor = FreshnessMonitor(type="freshness", max_age="2h")
    >>> assess_freshness(MonitorName("fresh"), monitor, noon, noon + timedelta(hours=3)).reason
    'the newest row is 3h old, 2h are allowed'
    """
    allowed = monitor.max_age
    threshold = allowed.total_seconds()
    if newest_event_at is not None and segments:
        return _by_segment(name, monitor, segments, now)
    if newest_event_at is None:
        reason = "no row has been seen yet"
        return Verdict(name, now, Status.INCONCLUSIVE, None, threshold, 0, reason)
    age = max(now - newest_event_at, timedelta(0))
    reason = f"the newest row is {format_duration(age)} old, {format_duration(allowed)} are allowed"
    status = Status.BREACHED if age > allowed else Status.OK
    return Verdict(name, now, status, age.total_seconds(), threshold, 1, reason)


def _by_segment(
    name: MonitorName, monitor: FreshnessMonitor, segments: Mapping[str, datetime], now: datetime
) -> Verdict:
    each = {value: assess_freshness(name, monitor, newest, now) for value, newest in segments.items()}
    oldest = sorted(segments, key=lambda value: (segments[value], value))
    stale = [value for value in oldest if each[value].status is Status.BREACHED]
    threshold = monitor.max_age.total_seconds()
    features = tuple(
        FeatureVerdict(
            column=f"rows [{monitor.by}={value}]",
            test="freshness",
            statistic=each[value].value or 0.0,
            effect=each[value].value or 0.0,
            threshold=threshold,
            breached=value in stale,
            n=1,
            note=each[value].reason,
        )
        for value in oldest
    )
    told = [f"{monitor.by}={value}: {each[value].reason}" for value in stale or oldest[:1]]
    reason = "; ".join(first_few(told, MOST_NAMED))
    worst = each[oldest[0]]
    return Verdict(name, now, worst.status, worst.value, threshold, len(segments), reason, features)
