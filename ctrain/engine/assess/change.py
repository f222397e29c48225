"""Change: a detector fed with one more pane of what it watches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Champion, Json, MonitorName, Verdict
from ctrain.engine.assess.outcome import Assessed, blind, inconclusive
from ctrain.engine.scored import Scored
from ctrain.engine.segment_counts import frequent_values
from ctrain.engine.sight import Sight, between
from ctrain.engine.watched import Rows, needs_labels, stream_of, watched_values
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
    unseen = blind(sight, name, as_of) if labelled else _blind(sight, name, as_of)
    if unseen is not None:
        return Assessed(unseen, memory)
    champion, scored = sight.champion, sight.losses if labelled else sight.recent
    assert champion is not None
    assert scored is not None
    policy, known = watch.policy, memory or {}
    end = as_of - policy.data.labels.matures_after if labelled else as_of
    start = datetime.fromisoformat(known["until"]) if "until" in known else end - policy.data.pane
    start = max(start, champion.since_at)
    end = max(end, start)
    rows = _rows(scored, champion)
    rows = rows.part(between(rows.event_at, start, end))
    state = known.get("state")
    names = _segment_names(sight, monitor, rows, state)
    state, verdict = fold_values(
        name,
        monitor,
        state,
        watched_values(policy, monitor, rows, names),
        as_of,
        champion.version,
        stream=stream_of(policy, monitor),
        names=names,
    )
    return Assessed(verdict, {"state": state, "until": end.isoformat()})


def _blind(sight: Sight, name: MonitorName, as_of: datetime) -> Verdict | None:
    """Why rows cannot be judged before their labels are there, or None when they can."""
    if sight.champion is None or sight.recent is None:
        return inconclusive(name, as_of, "there is no champion yet, so there is nothing to compare with")
    if sight.recent.state == "failed":
        return inconclusive(name, as_of, sight.recent.message, sight.champion)
    return None


def _rows(scored: Scored, champion: Champion) -> Rows:
    scores = None if scored.scores is None else scored.scores[champion.version]
    return Rows(scored.table, scored.labels, scores)


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
