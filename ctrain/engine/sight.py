"""What the monitors look at for a stretch of closed panes, loaded once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Champion
from ctrain.engine.in_force import input_grids, reference_in_force, scores_in_force
from ctrain.engine.instants import EPOCH, ceil_to, floor_to, pane_ends
from ctrain.engine.matured import longest
from ctrain.engine.panes import CountedGrid, count_panes, first_row_at, pane_tree
from ctrain.engine.predictions import count_scores, served_from, wants_scores
from ctrain.engine.quality_sight import load_counts, quality_reach
from ctrain.engine.reference_times import longest_window, needed_from
from ctrain.engine.scores import Scored, load_scored
from ctrain.engine.separations import Separations, load_separations
from ctrain.engine.watched_values import needs_labels
from ctrain.errors import InputError
from ctrain.policy.models import FromChampion
from ctrain.policy.monitors import (
    ChangeMonitor,
    EstimatedPerformanceMonitor,
    PerformanceMonitor,
    VolumeMonitor,
)
from ctrain.policy.triggers import Regret

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.stats.reference import Reference


@dataclass(frozen=True, slots=True)
class Sight:
    """Rows and losses that reach every window of the panes that end in ``(start, end]``."""

    champion: Champion | None
    reference: Reference | None = None
    """What windows are compared with; of a sliding or seasonal one its grid."""
    losses: Scored | None = None
    """Matured rows."""
    recent: Scored | None = None
    """Rows of the stretch itself, labelled or not, for what is watched without labels."""
    estimates: Scored | None = None
    """Rows of the windows of estimated performance, labelled or not."""
    arrivals: np.ndarray[tuple[int], np.dtype[np.datetime64]] | None = None
    """Event times of punctual rows, ascending; for volume."""
    first_pane_at: datetime | None = None
    """Start of the pane of the earliest row."""
    unseen_from: datetime = EPOCH
    """Start of the first pane without rows of the reference, or rows that the champion was trained on."""
    scores: Reference | None = None
    """What scores are compared with, where a monitor names the prediction."""
    scores_from: datetime = EPOCH
    """Start of the first pane whose scores can be compared with them."""
    no_scores: str = ""
    """Why scores cannot be read."""
    unreadable: str = ""
    """Why there is no reference: its file cannot be used."""
    separations: Separations = field(default_factory=dict)
    """What domain classifiers found, by monitor and end of a pane."""
    waiting: bool = False
    counting: bool = False
    """Not all panes have been counted on the grids in force; the next look goes on."""


def look(watch: Watch, champion: Champion | None, first_end: datetime, last_end: datetime) -> Sight:
    """Load what the monitors need for panes that end in ``[first_end, last_end]``."""
    sight = _with_arrivals(watch, Sight(champion), first_end, last_end)
    if champion is not None:
        losses = _losses(watch, champion, first_end, last_end)
        if losses is not None and losses.state == "pending":
            return replace(sight, waiting=True)
        recent = _recent(watch, champion, first_end, last_end)
        if recent is not None and recent.state == "pending":
            return replace(sight, waiting=True)
        estimates = _estimates(watch, champion, first_end, last_end)
        if estimates is not None and estimates.state == "pending":
            return replace(sight, waiting=True)
        separations = load_separations(
            watch, champion, pane_ends(watch.policy.data.pane, first_end, last_end)
        )
        if separations is None:
            return replace(sight, waiting=True)
        sight = replace(sight, losses=losses, recent=recent, estimates=estimates, separations=separations)
    if longest_window(watch.policy):
        sight = _with_panes(watch, sight, first_end, last_end)
    if not sight.waiting:
        load_counts(watch, sight.reference, first_end, last_end)
    return sight


def _with_panes(watch: Watch, sight: Sight, first_end: datetime, last_end: datetime) -> Sight:
    """With the panes that windows may reach: none that holds rows of the reference."""
    try:
        found = reference_in_force(watch, sight.champion)
    except InputError as error:
        return replace(sight, unreadable=str(error))
    first = _first_pane(watch)
    if found is None or first is None:
        return sight
    policy, champion, (whole, reference) = watch.policy, sight.champion, found
    unseen_from = reference.end or EPOCH
    if champion is not None and isinstance(policy.reference, FromChampion):
        unseen_from = max(champion.cut_off_at or EPOCH, unseen_from)
    unseen_from = ceil_to(unseen_from, policy.data.pane)
    start = max(needed_from(policy, first_end, unseen_from), first)
    quality = quality_reach(policy)
    grids = list(input_grids(policy, reference, min(start, first_end - quality) if quality else start))
    _forget_other_grids(watch, grids, whole.scores)
    if not count_panes(watch, grids, last_end):
        return replace(sight, waiting=True, counting=True)
    sight = replace(sight, reference=reference, unseen_from=unseen_from, first_pane_at=first)
    return _with_scores(watch, sight, whole, first_end, last_end)


def _forget_other_grids(watch: Watch, grids: list[CountedGrid], scores: Reference | None) -> None:
    names = {one.grid.name for one in grids}
    pane_tree(watch).keep_only(names | {scores.grid.name} if scores else names)


def _with_scores(
    watch: Watch, sight: Sight, whole: Reference, first_end: datetime, last_end: datetime
) -> Sight:
    """With the panes of scores that windows may reach, where a monitor names the prediction."""
    if not wants_scores(watch.policy):
        return sight
    state, scores = scores_in_force(watch, sight.champion, whole)
    if state == "pending":
        return replace(sight, waiting=True)
    if scores is None:
        return sight
    scores_from = served_from(watch, sight.champion, scores)
    start = max(needed_from(watch.policy, first_end, scores_from), scores_from)
    state, message = count_scores(watch, sight.champion, scores, start, last_end)
    if state in ("pending", "counting"):
        return replace(sight, waiting=True, counting=state == "counting")
    if state == "failed":
        return replace(sight, no_scores=message)
    return replace(sight, scores=scores, scores_from=scores_from)


def _first_pane(watch: Watch) -> datetime | None:
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    first = first_row_at(watch, state)
    return first and floor_to(first, watch.policy.data.pane)


def _losses(watch: Watch, champion: Champion, first_end: datetime, last_end: datetime) -> Scored | None:
    """Matured rows that the champion served, with its scores; None when nothing asks for them."""
    policy = watch.policy
    if not any(
        isinstance(one, EstimatedPerformanceMonitor | PerformanceMonitor | Regret)
        or (isinstance(one, ChangeMonitor) and needs_labels(one))
        for one in (*policy.monitors.values(), *policy.triggers.values())
    ):
        return None
    matures_after = policy.data.labels.matures_after
    reach = max(longest(policy, PerformanceMonitor), policy.data.pane)
    start = max(first_end - matures_after - reach, champion.since_at)
    end = max(last_end - matures_after, start)
    return load_scored(watch, (champion.version,), start, end, logged_since=champion.since_at)


def _estimates(watch: Watch, champion: Champion, first_end: datetime, last_end: datetime) -> Scored | None:
    """All rows that the champion served in the windows of estimated performance, with its scores."""
    reach = longest(watch.policy, EstimatedPerformanceMonitor)
    if not reach:
        return None
    since = champion.since_at
    start = max(first_end - reach, since)
    end = max(last_end, start)
    return load_scored(watch, (champion.version,), start, end, logged_since=since, unlabelled=True)


def _recent(watch: Watch, champion: Champion, first_end: datetime, last_end: datetime) -> Scored | None:
    """Rows that the champion served, with its scores where a monitor watches them."""
    at_once = [
        one
        for one in watch.policy.monitors.values()
        if isinstance(one, ChangeMonitor) and not needs_labels(one)
    ]
    if not at_once:
        return None
    start = max(first_end - watch.policy.data.pane, champion.since_at)
    end = max(last_end, start)
    if all(one.on != "prediction" for one in at_once):
        return Scored("ready", table=watch.row_log.read(start, end, include_late=False))
    since = champion.since_at
    return load_scored(watch, (champion.version,), start, end, logged_since=since, unlabelled=True)


def _with_arrivals(watch: Watch, sight: Sight, first_end: datetime, last_end: datetime) -> Sight:
    reach = longest(watch.policy, VolumeMonitor)
    if not reach:
        return sight
    rows = watch.row_log.read(first_end - reach, last_end, include_late=False)
    return replace(
        sight,
        arrivals=rows["event_at"].to_numpy().astype("datetime64[us]"),
        first_pane_at=_first_pane(watch),
    )


def between(
    instants: np.ndarray[tuple[int], np.dtype[np.datetime64]], start: datetime, end: datetime
) -> slice:
    """Positions of the ascending ``instants`` that lie in ``[start, end)``."""
    edges = np.array([np.datetime64(edge.replace(tzinfo=None), "us") for edge in (start, end)])
    first, last = np.searchsorted(instants, edges)
    return slice(int(first), int(last))
