"""Retention: what nothing can need any more is removed, once a day of event time and in small batches.

Events are never removed: each vouches for all before it, and together they are the history that is
audited. Runs and alias moves, which they tell of, stay with them; all three are few.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName
from ctrain.engine.instants import DAY, floor_to
from ctrain.engine.matured import longest
from ctrain.engine.quality_sight import longest_of_rows
from ctrain.engine.reference_times import longest_window, reach
from ctrain.engine.references import FIRST_WINDOWS
from ctrain.engine.retired_days import add_retired
from ctrain.engine.scores import scores_folder
from ctrain.policy.models import LastWindow
from ctrain.policy.monitors import (
    DomainClassifierMonitor,
    EstimatedPerformanceMonitor,
    PerformanceMonitor,
    VolumeMonitor,
)

if TYPE_CHECKING:
    from ctrain.domain import Version
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction
    from ctrain.settings import Retention

FOLDERS_KEPT = 10
"""So many runs keep their folder (training rows, held-out rows and logs), and what they had scored."""
RUNS_LOOKED_AT = 50
BATCH = 1000
"""So many rows of a table are deleted in one tick; the next goes on."""
REFERENCES_KEPT = 5
"""So many references are kept beside those of versions that have been, are or may be champion."""
MOVES_LOOKED_AT = 5
"""Alias moves and runs whose versions may be needed again."""


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
    """Remove what has grown too old; a new day brings something to do."""
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    now = watch.clock.now()
    if state.watermark is not None and state.next_pane_at is not None:
        judged_until = min(state.watermark, state.next_pane_at)
        _retire_rows(watch, judged_until)
        if watch.behind or state.watermark - judged_until >= watch.policy.data.pane:
            now = judged_until
    if watch.forgets:
        _forget_judgements(watch, now)


def _retire_rows(watch: Watch, judged_until: datetime) -> None:
    """Remove rows and profiles that are too old for the last pane that has been judged, and old folders.

    A backlog is read faster than it is judged.
    """
    day = floor_to(judged_until, DAY)
    if watch.retired_on == day:
        return
    length = kept_for(watch.policy)
    segments = [] if length is None else list(watch.row_log.retire(floor_to(judged_until - length, DAY)))
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.remove_segments(watch.name, [segment.id for segment in segments])
        add_retired(tx, watch.name, segments)
        drop_profiles(tx, watch.policy, judged_until)
    watch.row_log.delete(segments)
    _remove_folders(watch)
    watch.retired_on = day
    if segments:
        watch.telemetry.log("rows_retired", policy=watch.name, segments=len(segments))


def _forget_judgements(watch: Watch, now: datetime) -> None:
    """Forget what was judged and decided long before ``now``: the present, or the pane that is judged now.

    Without new rows schedules come due, models are trained and rows grow stale all the same: then the
    present counts.
    """
    day = floor_to(now, DAY)
    if watch.forgotten_on is not None and day <= watch.forgotten_on:
        return
    watch.row_log.forget_set_aside(day - _kept_aside(watch))
    with watch.store.write() as tx:
        watch.fence(tx)
        done = forget(tx, watch.name, now, watch.retention)
    if done:
        _remove_folders(watch)
        watch.forgotten_on = day


def _kept_aside(watch: Watch) -> timedelta:
    """How long rows are kept that could not be used: as long as every verdict, and no longer than other rows.

    It is counted from the day on which they came: what has only such rows never comes to a later pane.
    """
    return min(watch.retention.verdicts, kept_for(watch.policy) or watch.retention.verdicts)


def _remove_folders(watch: Watch) -> None:
    """Remove what runs have left in the workspace, but for the newest, and what they asked to be scored.

    A run that ends while its challenger is scored never collects the answer.
    """
    with watch.store.read() as tx:
        older = tx.runs(watch.name, limit=RUNS_LOOKED_AT)[FOLDERS_KEPT:]
        used = _versions_in_use(tx, watch.name)
    for run in older:
        if run.phase.ended:
            watch.workspace.remove(run.id)
            if run.challenger_version is not None and run.challenger_version not in used:
                watch.workspace.remove(scores_folder(watch.name, run.challenger_version))


def drop_profiles(tx: Transaction, policy: Policy, judged_until: datetime) -> None:
    """Delete profiles of panes, and how their rows arrived, that no window reaches any more."""
    name = PolicyName(policy.policy)
    tx.drop_panes(name, judged_until - reach(policy) - DAY)
    tx.drop_arrivals(name, judged_until - longest_of_rows(policy) - policy.data.pane - DAY)


def forget(tx: Transaction, policy: PolicyName, now: datetime, retention: Retention) -> bool:
    """Delete a batch of what was judged and decided long ago; False when there may be more of it."""
    deleted = tx.prune(
        policy, thinned_before=now - retention.verdicts, before=now - retention.history, limit=BATCH
    )
    tx.prune_versions(policy, _versions_in_use(tx, policy), REFERENCES_KEPT)
    return max(deleted.values()) < BATCH


def _versions_in_use(tx: Transaction, policy: PolicyName) -> set[Version]:
    """The champion, its predecessors of late, and what the newest runs compare: a rollback needs them."""
    champion = tx.champion(policy)
    named = [champion.version if champion else None]
    for run in tx.runs(policy, limit=MOVES_LOOKED_AT):
        named += [run.champion_version, run.challenger_version]
    for move in tx.intents(policy, limit=MOVES_LOOKED_AT):
        named += [move.expected_champion, move.expected_previous, move.new_champion, move.new_previous]
    return {version for version in named if version}
