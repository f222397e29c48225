"""Volume: rows per window."""

from __future__ import annotations

from datetime import datetime

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.sight import Sight, between
from ctrain.monitors.volume import assess_volume
from ctrain.policy.monitors import VolumeMonitor


def volume_verdict(sight: Sight, name: MonitorName, monitor: VolumeMonitor, as_of: datetime) -> Verdict:
    assert sight.arrivals is not None
    if sight.first_pane_at is None or as_of - monitor.window < sight.first_pane_at:
        return inconclusive(name, as_of, "the window begins before the first row")
    window = between(sight.arrivals, as_of - monitor.window, as_of)
    return assess_volume(name, monitor, window.stop - window.start, as_of)
