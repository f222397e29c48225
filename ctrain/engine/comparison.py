"""Fold matured blocks of live rows into a paired comparison of two versions, each block once.

The shadow compares challenger with champion, the probation the new champion with the one before it.
The state of the comparison, the next block and the point that is shown are committed together, so a
restart continues exactly where the last commit stood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrain.domain import Run, Version
from ctrain.engine.matured import floor_to, matured_until
from ctrain.engine.moves import found_in, with_details
from ctrain.engine.scores import Scored, load_scored
from ctrain.stats.losses import bounded_losses
from ctrain.stats.sequential import ComparisonState

if TYPE_CHECKING:
    from ctrain.domain import Json
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

BLOCKS_PER_TICK = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """A comparison after a look: the run with its new details, and the points to record."""

    run: Run
    state: ComparisonState
    points: tuple[tuple[datetime, Json], ...] = ()
    waiting: bool = False
    failure: str = ""
    folded_until: datetime | None = None
    clipped_share: float = 0.0


def begin(run: Run, phase: str, origin: datetime, block: timedelta, scale: float | None) -> Run:
    """The run with an empty comparison of ``phase`` whose first block starts at ``origin`` or later."""
    start = floor_to(origin, block)
    if start < origin:
        start += block
    return with_details(
        run,
        phase,
        {
            "origin": start.isoformat(),
            "next_block": start.isoformat(),
            "block_seconds": block.total_seconds(),
            "scale": scale,
            "state": ComparisonState().to_json(),
            "clipped_rows": 0,
        },
    )


def fold(watch: Watch, run: Run, phase: str, alpha: float, new: Version, old: Version) -> Progress:
    """Fold every block that has matured; d = loss of ``new`` - loss of ``old`` on the same rows."""
    found = found_in(run, phase)
    state = ComparisonState.from_json(found["state"])
    block = timedelta(seconds=found["block_seconds"])
    start = datetime.fromisoformat(found["next_block"])
    end = _last_matured(watch, start, block)
    if end == start:
        return Progress(run, state, folded_until=start, clipped_share=_share(found, state))
    scored = load_scored(watch, (old, new), start, end)
    if scored.state != "ready":
        return Progress(
            run,
            state,
            waiting=scored.state == "pending",
            failure=scored.message if scored.state == "failed" else "",
            folded_until=start,
            clipped_share=_share(found, state),
        )
    points = []
    clipped_rows = int(found["clipped_rows"])
    for block_end, mean, rows, clipped in _blocks(watch, scored, new, old, start, end, block, found["scale"]):
        state = state.with_block(mean, rows)
        clipped_rows += clipped
        points.append((block_end, _point(state, alpha, mean, rows)))
    following = {"next_block": end.isoformat(), "state": state.to_json(), "clipped_rows": clipped_rows}
    run = with_details(run, phase, following)
    return Progress(
        run, state, tuple(points), folded_until=end, clipped_share=_share(found_in(run, phase), state)
    )


def _share(found: Any, state: ComparisonState) -> float:
    return int(found["clipped_rows"]) / state.rows if state.rows else 0.0


def _last_matured(watch: Watch, start: datetime, block: timedelta) -> datetime:
    """End of the last whole block after ``start`` whose labels have matured."""
    with watch.store.read() as tx:
        until = matured_until(tx.ingest_state(watch.name), watch.policy)
    if until is None or until <= start:
        return start
    return start + block * min((until - start) // block, BLOCKS_PER_TICK)


def _blocks(
    watch: Watch,
    scored: Scored,
    new: Version,
    old: Version,
    start: datetime,
    end: datetime,
    block: timedelta,
    scale: float | None,
) -> Iterator[tuple[datetime, float, int, int]]:
    """End, mean difference, rows and clipped rows of each block that has comparable rows."""
    assert scored.labels is not None
    assert scored.scores is not None
    task, metric = watch.policy.model.task, watch.policy.model.metric
    ours, ours_clipped = bounded_losses(task, metric, scored.labels, scored.scores[new], scale)
    theirs, theirs_clipped = bounded_losses(task, metric, scored.labels, scored.scores[old], scale)
    differences = ours - theirs
    usable = np.isfinite(differences)
    instants = scored.table["event_at"].to_numpy().astype("datetime64[us]")
    borders = [np.datetime64(edge.replace(tzinfo=None), "us") for edge in _edges(start, end, block)]
    positions = np.searchsorted(instants, np.array(borders))
    share = max(ours_clipped, theirs_clipped)
    for index, block_end in enumerate(_edges(start + block, end, block)):
        inside = slice(positions[index], positions[index + 1])
        values = differences[inside][usable[inside]]
        if values.size:
            yield block_end, float(values.mean()), int(values.size), round(share * values.size)


def _edges(start: datetime, end: datetime, block: timedelta) -> list[datetime]:
    return [start + block * index for index in range((end - start) // block + 1)]


def _point(state: ComparisonState, alpha: float, mean: float, rows: int) -> dict[str, Any]:
    bounds = state.bounds(alpha)
    return {
        "blocks": state.blocks,
        "rows": state.rows,
        "block_mean": mean,
        "block_rows": rows,
        "mean": bounds.mean,
        "lower": bounds.lower,
        "upper": bounds.upper,
    }


def save_points(run: Run, progress: Progress) -> Callable[[Transaction], None]:
    """What to do in the transaction that commits the folded blocks: keep their points."""

    def save(tx: Transaction) -> None:
        for at, point in progress.points:
            tx.add_comparison_point(run.id, run.phase, at, point)

    return save


def measure(watch: Watch, progress: Progress) -> None:
    """Show the confidence sequence as it stands."""
    if not progress.points:
        return
    point = progress.points[-1][1]
    for name, key in (("shadow_difference", "mean"), ("shadow_lower", "lower"), ("shadow_upper", "upper")):
        watch.telemetry.gauge(name, point[key], policy=watch.name)
    rows = sum(one["block_rows"] for _, one in progress.points)
    watch.telemetry.count("shadow_rows_total", rows, policy=watch.name)
