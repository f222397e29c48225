"""What came of strategies that were replayed: counts and costs, the timeline, drift, trainings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.backtest.replay import Replayed, suppressed
from ctrain.backtest.result import Happening, Look, Outcome, Training
from ctrain.domain import Phase
from ctrain.engine.moves import found_in
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.backtest.launcher import Cost
    from ctrain.backtest.ledger import Judged, Point
    from ctrain.domain import Event, Run

PROMOTED, ROLLED_BACK = "promoted", "rolled_back"
TOLD = frozenset({"run_queued", PROMOTED, ROLLED_BACK, "champion_changed_outside"})
"""Kinds of events that the timeline holds beside the ends of runs."""


def retrains_of(replayed: Replayed) -> int:
    """How many runs trained after the first model."""
    return len({cost.run_id for cost in _costs_of(replayed) if cost.trained})


def _costs_of(replayed: Replayed) -> list[Cost]:
    """Of all that was trained after the first model."""
    first = replayed.reigns[0].since_at
    return [cost for cost in replayed.costs if cost.started_at >= first]


def outcome(replayed: Replayed, judged: Judged, points: Sequence[Point]) -> Outcome:
    """What came of a strategy."""
    first, costs = replayed.reigns[0].since_at, _costs_of(replayed)
    promoted = [event for event in replayed.events if event.kind == PROMOTED]
    return Outcome(
        name=replayed.strategy.name,
        metric=judged.mean,
        rows=judged.rows,
        retrains=retrains_of(replayed),
        promotions=len(promoted) - 1,
        rollbacks=sum(run.phase is Phase.ROLLED_BACK for run in replayed.runs),
        train_seconds=sum(cost.seconds for cost in costs),
        rows_trained=sum(cost.rows for cost in costs),
        series=tuple(points),
        suppressed=suppressed(replayed),
        runs=_by_phase([run for run in replayed.runs if run.created_at >= first]),
    )


def averaged(name: str, outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of outcomes on the same rows, counts rounded; of one, itself."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return first

    def mean(counts: Iterable[float]) -> float:
        return sum(counts) / len(outcomes)

    def mean_counts(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
        names = sorted({key for one in counts for key in one})
        return {key: round(mean(one.get(key, 0) for one in counts)) for key in names}

    points = zip(*(one.series for one in outcomes), strict=True)
    return Outcome(
        name=name,
        metric=mean(one.metric for one in outcomes),
        rows=first.rows,
        retrains=round(mean(one.retrains for one in outcomes)),
        promotions=round(mean(one.promotions for one in outcomes)),
        rollbacks=round(mean(one.rollbacks for one in outcomes)),
        train_seconds=mean(one.train_seconds for one in outcomes),
        rows_trained=round(mean(one.rows_trained for one in outcomes)),
        series=tuple(replace(at[0], metric=mean(one.metric for one in at), version=None) for at in points),
        suppressed=mean_counts([one.suppressed for one in outcomes]),
        runs=mean_counts([one.runs for one in outcomes]),
        phases=tuple(one.metric for one in outcomes),
    )


def _by_phase(runs: Sequence[Run]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.phase.value] = counts.get(run.phase.value, 0) + 1
    return counts


def timeline(replayed: Replayed) -> list[Happening]:
    """Triggers that fired, with their reasons, the ends of runs, promotions and rollbacks."""
    triggers = {str(run.id): str(run.trigger) for run in replayed.runs}
    ends = {f"run_{phase.value.lower()}" for phase in Phase if phase.ended}
    found = []
    for event in replayed.events:
        if event.kind in TOLD or event.kind in ends:
            found.append(_happening(event, triggers))
    return found


def _happening(event: Event, triggers: Mapping[str, str]) -> Happening:
    run = str(event.run_id) if event.run_id else None
    version = event.evidence.get("version")
    return Happening(event.at, event.kind, event.message, run, triggers.get(run) if run else None, version)


def drift_of(replayed: Replayed) -> dict[str, list[Look]]:
    """By feature, what monitors of drift saw at each look that said something."""
    monitors = replayed.strategy.loaded.policy.monitors
    found: dict[str, list[Look]] = {}
    for verdict in replayed.verdicts:
        if not isinstance(monitors[verdict.monitor], DriftMonitor):
            continue
        for feature in verdict.features:
            if math.isfinite(feature.effect) and feature.threshold > 0:
                ratio = feature.effect / feature.threshold
                look = Look(verdict.as_of, ratio, feature.n or verdict.n, verdict.model_version)
                found.setdefault(feature.column, []).append(look)
    return found


def first_training(replayed: Replayed) -> tuple[float, int]:
    """Seconds and rows of the training of the first model, failed attempts at it included."""
    first = replayed.reigns[0].since_at
    costs = [cost for cost in replayed.costs if cost.started_at < first]
    return sum(cost.seconds for cost in costs), sum(cost.rows for cost in costs)


def trainings_of(replayed: Replayed) -> list[Training]:
    """The runs that got as far as a training."""
    found = []
    for run in replayed.runs:
        training = found_in(run, "training")
        if "cut_off" in training:
            start, end = (datetime.fromisoformat(training[key]) for key in ("holdout_start", "cut_off"))
            found.append(Training(run.id, run.challenger_version, start, end))
    return found
