"""The gauges of a monitor, set to its newest verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.domain import Status, Verdict
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def show_verdict(watch: Watch, verdict: Verdict) -> None:
    """Set status, value and threshold; for drift also the effects of the five features that drifted most."""
    labels = {"policy": watch.name, "monitor": verdict.monitor}
    for status in Status:
        watch.telemetry.gauge(
            "monitor_status", float(verdict.status is status), **labels, status=status.value
        )
    if verdict.value is not None:
        watch.telemetry.gauge("monitor_value", verdict.value, **labels)
    if verdict.threshold is not None:
        watch.telemetry.gauge("monitor_threshold", verdict.threshold, **labels)
    if not isinstance(watch.policy.monitors.get(verdict.monitor), DriftMonitor):
        return
    for feature in sorted(verdict.features, key=lambda one: -one.effect)[:5]:
        watch.telemetry.gauge("feature_drift", feature.effect, policy=watch.name, feature=feature.column)
