"""What a backtest found, and the document that ``--json`` writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrain.backtest.ledger import Judged, Point
from ctrain.backtest.replay import Replayed, suppressed
from ctrain.domain import Phase
from ctrain.engine.moves import found_in
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.backtest.launcher import Cost
    from ctrain.domain import Event, Run, RunId, Version

PROMOTED, ROLLED_BACK = "promoted", "rolled_back"
TOLD = frozenset({"run_queued", PROMOTED, ROLLED_BACK, "champion_changed_outside"})
"""Kinds of events that the timeline holds beside the ends of runs."""


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one strategy reached, and what it cost; the first model, which all share, is not counted."""

    name: str
    metric: float
    """Mean loss of the matured rows, each under the version that served it."""
    rows: int
    retrains: int
    """Runs that trained, those that came to nothing included; a refit belongs to its run."""
    promotions: int
    rollbacks: int
    train_seconds: float
    rows_trained: int
    series: tuple[Point, ...]
    suppressed: Mapping[str, int]
    runs: Mapping[str, int]
    """Runs by the phase in which they stand at the end."""
    phases: tuple[float, ...] = ()
    """The metric of each strategy that this is the mean of; empty: it is one strategy."""

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": _number(self.metric),
            "rows": self.rows,
            "retrains": self.retrains,
            "promotions": self.promotions,
            "rollbacks": self.rollbacks,
            "train_seconds": round(self.train_seconds, 3),
            "rows_trained": self.rows_trained,
            "runs": dict(self.runs),
            "suppressed": dict(self.suppressed),
            "phases": [_number(one) for one in self.phases],
            "series": [
                {
                    "from": point.start.isoformat(),
                    "to": point.end.isoformat(),
                    "rows": point.rows,
                    "metric": _number(point.metric),
                    "version": point.version,
                }
                for point in self.series
            ],
        }


@dataclass(frozen=True, slots=True)
class Regret:
    """How much worse the policy was than always retraining, on the same rows; below 0: better."""

    per_row: float
    total: float

    def to_json(self) -> dict[str, float | None]:
        return {"per_row": _number(self.per_row), "total": _number(self.total)}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline."""

    at: datetime
    kind: str
    message: str
    run: str | None
    trigger: str | None
    version: str | None
    """Of a promotion."""

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "message": self.message,
            "run": self.run,
            "trigger": self.trigger,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """How far a feature was from the reference of the champion: its effect over its threshold."""

    as_of: datetime
    ratio: float
    rows: int
    """Of the window."""
    version: Version | None


@dataclass(frozen=True, slots=True)
class Training:
    """Which rows a run of the policy trained on, held out, and could not know."""

    run: RunId
    version: Version | None
    holdout_start: datetime
    cut_off: datetime


@dataclass(frozen=True, slots=True)
class Took:
    """What the backtest itself took, in seconds of real time."""

    seconds: float
    train_seconds: float
    """Of all trainings, each counted once: strategies share those of the same rows."""

    def to_json(self) -> dict[str, float]:
        return {"seconds": round(self.seconds, 3), "train_seconds": round(self.train_seconds, 3)}


@dataclass(frozen=True, slots=True)
class Backtest:
    """All that a backtest found."""

    name: str
    metric_name: str
    judged_from: datetime
    judged_until: datetime
    first_train_seconds: float
    first_train_rows: int
    policy: Outcome
    baselines: Mapping[str, Outcome]
    events: Sequence[Happening]
    drift: Mapping[str, Sequence[Look]]
    """What monitors saw of each feature."""
    notes: Sequence[str] = ()
    trainings: Sequence[Training] = ()
    took: Took | None = None
    """None where nobody looked at a clock."""

    @property
    def regret(self) -> Regret | None:
        """Against always retraining; None where that was not played."""
        always = self.baselines.get("always")
        if always is None:
            return None
        per_row = self.policy.metric - always.metric
        return Regret(per_row, per_row * self.policy.rows)

    def to_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return {
            "name": self.name,
            "metric": self.metric_name,
            "from": self.judged_from.isoformat(),
            "to": self.judged_until.isoformat(),
            "first_model": {"train_seconds": self.first_train_seconds, "rows_trained": self.first_train_rows},
            "policy": self.policy.to_json(),
            "baselines": {name: one.to_json() for name, one in self.baselines.items()},
            "regret": self.regret.to_json() if self.regret else None,
            "events": [one.to_json() for one in self.events],
            "notes": list(self.notes),
            "took": self.took.to_json() if self.took else None,
        }


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
