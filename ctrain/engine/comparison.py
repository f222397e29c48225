"""Fold matured blocks of live rows into a paired comparison of two versions, each block once.

The shadow compares challenger with champion, the probation the new champion with the one before it.
The state of the comparison, the next block and the point that is shown are committed together, so a
restart continues exactly where the last commit stood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Run, Version
from ctrain.engine.instants import floor_to
from ctrain.engine.matured import matured_until
from ctrain.engine.moves import found_in, with_details
from ctrain.engine.scores import Scored, load_scored
from ctrain.engine.slices import slice_masks, with_block
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.losses import bounded_losses
from ctrain.stats.sequential import Bounds, ComparisonState

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
    evidence: RowEvidence
    points: tuple[tuple[datetime, Json], ...] = ()
    waiting: bool = False
    failure: str = ""
    folded_until: datetime | None = None
    clipped_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ComparedBlock:
    """One block: when it ended, and by how much the losses of its rows differ."""

    end: datetime
    differences: npt.NDArray[np.float64]
    """Of its rows, in event-time order."""
    clipped: int
    slices: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Mean difference and rows of each slice that has any."""

    @property
    def mean(self) -> float:
        return float(self.differences.mean())

    @property
    def rows(self) -> int:
        return int(self.differences.size)


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at after each block, and the bounds that are shown."""

    bounds: Callable[[ComparisonState], Bounds]
    enough: Callable[[Progress], bool]


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
            "evidence": RowEvidence().to_json(),
            "clipped_rows": 0,
        },
    )


def fold(
    watch: Watch,
    run: Run,
    phase: str,
    new: Version,
    old: Version,
    look: Look,
    last_at: datetime | None = None,
) -> Progress:
    """Fold matured blocks in order, up to the one after which ``look`` has seen enough.

    d = loss of ``new`` - loss of ``old`` on the same rows. However many blocks a tick finds, each is
    looked at, so a backlog comes to the verdict that a daemon which saw every block came to. No
    block that ends after ``last_at`` is folded.
    """
    found = found_in(run, phase)
    block = timedelta(seconds=found["block_seconds"])
    start = datetime.fromisoformat(found["next_block"])
    end = _last_matured(watch, start, block, last_at)
    evidence = RowEvidence.from_json(found["evidence"]) if "evidence" in found else RowEvidence()
    state = ComparisonState.from_json(found["state"])
    progress = Progress(run, state, evidence, folded_until=start, clipped_share=_share(found))
    if end == start:
        return progress
    scored = load_scored(watch, (old, new), start, end)
    if scored.state != "ready":
        failure = scored.message if scored.state == "failed" else ""
        return replace(progress, waiting=not failure, failure=failure)
    for compared in _blocks(watch, scored, new, old, _edges(start, end, block), found):
        progress = _with_block(progress, phase, compared, look.bounds)
        if look.enough(progress):
            break
    return progress


def _with_block(
    before: Progress, phase: str, compared: ComparedBlock, bounds: Callable[[ComparisonState], Bounds]
) -> Progress:
    """The comparison after one more block; one without rows only lets time pass."""
    if not compared.rows:
        run = with_details(before.run, phase, {"next_block": compared.end.isoformat()})
        return replace(before, run=run, folded_until=compared.end)
    state = before.state.with_block(compared.mean, compared.rows)
    evidence = before.evidence.with_rows(compared.differences)
    found = found_in(before.run, phase)
    following = {
        "next_block": compared.end.isoformat(),
        "state": state.to_json(),
        "evidence": evidence.to_json(),
        "clipped_rows": int(found["clipped_rows"]) + compared.clipped,
    }
    if "slices" in found:
        following["slices"] = with_block(found["slices"], compared.slices)
    run = with_details(before.run, phase, following)
    point = (compared.end, _point(state, bounds(state), compared.mean, compared.rows))
    return replace(
        before,
        run=run,
        state=state,
        evidence=evidence,
        points=(*before.points, point),
        folded_until=compared.end,
        clipped_share=_share(found_in(run, phase)),
    )


def _share(found: Any) -> float:
    rows = ComparisonState.from_json(found["state"]).rows
    return int(found["clipped_rows"]) / rows if rows else 0.0


def _last_matured(watch: Watch, start: datetime, block: timedelta, last_at: datetime | None) -> datetime:
    """End of the last whole block after ``start`` whose labels have matured."""
    with watch.store.read() as tx:
        until = matured_until(tx.ingest_state(watch.name), watch.policy)
    if until is not None and last_at is not None:
        until = min(until, last_at)
    if until is None or until <= start:
        return start
    return start + block * min((until - start) // block, BLOCKS_PER_TICK)


def _blocks(
    watch: Watch,
    scored: Scored,
    new: Version,
    old: Version,
    edges: Sequence[datetime],
    found: Json,
) -> Iterator[ComparedBlock]:
    """Each block between two edges, in order, with its comparable rows."""
    assert scored.labels is not None
    assert scored.scores is not None
    scale = found["scale"]
    masks = slice_masks(scored.table, found.get("slices", {}))
    task, metric = watch.policy.model.task, watch.policy.model.metric
    instants = scored.table["event_at"].to_numpy().astype("datetime64[us]")
    borders = [np.datetime64(edge.replace(tzinfo=None), "us") for edge in edges]
    positions = np.searchsorted(instants, np.array(borders))
    for index, block_end in enumerate(edges[1:]):
        inside = slice(positions[index], positions[index + 1])
        labels = scored.labels[inside]
        ours, ours_cut = bounded_losses(task, metric, labels, scored.scores[new][inside], scale)
        theirs, theirs_cut = bounded_losses(task, metric, labels, scored.scores[old][inside], scale)
        differences = ours - theirs
        values = differences[np.isfinite(differences)]
        clipped = round(max(ours_cut, theirs_cut) * values.size) if values.size else 0
        slices = _by_slice(differences, {name: mask[inside] for name, mask in masks.items()})
        yield ComparedBlock(block_end, values, clipped, slices)


def _by_slice(
    differences: npt.NDArray[np.float64], masks: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, tuple[float, int]]:
    usable = np.isfinite(differences)
    chosen = {name: differences[mask & usable] for name, mask in masks.items()}
    return {name: (float(values.mean()), int(values.size)) for name, values in chosen.items() if values.size}


def _edges(start: datetime, end: datetime, block: timedelta) -> list[datetime]:
    return [start + block * index for index in range((end - start) // block + 1)]


def _point(state: ComparisonState, bounds: Bounds, mean: float, rows: int) -> dict[str, Any]:
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


def measure(watch: Watch, progress: Progress, margin: float) -> None:
    """Show the confidence sequence as it stands, and what it closes in on."""
    if not progress.points:
        return
    point = progress.points[-1][1]
    for name, key in (("shadow_difference", "mean"), ("shadow_lower", "lower"), ("shadow_upper", "upper")):
        watch.telemetry.gauge(name, point[key], policy=watch.name)
    watch.telemetry.gauge("shadow_margin", margin, policy=watch.name)
    rows = sum(one["block_rows"] for _, one in progress.points)
    watch.telemetry.count("shadow_rows_total", rows, policy=watch.name)
