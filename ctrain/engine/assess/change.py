"""Change: a detector fed with one more pane of what it watches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Json, MonitorName
from ctrain.engine.assess.outcome import Assessed, inconclusive
from ctrain.engine.assess.served import served
from ctrain.engine.segment_counts import frequent_values
from ctrain.engine.sight import Sight
from ctrain.engine.watched_values import Rows, needs_labels, stream_of, watched_values
from ctrain.monitors.change import fold_values
from ctrain.policy.monitors import ChangeMonitor, OnMetric
from ctrain.stats.segments import frequent_values as of_rows

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
    """The verdict after the rows since the last one: matured rows where labels are needed, else all."""
    labelled = needs_labels(monitor)
    found = served(sight.champion, sight.losses if labelled else sight.recent)
    if isinstance(found, str):
        return Assessed(inconclusive(name, as_of, found, sight.champion), memory)
    policy, known = watch.policy, memory or {}
    end = as_of - policy.data.labels.matures_after if labelled else as_of
    unread, until = found.unread(known, end, policy.data.pane)
    rows = found.rows.part(unread)
    state = known.get("state")
    names = _segment_names(sight, monitor, rows, state)
    state, verdict = fold_values(
        name,
        monitor,
        state,
        watched_values(policy, monitor, rows, names),
        as_of,
        found.champion.version,
        stream=stream_of(policy, monitor),
        names=names,
    )
    return Assessed(verdict, {"state": state, "until": until.isoformat()})


def _segment_names(sight: Sight, monitor: ChangeMonitor, rows: Rows, state: Json | None) -> list[str] | None:
    """The segments with a detector of their own: as before, else the most frequent of the reference.

    Without a reference a metric takes those of the pane, because it needs them to have a value at
    all; other monitors wait until enough rows have told them.
    """
    if monitor.by is None:
        return None
    if state is not None and state.get("names"):
        return [str(name) for name in state["names"]]
    found = frequent_values(sight.reference, monitor.by, monitor.max_segments, ())
    if found or not isinstance(monitor.on, OnMetric):
        return list(found) or None
    return list(of_rows(rows.table, monitor.by, monitor.max_segments)) or None
