"""Change: a detector fed with the matured rows of one more pane."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, blind
from ctrain.engine.sight import Sight, between
from ctrain.monitors.baselines import Baseline
from ctrain.monitors.change import Values, fold_values, memory_of
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.losses import row_losses

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def change_assessed(
    watch: Watch,
    sight: Sight,
    name: MonitorName,
    monitor: ChangeMonitor,
    as_of: datetime,
    memory: Json | None,
) -> Assessed:
    unseen = blind(sight, name, as_of)
    if unseen is not None:
        return Assessed(unseen, memory)
    champion, scored = sight.champion, sight.losses
    assert champion is not None
    assert scored is not None
    assert scored.labels is not None
    assert scored.scores is not None
    end = as_of - watch.policy.data.labels.matures_after
    known = memory or {}
    start = datetime.fromisoformat(known["until"]) if "until" in known else end - watch.policy.data.pane
    instants = scored.table["event_at"].to_numpy().astype("datetime64[us]")
    start = max(start, champion.since_at)
    pane = between(instants, start, max(end, start))
    model = watch.policy.model
    losses = row_losses(model.task, model.metric, scored.labels[pane], scored.scores[champion.version][pane])
    usable = np.isfinite(losses)
    seed = known.get("baseline")
    before = known.get("state") or (memory_of(monitor, Baseline.from_json(seed)) if seed else None)
    rows = Values(losses[usable], instants[pane][usable])
    state, verdict = fold_values(name, monitor, before, rows, as_of, champion.version)
    return Assessed(verdict, {"state": state, "until": max(end, start).isoformat()})
