"""Limits: what must hold before a training is paid for. A person's wish passes over some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ctrain.domain import Phase, RunId, Suppression
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Budget, Limits
from ctrain.triggers.blackout import blackout_until
from ctrain.triggers.training_time import TimeSpent, reserved_time, training_time_left

EndedRun = tuple[Phase, datetime, datetime]
"""Phase, created at, ended at."""

Refusal = tuple[Suppression, str]

DEFAULT_BACKOFF = timedelta(hours=1)
"""First pause of a backoff where no cooldown is set."""

PASSED_OVER = frozenset({Suppression.COOLDOWN, Suppression.BACKOFF, Suppression.NEW_LABELS})
"""Limits that a person's trigger passes over; the others protect the model, the data or the bill."""

_BACKOFF_PHASES = {
    "rejected": Phase.REJECTED,
    "failed": Phase.FAILED,
    "rolled_back": Phase.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What limits are checked against, all of it as of now."""

    paused: bool
    active_run: RunId | None
    ended_runs: Sequence[EndedRun]
    """In any order."""
    new_labels: int
    """Labelled, matured rows since the last training cut-off."""
    labelled_rows: int
    """Labelled, matured rows in the training window."""
    champion_readable: bool
    """False when the registry did not answer; "there is no champion" is readable."""
    min_labelled_rows: int = 100
    """What a training needs whatever the policy says."""
    time_spent: Sequence[TimeSpent] = ()
    """Every attempt at a training that is remembered, in any order."""
    training_timeout: timedelta = timedelta(0)
    """The longest that an attempt may take."""


def refusals(limits: Limits, facts: LimitFacts, now: datetime) -> list[Refusal]:
    """Return every limit that forbids a run now, the hardest first."""
    found = [
        _state(facts),
        _blackout(limits, now),
        _data(facts),
        _budget(limits, facts, now),
        _training_time(limits, facts, now),
        _cooldown(limits, facts, now),
        _backoff(limits, facts, now),
        _new_labels(limits, facts),
    ]
    return [refusal for refusal in found if refusal is not None]


def backoff_until(limits: Limits, ended_runs: Sequence[EndedRun]) -> datetime | None:
    """Return when the pause after the latest unsuccessful runs ends, or None without such a pause.

    After ``k`` such runs in a row the pause is the cooldown (or one hour) times ``factor`` to the
    power of ``k``, at most ``max``. Any other end breaks the row.
    """
    if limits.backoff is None:
        return None
    phases = {_BACKOFF_PHASES[name] for name in limits.backoff.after}
    newest_first = sorted(ended_runs, key=lambda run: run[2], reverse=True)
    longest = limits.backoff.max.total_seconds()
    pause = (limits.cooldown or DEFAULT_BACKOFF).total_seconds()
    in_a_row = 0
    for phase, _, _ in newest_first:
        if phase not in phases:
            break
        in_a_row += 1
        pause = min(pause * limits.backoff.factor, longest)
    return newest_first[0][2] + timedelta(seconds=pause) if in_a_row else None


def budget_left(
    budget: Budget | None, created: Iterable[datetime], now: datetime
) -> tuple[int, datetime | None] | None:
    """Return how many runs the budget still allows, and when one more is free if none is.

    None: no budget of runs is set. ``created`` says when runs were created, in any order.
    """
    if budget is None or budget.runs is None:
        return None
    spent = sorted(at for at in created if at > now - budget.per)
    left = max(budget.runs - len(spent), 0)
    return left, None if left else spent[-budget.runs] + budget.per


def _state(facts: LimitFacts) -> Refusal | None:
    if facts.paused:
        return Suppression.PAUSED, "the policy is paused"
    if facts.active_run is not None:
        return Suppression.ACTIVE_RUN, f"run {facts.active_run} is active"
    if not facts.champion_readable:
        return Suppression.CHAMPION_UNREADABLE, "the champion cannot be read from the registry"
    return None


def _data(facts: LimitFacts) -> Refusal | None:
    if facts.labelled_rows >= facts.min_labelled_rows:
        return None
    return (
        Suppression.INSUFFICIENT_DATA,
        f"{facts.labelled_rows} labelled, matured rows in the training window, "
        f"{facts.min_labelled_rows} needed",
    )


def _budget(limits: Limits, facts: LimitFacts, now: datetime) -> Refusal | None:
    budget = limits.budget
    left = budget_left(budget, (created for _, created, _ in facts.ended_runs), now)
    if budget is None or left is None or left[0] > 0:
        return None
    free_at = left[1]
    assert free_at is not None
    spent = sum(created > now - budget.per for _, created, _ in facts.ended_runs)
    return (
        Suppression.BUDGET,
        f"{spent} runs in the last {format_duration(budget.per)}, {budget.runs} allowed; "
        f"next at {shown(free_at)}",
    )


def _training_time(limits: Limits, facts: LimitFacts, now: datetime) -> Refusal | None:
    reserved = reserved_time(facts.time_spent, facts.training_timeout)
    left = training_time_left(limits.budget, facts.time_spent, reserved, now)
    if limits.budget is None or left is None or left[1] is None:
        return None
    return (
        Suppression.BUDGET,
        f"{format_duration(left[0])} of training time left in {format_duration(limits.budget.per)}, "
        f"{format_duration(reserved)} needed; next at {shown(left[1])}",
    )


def _blackout(limits: Limits, now: datetime) -> Refusal | None:
    until = blackout_until(limits.blackout, now)
    return None if until is None else (Suppression.BLACKOUT, f"blackout until {shown(until)}")


def _cooldown(limits: Limits, facts: LimitFacts, now: datetime) -> Refusal | None:
    if limits.cooldown is None or not facts.ended_runs:
        return None
    ended_at = max(ended for _, _, ended in facts.ended_runs)
    until = ended_at + limits.cooldown
    if now >= until:
        return None
    return (
        Suppression.COOLDOWN,
        f"cooldown of {format_duration(limits.cooldown)} after the run that ended {shown(ended_at)}, "
        f"until {shown(until)}",
    )


def _backoff(limits: Limits, facts: LimitFacts, now: datetime) -> Refusal | None:
    until = backoff_until(limits, facts.ended_runs)
    if until is None or now >= until:
        return None
    phase = max(facts.ended_runs, key=lambda run: run[2])[0]
    return Suppression.BACKOFF, f"backoff after a run that ended {phase.value}, until {shown(until)}"


def _new_labels(limits: Limits, facts: LimitFacts) -> Refusal | None:
    if facts.new_labels >= limits.min_new_labels:
        return None
    return (
        Suppression.NEW_LABELS,
        f"{facts.new_labels} new labelled rows since the last training, {limits.min_new_labels} needed",
    )


def shown(at: datetime) -> str:
    """Return an instant as reasons write it.

    >>> from datetime import UTC
    >>> shown(datetime(2013, 3, 4, 5, tzinfo=UTC))
    '2013-03-04 05:00 UTC'
    """
    return f"{at:%Y-%m-%d %H:%M} UTC"
