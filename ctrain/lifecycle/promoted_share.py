"""What trainings were good for: the share of trained models that were promoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ctrain.domain import Phase, Run
from ctrain.lifecycle.alphas import YEAR


@dataclass(frozen=True, slots=True)
class Promotions:
    """Runs that began within a year, trained a model and are past a promotion or an end.

    A refit belongs to its run. Whoever asked for a run, it counts; one that took the version of an earlier
    run trained nothing, nor did one that failed or that a look ended before its training. A model that was
    promoted and rolled back was promoted.
    """

    trained: int
    promoted: int

    @property
    def share(self) -> float | None:
        """None while nothing has been trained."""
        return self.promoted / self.trained if self.trained else None


def promotions(runs: Iterable[Run], now: datetime) -> Promotions:
    """Return how many of the last year's trained models were promoted."""
    told = [
        _promoted(run)
        for run in runs
        if now - YEAR < run.created_at <= now and _trained(run) and (run.phase.ended or _promoted(run))
    ]
    return Promotions(len(told), sum(told))


def _trained(run: Run) -> bool:
    return any(one["trained"] for one in run.details.get("training", {}).get("spent", ()))


def _promoted(run: Run) -> bool:
    """A first champion has no probation."""
    return run.phase is Phase.ACCEPTED or "probation" in run.details
