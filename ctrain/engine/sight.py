"""What the monitors look at for a stretch of closed panes, loaded once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Champion, Json
from ctrain.engine.matured import EPOCH_START, ceil_to, floor_to, longest
from ctrain.engine.panes import Counted, count_panes, first_row_at
from ctrain.engine.quality_sight import quality_reach, with_quality
from ctrain.engine.references import load_reference
from ctrain.engine.scores import Scored, load_scored
from ctrain.engine.separations import Separations, load_separations
from ctrain.policy.monitors import ChangeMonitor, DriftMonitor, PerformanceMonitor, VolumeMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.stats.reference import Reference

LOOKBACK_WINDOWS = 4
"""A drift window grows back to at most this many times its length to find ``min_rows``."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Rows and losses that reach every window of the panes that end in ``(start, end]``."""

    champion: Champion | None
    reference: Reference | None = None
    """Of the champion's inputs."""
    losses: Scored | None = None
    arrivals: np.ndarray[tuple[int], np.dtype[np.datetime64]] | None = None
    """Event times of punctual rows, ascending; for volume."""
    first_pane_at: datetime | None = None
    """Start of the pane of the earliest row; for volume."""
    unseen_from: datetime = EPOCH_START
    """No row of the reference, and none that the champion was trained on, is as late as this."""
    separations: Separations = field(default_factory=dict)
    """What domain classifiers found, by monitor and end of a pane."""
    waiting: bool = False
    counting: bool = False
    """Not all panes have been counted on the grids in force; the next look goes on."""
    arrived: Mapping[datetime, Json] = field(default_factory=dict)
    """How the rows of panes arrived, by their start; for quality."""


def look(watch: Watch, champion: Champion | None, first_end: datetime, last_end: datetime) -> Sight:
    """Load what the monitors need for panes that end in ``[first_end, last_end]``."""
    sight = _with_arrivals(watch, Sight(champion), first_end, last_end)
    if champion is None:
        return with_quality(watch, sight, first_end, last_end)
    losses = _losses(watch, champion, first_end, last_end)
    if losses is not None and losses.state == "pending":
        return replace(sight, waiting=True)
    separations = load_separations(watch, champion, pane_ends(watch, first_end, last_end))
    if separations is None:
        return replace(sight, waiting=True)
    sight = replace(sight, losses=losses, separations=separations)
    return _with_panes(watch, sight, champion, first_end, last_end)


def pane_ends(watch: Watch, first_end: datetime, last_end: datetime) -> list[datetime]:
    """The ends of the panes of a stretch."""
    pane = watch.policy.data.pane
    return [first_end + pane * index for index in range((last_end - first_end) // pane + 1)]


def _with_panes(
    watch: Watch, sight: Sight, champion: Champion, first_end: datetime, last_end: datetime
) -> Sight:
    """With the panes that drift windows may reach: none that holds rows the champion was trained on."""
    length, quality = longest(watch.policy, DriftMonitor), quality_reach(watch.policy)
    reference = load_reference(watch, champion) if length or quality else None
    if reference is None:
        return with_quality(watch, sight, first_end, last_end)
    unseen_from = max(champion.cut_off_at or EPOCH_START, reference.end or EPOCH_START)
    start = max(first_end - length * LOOKBACK_WINDOWS, ceil_to(unseen_from, watch.policy.data.pane))
    if quality:
        start = min(start, first_end - quality)
    if not count_panes(watch, [Counted(reference.grid, start)], last_end):
        return replace(sight, waiting=True, counting=True)
    sight = replace(sight, reference=reference, unseen_from=unseen_from)
    return with_quality(watch, sight, first_end, last_end)


def _losses(watch: Watch, champion: Champion, first_end: datetime, last_end: datetime) -> Scored | None:
    """Matured rows that the champion served, with its scores; None when no monitor asks for them."""
    policy = watch.policy
    if not any(isinstance(one, PerformanceMonitor | ChangeMonitor) for one in policy.monitors.values()):
        return None
    matures_after = policy.data.labels.matures_after
    reach = max(longest(policy, PerformanceMonitor), policy.data.pane)
    start = max(first_end - matures_after - reach, champion.since_at)
    end = max(last_end - matures_after, start)
    return load_scored(watch, (champion.version,), start, end, logged_since=champion.since_at)


def _with_arrivals(watch: Watch, sight: Sight, first_end: datetime, last_end: datetime) -> Sight:
    reach = longest(watch.policy, VolumeMonitor)
    if not reach:
        return sight
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    first = first_row_at(watch, state)
    rows = watch.row_log.read(first_end - reach, last_end, include_late=False)
    return replace(
        sight,
        arrivals=rows["event_at"].to_numpy().astype("datetime64[us]"),
        first_pane_at=first and floor_to(first, watch.policy.data.pane),
    )


def between(
    instants: np.ndarray[tuple[int], np.dtype[np.datetime64]], start: datetime, end: datetime
) -> slice:
    """Positions of the ascending ``instants`` that lie in ``[start, end)``."""
    edges = np.array([np.datetime64(edge.replace(tzinfo=None), "us") for edge in (start, end)])
    first, last = np.searchsorted(instants, edges)
    return slice(int(first), int(last))
