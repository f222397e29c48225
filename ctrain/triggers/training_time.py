"""The budget of training time: what trainings took, and what the next one may take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from ctrain.domain import Json, Run
from ctrain.policy.models import Budget


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """One attempt at a training: when it ended, how long it took, and whether it brought a model."""

    at: datetime
    took: timedelta
    trained: bool


def with_attempt(found: Json, one: TimeSpent) -> Json:
    """Return what a run is to remember of its trainings: ``found``, and one more attempt."""
    attempt = {"at": one.at.isoformat(), "train_seconds": one.took.total_seconds(), "trained": one.trained}
    return {"spent": [*found.get("spent", ()), attempt]}


def time_spent(runs: Iterable[Run]) -> tuple[TimeSpent, ...]:
    """Return every attempt that these runs remember."""
    return tuple(
        TimeSpent(
            datetime.fromisoformat(one["at"]),
            timedelta(seconds=float(one["train_seconds"])),
            bool(one["trained"]),
        )
        for run in runs
        for one in run.details.get("training", {}).get("spent", ())
    )


def reserved_time(spent: Sequence[TimeSpent], timeout: timedelta) -> timedelta:
    """Return what the next training is reckoned to take: the median of past ones, at most ``timeout``.

    Attempts that failed say nothing of how long a training takes; without any other it is ``timeout``.
    """
    took = [one.took.total_seconds() for one in spent if one.trained]
    return min(timedelta(seconds=median(took)), timeout) if took else timeout


def training_time_left(
    budget: Budget | None, spent: Sequence[TimeSpent], reserved: timedelta, now: datetime
) -> tuple[timedelta, datetime | None] | None:
    """Return what the budget still allows, and when ``reserved`` fits into it if it does not now.

    None: no budget of training time is set. Attempts count whatever came of them, from their end on for
    as long as the budget's window is. ``reserved`` is never more than the whole budget.
    """
    if budget is None or budget.training_time is None:
        return None
    counted = sorted((one for one in spent if one.at > now - budget.per), key=lambda one: one.at)
    left = budget.training_time - sum((one.took for one in counted), timedelta(0))
    free, free_at = left, None
    for one in counted:
        if free >= reserved:
            break
        free, free_at = free + one.took, one.at + budget.per
    return max(left, timedelta(0)), free_at
