"""Drift: panes of the window against the reference in force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.sight import LOOKBACK_WINDOWS, Sight
from ctrain.monitors.drift import assess_drift
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def drift_verdict(
    watch: Watch, sight: Sight, name: MonitorName, monitor: DriftMonitor, as_of: datetime
) -> Verdict:
    if sight.champion is None:
        return inconclusive(name, as_of, "there is no champion yet, so nothing to compare with")
    if sight.reference is None or as_of <= sight.unseen_from:
        return inconclusive(name, as_of, "there are no rows after those of a reference yet", sight.champion)
    start = as_of - monitor.window * LOOKBACK_WINDOWS
    panes = [(one, profile) for one, profile in sight.profiles.items() if start <= one < as_of]
    return assess_drift(
        name,
        monitor,
        sight.reference,
        panes,
        as_of,
        watch.policy.data.pane,
        sight.champion.version,
    )
