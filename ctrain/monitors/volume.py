"""Volume: are there as many rows as there should be?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict
from ctrain.monitors.first_few import first_few
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import VolumeMonitor

MOST_NAMED = 5


def assess_volume(
    name: MonitorName,
    monitor: VolumeMonitor,
    rows: int,
    as_of: datetime,
    segments: Mapping[str, int] | None = None,
) -> Verdict:
    """Return BREACHED when the window held fewer than ``min_rows`` or more than ``max_rows`` rows.

    Parameters
    ----------
    name, monitor
        which monitor of the policy; without a bound the verdict is INCONCLUSIVE.
    rows
        rows of the window that ends at ``as_of``; none at all is a number like any other.
    as_of
        end of the closed pane.
    segments
        rows of each segment, those that are known and have none included: the bounds are for each of
        them then, not for all rows. A count is what it is: no correction for how many there are.

    Examples
    --------
    >>> from datetime import UTC
    >>> monitor = VolumeMonitor(type="volume", window="1h", min_rows=10)
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> assess_volume(MonitorName("rows"), monitor, 9, noon).reason
    '9 rows in 1h, at least 10 are expected'
    """
    if segments is not None:
        return _by_segment(name, monitor, segments, as_of)
    least, most = monitor.min_rows, monitor.max_rows
    seen = f"{rows} rows in {format_duration(monitor.window)}"
    if least is None and most is None:
        reason = f"{seen}; neither min_rows nor max_rows is set"
        return Verdict(name, as_of, Status.INCONCLUSIVE, float(rows), None, rows, reason)
    status, threshold, reason = Status.OK, most if least is None else least, f"{seen}, as expected"
    if least is not None and rows < least:
        status, threshold, reason = Status.BREACHED, least, f"{seen}, at least {least} are expected"
    elif most is not None and rows > most:
        status, threshold, reason = Status.BREACHED, most, f"{seen}, at most {most} are expected"
    return Verdict(name, as_of, status, float(rows), float(threshold or 0), rows, reason)


def _by_segment(
    name: MonitorName, monitor: VolumeMonitor, segments: Mapping[str, int], as_of: datetime
) -> Verdict:
    total = sum(segments.values())
    if not segments:
        reason = f"no value of {monitor.by} has been seen yet"
        return Verdict(name, as_of, Status.INCONCLUSIVE, None, None, total, reason)
    each = {value: assess_volume(name, monitor, rows, as_of) for value, rows in segments.items()}
    breached = [value for value, one in each.items() if one.status is Status.BREACHED]
    features = tuple(
        FeatureVerdict(
            column=f"rows [{monitor.by}={value}]",
            test="volume",
            statistic=float(segments[value]),
            effect=float(segments[value]),
            threshold=one.threshold or 0.0,
            breached=value in breached,
            n=segments[value],
            note=one.reason,
        )
        for value, one in sorted(each.items(), key=lambda item: item[0] not in breached)
    )
    if not breached:
        status = next(iter(each.values())).status
        reason = f"{total} rows in {format_duration(monitor.window)}, {len(segments)} segments as expected"
        return Verdict(name, as_of, status, None, None, total, reason, features)
    told = [f"{monitor.by}={value}: {each[value].reason}" for value in breached]
    reason = "; ".join(first_few(told, MOST_NAMED))
    worst = each[breached[0]]
    return Verdict(name, as_of, Status.BREACHED, worst.value, worst.threshold, total, reason, features)
