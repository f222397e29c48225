"""Retention: rows, panes and verdicts that nothing can need any more are removed once a day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.engine.matured import floor_to, longest
from ctrain.engine.quality_sight import longest_of_rows
from ctrain.engine.reference_times import longest_window, reach
from ctrain.engine.references import FIRST_WINDOWS
from ctrain.policy.models import LastWindow
from ctrain.policy.monitors import (
    DomainClassifierMonitor,
    EstimatedPerformanceMonitor,
    PerformanceMonitor,
    VolumeMonitor,
)

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy

DAY = timedelta(days=1)
FOLDERS_KEPT = 10
"""So many runs keep their folder: training rows, held-out rows and logs."""
RUNS_LOOKED_AT = 50
VERDICTS_KEPT = timedelta(days=400)
"""A year of verdicts can be looked back on."""


def kept_for(policy: Policy) -> timedelta | None:
    """How long rows are kept: what the policy says, else the longest that anything reaches back.

    None keeps them for ever: the training window is all rows.
    """
    if policy.data.retention is not None:
        return policy.data.retention
    window = policy.train.window
    if not isinstance(window, LastWindow):
        return None
    longest_reach = max(
        window.last + (window.lag or timedelta(0)),
        reach(policy),
        longest_window(policy) * FIRST_WINDOWS,
        longest(policy, EstimatedPerformanceMonitor),
        longest(policy, PerformanceMonitor),
        longest(policy, VolumeMonitor),
        longest_of_rows(policy),
        _longest_of_classifiers(policy),
    )
    judged = policy.shadow.max_duration + 2 * policy.probation.duration
    return longest_reach + judged + policy.data.labels.matures_after + policy.data.allowed_lateness + DAY


def _longest_of_classifiers(policy: Policy) -> timedelta:
    """Without a training window their reference are the first rows, and it is made once."""
    windows = [one.window for one in policy.monitors.values() if isinstance(one, DomainClassifierMonitor)]
    return max(windows, default=timedelta(0)) * (FIRST_WINDOWS + 1)


def retire(watch: Watch) -> None:
    """Remove what has grown too old; does something only when a new day of events has begun.

    What is too old goes by the last pane that has been judged: a backlog is read faster than it is judged.
    """
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    if state.watermark is None or state.next_pane_at is None:
        return
    judged_until = min(state.watermark, state.next_pane_at)
    day = floor_to(judged_until, DAY)
    if watch.retired_on == day:
        return
    length = kept_for(watch.policy)
    segments = [] if length is None else list(watch.row_log.retire(floor_to(judged_until - length, DAY)))
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.remove_segments(watch.name, [segment.id for segment in segments])
        tx.drop_panes(watch.name, judged_until - reach(watch.policy) - DAY)
        kept = longest_of_rows(watch.policy) + watch.policy.data.pane + DAY
        tx.drop_arrivals(watch.name, judged_until - kept)
        if watch.forgets:
            tx.prune(watch.name, judged_until - VERDICTS_KEPT)
        older = tx.runs(watch.name, limit=RUNS_LOOKED_AT)[FOLDERS_KEPT:]
    watch.row_log.delete(segments)
    for run in older:
        if run.phase.ended:
            watch.workspace.remove(run.id)
    watch.retired_on = day
    if segments:
        watch.telemetry.log("rows_retired", policy=watch.name, segments=len(segments))
