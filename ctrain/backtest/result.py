"""What a backtest found, and the document that ``--json`` writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrain.backtest.ledger import Point
    from ctrain.domain import RunId, Version


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
