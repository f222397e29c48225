"""What runs cost, as far as limits count it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ctrain.domain import Run
from ctrain.triggers.limits import EndedRun
from ctrain.triggers.training_time import TimeSpent, time_spent


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
