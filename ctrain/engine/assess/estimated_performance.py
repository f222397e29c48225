"""Estimated performance: a metric of all rows that the champion served, from calibrated scores."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, inconclusive
from ctrain.engine.assess.segments import Remembered, segment_rows
from ctrain.engine.assess.served import Served, served
from ctrain.engine.scored import Floats
from ctrain.engine.sight import Sight
from ctrain.monitors.estimated_performance import CalibrationMemory, assess_estimated_performance
from ctrain.policy.monitors import EstimatedPerformanceMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy


def first_calibrations(
    policy: Policy, labels: Floats, scores: Floats, classes: tuple[str, ...]
) -> dict[MonitorName, Json]:
    """What monitors of estimated performance remember of a model that held-out rows were scored with."""
    task = policy.model.task
    return {
        MonitorName(name): {
            "calibration": CalibrationMemory(monitor.metric)
            .with_rows(monitor, task, labels, scores, classes)
            .to_json()
        }
        for name, monitor in policy.monitors.items()
        if isinstance(monitor, EstimatedPerformanceMonitor)
    }


def estimated_performance_assessed(
    watch: Watch,
    sight: Sight,
    name: MonitorName,
    monitor: EstimatedPerformanceMonitor,
    as_of: datetime,
    memory: Json | None,
) -> Assessed:
    """The verdict on the window that ends with the pane; matured rows go into a calibration still open."""
    labelled, found = served(sight.champion, sight.losses), served(sight.champion, sight.estimates)
    if isinstance(labelled, str) or isinstance(found, str):
        reason = labelled if isinstance(labelled, str) else str(found)
        return Assessed(inconclusive(name, as_of, reason, sight.champion), memory)
    known, until = _with_matured(watch, labelled, monitor, as_of, memory or {})
    rows = found.rows.part(found.window(as_of - monitor.window, as_of))
    remembered = Remembered.of(watch, sight, monitor, rows.table, memory)
    verdict = assess_estimated_performance(
        name,
        monitor,
        watch.policy.model.task,
        rows.scores,
        known,
        as_of,
        found.champion.version,
        found.classes,
        segment_rows(rows.table, remembered),
    )
    return Assessed(verdict, {"calibration": known.to_json(), "until": until, **remembered.to_json()})


def _with_matured(
    watch: Watch, labelled: Served, monitor: EstimatedPerformanceMonitor, as_of: datetime, memory: Json
) -> tuple[CalibrationMemory, str]:
    """The calibration with the labelled rows since the last look, and until when they were taken."""
    policy = watch.policy
    end = as_of - policy.data.labels.matures_after
    unread, until = labelled.unread(memory, end, policy.data.pane)
    known = CalibrationMemory.of(monitor, memory.get("calibration"))
    if known.calibration is None:
        rows = labelled.rows.part(unread)
        known = known.with_rows(monitor, policy.model.task, rows.labels, rows.scores, labelled.classes)
    return known, until.isoformat()
