"""Limits: why a trigger whose condition holds does not start a run, checked before training is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ctrain.domain import Phase, RunId, Suppression
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Limits

DEFAULT_BACKOFF_BASE = timedelta(hours=1)
MIN_LABELLED_ROWS = 100
"""Fewer matured labelled rows in the training window cannot be split into training and holdout."""

_OUTCOMES = {
    Phase.REJECTED: "rejected",
    Phase.FAILED: "failed",
    Phase.ROLLED_BACK: "rolled_back",
}


@dataclass(frozen=True, slots=True)
class EndedRun:
    phase: Phase
    created_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What the limits are checked against; ``ended_runs`` newest first."""

    paused: bool = False
    active_run: RunId | None = None
    ended_runs: tuple[EndedRun, ...] = ()
    new_labels: int = 0
    """Matured labelled rows after the rows of the newest training."""
    labelled_rows: int = 0
    """Matured labelled rows in the training window."""
    champion_readable: bool = True


@dataclass(frozen=True, slots=True)
class Limited:
    """Why not, in a word for metrics and in a sentence for people; ``until`` when it is known."""

    suppression: Suppression
    reason: str
    until: datetime | None = None


def check_limits(limits: Limits, facts: LimitFacts, now: datetime, *, manual: bool = False) -> Limited | None:
    """Return the first limit that forbids a run now, or None.

    A person's request (``manual``) passes cooldown, backoff, budget and ``min_new_labels``, never
    the others.
    """
    checks = _always(facts) if manual else _all(limits, facts, now)
    return next((found for found in checks if found is not None), None)


def _all(limits: Limits, facts: LimitFacts, now: datetime) -> Iterator[Limited | None]:
    yield from _always(facts)
    yield _cooldown(limits, facts, now)
    yield _backoff(limits, facts, now)
    yield _budget(limits, facts, now)
    yield _new_labels(limits, facts)


def _always(facts: LimitFacts) -> Iterator[Limited | None]:
    if facts.active_run is not None:
        yield Limited(Suppression.ACTIVE_RUN, f"run {facts.active_run} is active")
    if facts.paused:
        yield Limited(Suppression.PAUSED, "the policy is paused; `ctrain resume` ends that")
    if not facts.champion_readable:
        yield Limited(
            Suppression.CHAMPION_UNREADABLE, "the registry cannot be read, so the champion is unknown"
        )
    if facts.labelled_rows < MIN_LABELLED_ROWS:
        yield Limited(
            Suppression.INSUFFICIENT_DATA,
            f"{facts.labelled_rows} matured labelled rows in the training window, {MIN_LABELLED_ROWS} are needed",
        )


def _cooldown(limits: Limits, facts: LimitFacts, now: datetime) -> Limited | None:
    if limits.cooldown is None or not facts.ended_runs:
        return None
    until = facts.ended_runs[0].ended_at + limits.cooldown
    if now >= until:
        return None
    reason = (
        f"cooldown of {format_duration(limits.cooldown)} after the last run, until {until:%Y-%m-%d %H:%M} UTC"
    )
    return Limited(Suppression.COOLDOWN, reason, until)


def _backoff(limits: Limits, facts: LimitFacts, now: datetime) -> Limited | None:
    """Wait longer after each run in a row that came to nothing."""
    backoff = limits.backoff
    if backoff is None:
        return None
    failures = 0
    for run in facts.ended_runs:
        if _OUTCOMES.get(run.phase) not in backoff.after:
            break
        failures += 1
    if failures == 0:
        return None
    wait = min((limits.cooldown or DEFAULT_BACKOFF_BASE) * backoff.factor**failures, backoff.max)
    until = facts.ended_runs[0].ended_at + wait
    if now >= until:
        return None
    word = facts.ended_runs[0].phase.value.lower().replace("_", " ")
    reason = (
        f"backoff after {failures} runs in a row without success (the last {word}), "
        f"until {until:%Y-%m-%d %H:%M} UTC"
    )
    return Limited(Suppression.BACKOFF, reason, until)


def _budget(limits: Limits, facts: LimitFacts, now: datetime) -> Limited | None:
    budget = limits.budget
    if budget is None or budget.runs is None:
        return None
    recent = [run.created_at for run in facts.ended_runs if now - run.created_at < budget.per]
    if len(recent) < budget.runs:
        return None
    until = sorted(recent)[-budget.runs] + budget.per
    reason = (
        f"{len(recent)} of {budget.runs} runs per {format_duration(budget.per)} are used, "
        f"until {until:%Y-%m-%d %H:%M} UTC"
    )
    return Limited(Suppression.BUDGET, reason, until)


def _new_labels(limits: Limits, facts: LimitFacts) -> Limited | None:
    if facts.new_labels >= limits.min_new_labels:
        return None
    reason = (
        f"{facts.new_labels} new labelled rows since the last training, {limits.min_new_labels} are asked for"
    )
    return Limited(Suppression.NEW_LABELS, reason)
