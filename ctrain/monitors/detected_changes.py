"""Since when a change lasts that a change monitor has detected, by the detector's own estimate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ctrain.domain import Json, MonitorName


@dataclass(frozen=True, slots=True)
class DetectedChange:
    """A detected change: the monitor that found it, at the end of which pane, and since when it lasts."""

    monitor: MonitorName
    detected_at: datetime
    began_at: datetime


def latest_change(memories: Iterable[tuple[MonitorName, Json | None]]) -> DetectedChange | None:
    """Return the change that was detected last, among monitors and the segments of each; None: none was.

    Parameters
    ----------
    memories
        name and memory of change monitors, as ``fold_values`` returned it for one model version; None
        for a monitor that remembers nothing.

    Returns
    -------
    DetectedChange or None
        Of changes that were detected in one pane the one that began first: segments and monitors see
        the same change with more or fewer rows, and the rows after the first of them have changed.

    Examples
    --------
    >>> held = {"since": "2026-05-02T00:00:00+00:00", "began": "2026-05-01T09:00:00+00:00"}
    >>> memory = {"segments": {"": {"held": held}}}
    >>> found = latest_change([(MonitorName("error"), memory)])
    >>> found.began_at.isoformat()
    '2026-05-01T09:00:00+00:00'

    References
    ----------
    The estimates are those of ``ctrain.stats.detectors``.
    """
    found = [
        DetectedChange(name, datetime.fromisoformat(held["since"]), datetime.fromisoformat(held["began"]))
        for name, memory in memories
        if memory is not None
        for held in (segment.get("held") for segment in memory.get("segments", {}).values())
        if held
    ]
    if not found:
        return None
    last_at = max(one.detected_at for one in found)
    return min((one for one in found if one.detected_at == last_at), key=lambda one: one.began_at)
