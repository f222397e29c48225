"""Profiles of closed panes on the champion's grid: from memory, from the store, or from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import IngestState, SegmentKind
from ctrain.engine.matured import floor_to
from ctrain.stats.profile import Profile, profile_panes, profile_table

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.stats.reference import Reference


def pane_starts(start: datetime, end: datetime, pane: timedelta) -> list[datetime]:
    """Starts of the panes that lie in ``[start, end)``; ``start`` is a pane's start."""
    return [start + pane * index for index in range(max((end - start) // pane, 0))]


def first_row_at(watch: Watch, state: IngestState) -> datetime | None:
    """Event time of the earliest punctual row that is kept; None before there is one.

    Until the first pane has closed a row may still arrive before it; after that it is looked up once.
    """
    if state.next_pane_at is None or watch.first_row_at is None:
        watch.first_row_at = _earliest(watch)
    return watch.first_row_at


def _earliest(watch: Watch) -> datetime | None:
    with watch.store.read() as tx:
        dates = sorted({one.event_date for one in tx.segments(watch.name, SegmentKind.ROWS)})
    for date in dates:
        day = datetime.fromisoformat(date + "T00:00:00+00:00")
        rows = watch.row_log.read(day, day + timedelta(days=1), include_late=False)
        if rows.num_rows:
            first: datetime = rows["event_at"][0].as_py()
            return first
    return None


def load_panes(
    watch: Watch, reference: Reference, start: datetime, end: datetime
) -> tuple[dict[datetime, Profile], dict[datetime, Profile]]:
    """Profiles of every pane of ``[start, end)``, and those of them that are new and not stored yet.

    A pane is counted once per grid; a new grid (another champion) counts the rows it needs again.
    """
    grid = reference.grid.name
    pane = watch.policy.data.pane
    wanted = pane_starts(floor_to(start, pane), end, pane)
    _forget_before(watch, grid, wanted[0] if wanted else end)
    absent = [one for one in wanted if (grid, one) not in watch.profiles]
    if absent:
        with watch.store.read() as tx:
            stored = tx.panes(watch.name, grid, absent[0], absent[-1] + pane)
        for one, content in stored.items():
            watch.profiles[grid, one] = Profile.from_bytes(content)
    fresh = _count(watch, reference, [one for one in absent if (grid, one) not in watch.profiles])
    return {one: watch.profiles[grid, one] for one in wanted}, fresh


def _count(watch: Watch, reference: Reference, starts: Sequence[datetime]) -> dict[datetime, Profile]:
    if not starts:
        return {}
    pane, grid = watch.policy.data.pane, reference.grid
    rows = watch.row_log.read(starts[0], starts[-1] + pane, include_late=False)
    counted = profile_panes(rows, grid, pane)
    empty = profile_table(rows.slice(0, 0), grid)
    fresh = {one: counted.get(one, empty) for one in starts}
    for one, profile in fresh.items():
        watch.profiles[grid.name, one] = profile
    return fresh


def _forget_before(watch: Watch, grid: str, start: datetime) -> None:
    """Keep in memory only what the windows of the grid in force can reach."""
    for key in [key for key in watch.profiles if key[0] != grid or key[1] < start]:
        del watch.profiles[key]
