"""Estimated performance: a metric of all rows that the champion served, from calibrated scores."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, blind, inconclusive
from ctrain.engine.assess.segments import Remembered, segment_rows
from ctrain.engine.scored import Floats
from ctrain.engine.sight import Sight, between
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
    unseen = blind(sight, name, as_of)
    if unseen is not None:
        return Assessed(unseen, memory)
    champion, scored = sight.champion, sight.estimates
    assert champion is not None
    assert scored is not None
    if scored.state == "failed":
        return Assessed(inconclusive(name, as_of, scored.message, champion), memory)
    assert scored.scores is not None
    known, until = _with_matured(watch, sight, monitor, as_of, memory or {})
    start = max(as_of - monitor.window, champion.since_at)
    instants = scored.table["event_at"].to_numpy().astype("datetime64[us]")
    window = between(instants, start, max(start, as_of))
    remembered = Remembered.of(watch, sight, monitor, scored.table, window, memory)
    verdict = assess_estimated_performance(
        name,
        monitor,
        watch.policy.model.task,
        scored.scores[champion.version][window],
        known,
        as_of,
        champion.version,
        scored.classes,
        segment_rows(scored.table, window, remembered),
    )
    return Assessed(verdict, {"calibration": known.to_json(), "until": until, **remembered.to_json()})


def _with_matured(
    watch: Watch, sight: Sight, monitor: EstimatedPerformanceMonitor, as_of: datetime, memory: Json
) -> tuple[CalibrationMemory, str]:
    """The calibration with the labelled rows since the last look, and until when they were taken."""
    champion, losses = sight.champion, sight.losses
    assert champion is not None
    assert losses is not None
    assert losses.labels is not None
    assert losses.scores is not None
    end = as_of - watch.policy.data.labels.matures_after
    start = datetime.fromisoformat(memory["until"]) if "until" in memory else end - watch.policy.data.pane
    start = max(start, champion.since_at)
    end = max(start, end)
    known = CalibrationMemory.of(monitor, memory.get("calibration"))
    if known.calibration is None:
        instants = losses.table["event_at"].to_numpy().astype("datetime64[us]")
        rows = between(instants, start, end)
        scores = losses.scores[champion.version][rows]
        task = watch.policy.model.task
        known = known.with_rows(monitor, task, losses.labels[rows], scores, losses.classes)
    return known, end.isoformat()
