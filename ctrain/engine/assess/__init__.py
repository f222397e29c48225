"""One monitor's verdict as of the end of one pane, from what was loaded for the stretch.

A module for each kind of monitor; what all of them give back is in ``outcome``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from ctrain.domain import Json, MonitorName, Verdict
from ctrain.engine.assess.change import change_assessed
from ctrain.engine.assess.domain_classifier import domain_classifier_verdict
from ctrain.engine.assess.drift import drift_verdict
from ctrain.engine.assess.estimated_performance import estimated_performance_assessed
from ctrain.engine.assess.outcome import Assessed, inconclusive
from ctrain.engine.assess.performance import performance_assessed
from ctrain.engine.assess.quality import quality_verdict
from ctrain.engine.assess.volume import volume_verdict
from ctrain.engine.sight import Sight
from ctrain.policy.monitors import (
    ChangeMonitor,
    DomainClassifierMonitor,
    DriftMonitor,
    EstimatedPerformanceMonitor,
    FreshnessMonitor,
    Monitor,
    PerformanceMonitor,
    PrometheusMonitor,
    QualityMonitor,
    VolumeMonitor,
)

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

__all__ = ["WITH_MEMORY", "Assessed", "assess", "inconclusive"]

WITH_MEMORY = (ChangeMonitor, EstimatedPerformanceMonitor, PerformanceMonitor)
"""Monitors that remember something of the champion in force from pane to pane."""


def assess(
    watch: Watch, sight: Sight, name: MonitorName, monitor: Monitor, as_of: datetime, memory: Json | None
) -> Assessed | None:
    """The verdict of ``monitor`` as of ``as_of``; None for a monitor that does not follow panes."""
    match monitor:
        case FreshnessMonitor() | PrometheusMonitor():
            return None
        case VolumeMonitor() | QualityMonitor():
            return Assessed(_of_rows(watch, sight, name, monitor, as_of))
        case DriftMonitor():
            return Assessed(drift_verdict(watch, sight, name, monitor, as_of))
        case DomainClassifierMonitor():
            return Assessed(domain_classifier_verdict(sight, name, monitor, as_of))
        case PerformanceMonitor():
            return performance_assessed(watch, sight, name, monitor, as_of, memory)
        case ChangeMonitor():
            return change_assessed(watch, sight, name, monitor, as_of, memory)
        case EstimatedPerformanceMonitor():
            return estimated_performance_assessed(watch, sight, name, monitor, as_of, memory)
        case _:
            assert_never(monitor)


def _of_rows(
    watch: Watch, sight: Sight, name: MonitorName, monitor: VolumeMonitor | QualityMonitor, as_of: datetime
) -> Verdict:
    """The verdict on how many rows there are, or on what is wrong with them whatever their distribution."""
    if isinstance(monitor, VolumeMonitor):
        return volume_verdict(watch, sight, name, monitor, as_of)
    return quality_verdict(watch, sight, name, monitor, as_of)
