"""Volume: are there as many rows as there should be?"""

from __future__ import annotations

from datetime import datetime

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import VolumeMonitor


def assess_volume(name: MonitorName, monitor: VolumeMonitor, rows: int, as_of: datetime) -> Verdict:
    """Return BREACHED when the window held fewer than ``min_rows`` or more than ``max_rows`` rows.

    Parameters
    ----------
    name, monitor
        which monitor of the policy; without a bound the verdict is INCONCLUSIVE.
    rows
        rows of the window that ends at ``as_of``; none at all is a number like any other.
    as_of
        end of the closed pane.

    Examples
    --------
    >>> from datetime import UTC
    >>> monitor = VolumeMonitor(type="volume", window="1h", min_rows=10)
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> assess_volume(MonitorName("rows"), monitor, 9, noon).reason
    '9 rows in 1h, at least 10 are expected'

    References
    ----------
    None; a comparison of counts.
    """
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
