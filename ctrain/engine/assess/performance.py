"""Performance: a metric of matured rows that the champion served."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, blind
from ctrain.engine.assess.segments import Remembered, segment_rows
from ctrain.engine.sight import Sight, between
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
    unseen = blind(sight, name, as_of)
    if unseen is not None:
        return Assessed(unseen, memory)
    champion, losses = sight.champion, sight.losses
    assert champion is not None
    assert losses is not None
    assert losses.labels is not None
    assert losses.scores is not None
    end = as_of - watch.policy.data.labels.matures_after
    start = max(end - monitor.window, champion.since_at)
    window = between(losses.table["event_at"].to_numpy().astype("datetime64[us]"), start, max(start, end))
    labels, scores = losses.labels[window], losses.scores[champion.version][window]
    labelled = np.isfinite(labels)
    remembered = Remembered.of(watch, sight, monitor, losses.table, window, memory)
    verdict = assess_performance(
        name,
        monitor,
        watch.policy.model.task,
        labels[labelled],
        scores[labelled],
        as_of,
        window_rows=int(labels.size),
        coverage=float(labelled.mean()) if labels.size else 0.0,
        min_coverage=watch.policy.data.labels.min_coverage,
        model_version=champion.version,
        segments=segment_rows(losses.table, window, remembered, labelled),
    )
    return Assessed(verdict, remembered.to_json() or None)
