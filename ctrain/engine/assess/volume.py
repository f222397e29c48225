"""Volume: rows per window."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.quality_sight import segments_at
from ctrain.engine.segment_counts import ROWS
from ctrain.engine.sight import Sight, between
from ctrain.monitors.volume import assess_volume
from ctrain.policy.monitors import VolumeMonitor
from ctrain.stats.segments import OTHER

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def volume_verdict(
    watch: Watch, sight: Sight, name: MonitorName, monitor: VolumeMonitor, as_of: datetime
) -> Verdict:
    assert sight.arrivals is not None
    if sight.first_pane_at is None or as_of - monitor.window < sight.first_pane_at:
        return inconclusive(name, as_of, "the window begins before the first row")
    window = between(sight.arrivals, as_of - monitor.window, as_of)
    rows = window.stop - window.start
    if monitor.by is None:
        return assess_volume(name, monitor, rows, as_of)
    return assess_volume(name, monitor, rows, as_of, _segments(watch, name, monitor, as_of))


def _segments(watch: Watch, name: MonitorName, monitor: VolumeMonitor, as_of: datetime) -> dict[str, int]:
    """Rows of each known segment; the others together only when there are any."""
    chosen = segments_at(watch, monitor, None, as_of)
    counted = watch.segment_counts[name].window(as_of - monitor.window, as_of, chosen)
    return {value: one[ROWS] for value, one in counted.items() if value != OTHER or one[ROWS]}
