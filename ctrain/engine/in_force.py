"""The reference in force, and the grids on which panes are counted for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ctrain.domain import Champion
from ctrain.engine.instants import floor_to
from ctrain.engine.panes import CountedGrid
from ctrain.engine.predictions import PredictionReader, State, served_from, with_scores
from ctrain.engine.reference_files import load_reference_file
from ctrain.engine.references import NO_CHAMPION, first_rows, keep_reference, load_reference
from ctrain.engine.watch_memory import InForce
from ctrain.policy.models import FromChampion, ReferencePath
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.grid import Grid
from ctrain.stats.profile import Profile

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy
    from ctrain.stats.reference import Reference


def reference_in_force(watch: Watch, champion: Champion | None) -> InForce | None:
    """What windows are compared with now; None while there is nothing.

    Raises InputError when it is made from a file that cannot be used.
    """
    reference = _reference(watch, champion)
    if reference is None:
        return None
    if watch.in_force is None or watch.in_force.whole is not reference:
        watch.in_force = InForce(reference, _inputs(reference))
    return watch.in_force


def _reference(watch: Watch, champion: Champion | None) -> Reference | None:
    """None without a champion where it is made of the champion's training rows; others need no champion."""
    match watch.policy.reference:
        case ReferencePath():
            return load_reference_file(watch)
        case FromChampion() if champion is None:
            return None
        case _:
            return load_reference(watch, champion)


def _inputs(reference: Reference) -> Reference:
    if reference.scores is None:
        return reference
    columns = {name: reference.grid.columns[name] for name in reference.panes}
    grid = Grid(columns, reference.grid.pane, reference.grid.where)
    whole = reference.profile
    profile = Profile(grid.name, whole.rows, {name: whole.columns[name] for name in columns})
    return replace(reference, grid=grid, profile=profile, scores=None, _variability={})


def input_grids(policy: Policy, reference: Reference, start: datetime) -> Iterator[CountedGrid]:
    """The grids on which the panes from ``start`` on are counted: of all rows, and of each segment."""
    yield CountedGrid(reference.grid, start)
    for by in sorted(_segments_compared(policy)):
        for one in reference.segments.get(by, ()):
            yield CountedGrid(one.grid, start, partial(reference.rows_of, segment=one))


def _segments_compared(policy: Policy) -> set[str]:
    """Columns by whose values panes are needed."""
    monitors = policy.monitors.values()
    return {one.by for one in monitors if isinstance(one, DriftMonitor) and one.by}


def scores_in_force(
    watch: Watch, champion: Champion | None, whole: Reference
) -> tuple[State, Reference | None]:
    """The scores of the reference in force; made from the first rows served where it has none.

    None until there are enough of them, and for a file, which has scores or has not.
    """
    if whole.scores is not None or isinstance(watch.policy.reference, ReferencePath):
        return "ready", whole.scores
    with watch.store.read() as tx:
        watermark = tx.ingest_state(watch.name).watermark
    pane, start = watch.policy.data.pane, served_from(watch, champion, None)
    rows = watermark and first_rows(watch, start, floor_to(watermark, pane))
    if not rows:
        return "ready", None
    read = PredictionReader(watch, champion)
    end = floor_to(rows["event_at"][rows.num_rows - 1].as_py(), pane) + pane
    predictions = read(start, end)
    if predictions is None:
        return ("failed" if read.absent and read.absent.state == "failed" else "pending"), None
    version = champion.version if champion else NO_CHAMPION
    both = with_scores(whole, predictions)
    whose = f"of version {version}" if champion else "logged"
    keep_reference(
        watch, version, both, f"scores {whose} are compared with those of {rows.num_rows} first rows"
    )
    return "ready", both.scores
