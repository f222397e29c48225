"""What several shadows add up to: each may promote a challenger that is worse, with a small probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ctrain.domain import Run

YEAR = timedelta(days=365)
RUNS_IN_A_YEAR = 2000
"""More runs than a year holds, for those who read them."""


@dataclass(frozen=True, slots=True)
class AlphasSpent:
    """The levels of the shadows that began within a year, and how many they were.

    ``total`` bounds the expected number of promotions *by evidence*, among those shadows, of challengers that
    are worse by the margin or more; while it is below 1 it bounds the probability of any. It says nothing of
    the ``undecided``, which ``on_inconclusive: promote`` has promoted without evidence.
    """

    total: float
    shadows: int
    undecided: int = 0


def alphas_spent(runs: Iterable[Run], now: datetime) -> AlphasSpent:
    """Return what the shadows of the last year have spent; one counts in full from its beginning on."""
    shadowed = [
        run
        for run, shadow in ((run, run.details.get("shadow", {})) for run in runs)
        if "alpha" in shadow and now - YEAR < datetime.fromisoformat(shadow["begun_at"]) <= now
    ]
    total = sum(float(run.details["shadow"]["alpha"]) for run in shadowed)
    undecided = sum(
        "probation" in run.details and run.details["shadow"].get("undecided", False) for run in shadowed
    )
    return AlphasSpent(round(total, 12), len(shadowed), undecided)
