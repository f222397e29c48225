"""What a window is compared with: the reference's own rows, or panes that lie before the window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ctrain.engine.instants import EPOCH, MICROSECOND
from ctrain.engine.panes import pane_tree
from ctrain.engine.reference_times import Stretch, same_hours, sliding_stretch
from ctrain.policy.models import LastWindow, SameHours
from ctrain.stats.profile import Profile, merge
from ctrain.stats.reference import Reference
from ctrain.stats.variability import (
    PaneCounts,
    Variability,
    spans_of,
    variability_between,
    variability_within,
)

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.monitors import DriftMonitor

FEWEST_WEEKS = 3
"""With fewer weeks nothing is known of how much they differ among themselves."""
MOST_PARTS = 400
"""A sliding reference is looked at in so many parts at most, to see how much its windows vary."""


class Compared(NamedTuple):
    """The other side of a test, and how much windows of it differ among themselves."""

    profile: Profile
    variability: Variability


def compared(
    watch: Watch,
    reference: Reference,
    monitor: DriftMonitor,
    start: datetime,
    as_of: datetime,
    known_from: datetime,
) -> Compared | str:
    """What the window ``[start, as_of)`` is compared with, or why there is nothing yet.

    Panes from ``known_from`` on can be compared with.
    """
    match watch.policy.reference:
        case LastWindow():
            return _sliding(watch, reference, monitor, sliding_stretch(watch.policy, as_of), known_from)
        case SameHours():
            weeks = same_hours(watch.policy, start, as_of)
            return _seasonal(watch, reference, monitor, weeks, known_from)
        case _:
            known = reference.variability(monitor.window, monitor.min_rows, monitor.test)
            return Compared(reference.profile, known)


def _sliding(
    watch: Watch, reference: Reference, monitor: DriftMonitor, stretch: Stretch, known_from: datetime
) -> Compared | str:
    start, end = stretch
    if start < known_from:
        return f"the reference begins on {start:%Y-%m-%d %H:%M}, before the first row to compare with"
    profile = pane_tree(watch).merged(reference.grid.name, start, end)
    if profile.rows < monitor.min_rows:
        return f"the reference needs {monitor.min_rows:,} rows, has {profile.rows:,}"
    key = (reference.grid.name, stretch, monitor.window, monitor.min_rows, monitor.test)
    if key not in watch.variabilities:
        for other in [one for one in watch.variabilities if one[1] != stretch]:
            del watch.variabilities[other]
        watch.variabilities[key] = _variability(watch, reference, profile, monitor, stretch)
    return Compared(profile, watch.variabilities[key])


def _variability(
    watch: Watch, reference: Reference, whole: Profile, monitor: DriftMonitor, stretch: Stretch
) -> Variability:
    """How much windows of the monitor's length inside the stretch differ from the rest of it."""
    tree, grid = pane_tree(watch), reference.grid
    part = _part(monitor.window, watch.policy.data.pane, stretch)
    number = (stretch[1] - stretch[0]) // part
    starts = [stretch[1] - part * back for back in range(number, 0, -1)]
    profiles = [tree.merged(grid.name, start, start + part) for start in starts]
    instants = np.array([(start - EPOCH) // MICROSECOND for start in starts], dtype=np.int64)
    rows = np.array([one.rows for one in profiles], dtype=np.int64)
    panes = {name: PaneCounts.of([one.columns[name] for one in profiles]) for name in grid.columns}
    spans = spans_of(instants, rows, part, monitor.window, monitor.min_rows)
    whole = whole if starts[0] == stretch[0] else merge(profiles)
    return variability_within(grid, whole, panes, rows, spans, monitor.test)


def _part(window: timedelta, pane: timedelta, stretch: Stretch) -> timedelta:
    """Windows begin at every such part of the stretch: a quarter of the window, if its panes allow."""
    for share in (4, 3, 2):
        part = window / share
        if part % pane == timedelta(0) and (stretch[1] - stretch[0]) // part <= MOST_PARTS:
            return part
    return window


def _seasonal(
    watch: Watch,
    reference: Reference,
    monitor: DriftMonitor,
    weeks: list[Stretch],
    known_from: datetime,
) -> Compared | str:
    tree = pane_tree(watch)
    whole = [
        tree.merged(reference.grid.name, start, end) for start, end in weeks if known_from <= start < end
    ]
    found = [profile for profile in whole if profile.rows]
    if len(found) < FEWEST_WEEKS:
        return f"needs rows of these hours in {FEWEST_WEEKS} of the last {len(weeks)} weeks, has {len(found)}"
    usual = weeks_that_tell(found, monitor.min_rows)
    return Compared(merge(found), variability_between(usual, reference.grid, monitor.test))


def weeks_that_tell(weeks: Sequence[Profile], min_rows: int) -> Sequence[Profile]:
    """The weeks that tell how much weeks differ: those with half of ``min_rows`` or more, if they are enough.

    A few rows before an outage differ from everything by chance, and would hide what has drifted.
    """
    full = [one for one in weeks if 2 * one.rows >= min_rows]
    return full if len(full) >= FEWEST_WEEKS else weeks
