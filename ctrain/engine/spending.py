"""What counts against a budget: every run that its stretch of time reaches back to, however many they are.

The newest runs are read in every tick. Those before them have ended and change no more: they are read once
for each run that is added, and what they cost is remembered.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName, Run
from ctrain.engine.watch_memory import OlderRuns
from ctrain.triggers.spending import Spending, spending_of

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

RUNS_READ = 100
"""Newest runs that are read in every tick."""


def spent_before(watch: Watch, tx: Transaction, newest: list[Run]) -> Spending:
    """What the runs before the ``newest`` ones cost, as far back as the budget counts."""
    budget = watch.policy.limits.budget
    if budget is None or len(newest) < RUNS_READ:
        return Spending()
    since = watch.clock.now() - budget.per
    if newest[-1].created_at <= since:
        return Spending()
    oldest_read, known = newest[-1].id, watch.older_runs
    if known is None or (known.oldest_read, known.per) != (oldest_read, budget.per):
        older = runs_since(tx, watch.name, since)[len(newest) :]
        known = watch.older_runs = OlderRuns(oldest_read, budget.per, spending_of(older))
    return known.spending


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
