"""Performance: a metric of matured rows that the champion served."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, inconclusive
from ctrain.engine.assess.segments import Remembered, segment_rows
from ctrain.engine.assess.served import served
from ctrain.engine.sight import Sight
from ctrain.monitors.performance import assess_performance
from ctrain.policy.monitors import PerformanceMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def performance_assessed(
    watch: Watch,
    sight: Sight,
    name: MonitorName,
    monitor: PerformanceMonitor,
    as_of: datetime,
    memory: Json | None,
) -> Assessed:
    """The verdict on the window of matured rows; of segments it is remembered which there are."""
    found = served(sight.champion, sight.losses)
    if isinstance(found, str):
        return Assessed(inconclusive(name, as_of, found, sight.champion), memory)
    end = as_of - watch.policy.data.labels.matures_after
    rows = found.rows.part(found.window(end - monitor.window, end))
    labelled = np.isfinite(rows.labels)
    remembered = Remembered.of(watch, sight, monitor, rows.table, memory)
    verdict = assess_performance(
        name,
        monitor,
        watch.policy.model.task,
        rows.labels[labelled],
        rows.scores[labelled],
        as_of,
        window_rows=labelled.size,
        coverage=float(labelled.mean()) if labelled.size else 0.0,
        min_coverage=watch.policy.data.labels.min_coverage,
        model_version=found.champion.version,
        segments=segment_rows(rows.table, remembered, labelled),
    )
    return Assessed(verdict, remembered.to_json() or None)
