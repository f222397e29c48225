"""What counts against a budget: every run that its stretch of time reaches back to, however many they are.

The newest runs are read in every tick. Those before them have ended and change no more: they are read once
for each run that is added, and what they cost is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName, Run
from ctrain.triggers.limits import EndedRun
from ctrain.triggers.training_time import TimeSpent, time_spent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

RUNS_READ = 100
"""In every tick."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Runs that have ended, and the attempts at a training that they made."""

    ended: tuple[EndedRun, ...] = ()
    time: tuple[TimeSpent, ...] = ()


def spending_of(runs: Iterable[Run]) -> Spending:
    """What those of the runs cost that have ended, and every attempt at a training of all of them."""
    known = tuple(runs)
    ended = tuple(
        (run.phase, run.created_at, run.ended_at) for run in known if run.phase.ended and run.ended_at
    )
    return Spending(ended, time_spent(known))


def spent_before(watch: Watch, tx: Transaction, newest: list[Run]) -> Spending:
    """What the runs before the ``newest`` ones cost, as far back as the budget counts."""
    budget = watch.policy.limits.budget
    if budget is None or len(newest) < RUNS_READ:
        return Spending()
    since = watch.clock.now() - budget.per
    if newest[-1].created_at <= since:
        return Spending()
    found_for = newest[-1].id, budget.per
    if watch.spent_before is None or watch.spent_before[0] != found_for:
        older = runs_since(tx, watch.name, since)[len(newest) :]
        watch.spent_before = found_for, spending_of(older)
    return watch.spent_before[1]


def runs_since(tx: Transaction, policy: PolicyName, since: datetime) -> list[Run]:
    """Every run that was created after ``since`` and the one before, which may have trained after it.

    The newest first, and ``RUNS_READ`` of them where there are so many.
    """
    limit = RUNS_READ
    runs = tx.runs(policy, limit=limit)
    while len(runs) == limit and runs[-1].created_at > since:
        limit *= 4
        runs = tx.runs(policy, limit=limit)
    return runs
