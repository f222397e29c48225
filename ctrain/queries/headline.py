"""In one sentence: what a policy or a run is doing, or why nothing is happening."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ctrain.domain import Outcome, Phase, Status, Suppression
from ctrain.engine.troubles import BLIND
from ctrain.queries.answers import (
    Answer,
    DecisionNow,
    LimitsLeft,
    PolicyStatus,
    RunDetail,
    RunNow,
    Why,
)
from ctrain.queries.notes import NO_DAEMON, REMOVED, UNWATCHED, before_champion, blindness
from ctrain.queries.troubles import what_is_wrong, what_to_do

Tone = Literal["calm", "busy", "attention", "trouble"]
_HELD = {
    Suppression.ACTIVE_RUN: "another run is active",
    Suppression.PAUSED: "the policy is paused",
    Suppression.COOLDOWN: "the cooldown after the last run has not ended",
    Suppression.BACKOFF: "the backoff after unsuccessful runs has not ended",
    Suppression.BUDGET: "the budget of its window is spent",
    Suppression.BLACKOUT: "nothing is trained in a blackout",
    Suppression.NEW_LABELS: "too few labelled rows have come since the last run",
    Suppression.INSUFFICIENT_DATA: "too few labelled rows have matured to train on",
    Suppression.CHAMPION_UNREADABLE: "the registry cannot be read",
    Suppression.MISSED: "its occurrence passed while no daemon ran",
}
_DOING = {
    Phase.QUEUED: "is about to train",
    Phase.TRAINING: "is training a challenger",
    Phase.EVALUATING: "is judging the challenger by its gates",
    Phase.SHADOWING: "is comparing challenger and champion on the same live rows",
    Phase.AWAITING_APPROVAL: "waits for a person to approve the challenger",
    Phase.PROMOTING: "is promoting the challenger",
    Phase.PROBATION: "watches the new champion beside the previous one",
    Phase.ROLLING_BACK: "is rolling back to the previous champion",
    Phase.ROLLBACK_FAILED: "could not roll back and tries again",
}
SIGHT = (
    "Mend the version before in MLflow, or the interpreter that loads it: it is tried again every minute. "
    "Until then the probation does not end, and a rollback may fail."
)
"""What to do about a probation that compares nothing."""
_NOTED = frozenset({Phase.AWAITING_APPROVAL, Phase.ROLLBACK_FAILED})
"""Phases that the notes tell of already."""


@dataclass(frozen=True, slots=True)
class Headline(Answer):
    """The sentence, how it should look, and what to do about it when a person should do something."""

    tone: Tone
    text: str
    todo: str = ""


def headline_of(status: PolicyStatus, why: Why) -> Headline:
    """The most pressing thing about a policy."""
    if why.daemon is None:
        return _unwatched(status, why)
    if status.troubles:
        trouble = status.troubles[0]
        return Headline("trouble", _sentence(what_is_wrong(trouble)), what_to_do(trouble))
    if status.run is not None:
        return of_run(status.run)
    if why.limits.paused:
        return Headline("attention", "Paused: no run starts until somebody resumes it.")
    held = [one for one in why.decisions if one.suppression is not None]
    if held:
        return _held_back(held[0], why.limits)
    return _at_rest(status, why)


def notes_besides(status: PolicyStatus, why: Why) -> tuple[str, ...]:
    """The notes without those that the headline and its link say already."""
    leads = bool(status.troubles) and why.daemon is not None
    told = [NO_DAEMON, UNWATCHED, REMOVED]
    if leads:
        told.append(what_is_wrong(status.troubles[0]))
    elif why.daemon is not None:
        told += [f"run {why.limits.active_run} waits", BLIND]
    notes = tuple(note for note in why.notes if not note.startswith(tuple(told)))
    if not leads or status.run is None or status.run.phase in _NOTED:
        return notes
    return (of_run(status.run).text, *notes)


def of_run(run: RunNow) -> Headline:
    """What a run is doing, or how it ended."""
    if run.phase.ended:
        tone: Tone = "calm" if run.phase is Phase.ACCEPTED else "attention"
        return Headline(tone, f"Ended {run.phase.value}: {_first_line(run.outcome_reason) or run.reason}.")
    told = f"Run {run.id} {_DOING[run.phase]}."
    if run.phase is Phase.AWAITING_APPROVAL:
        return Headline("attention", told, "Look at its page, then approve or reject it.")
    if run.phase is Phase.ROLLBACK_FAILED:
        return Headline("trouble", told, f"{_first_line(run.outcome_reason)}.")
    if blind := blindness(run):
        return Headline("trouble", _sentence(blind), SIGHT)
    return Headline("busy", told)


def next_step(detail: RunDetail) -> str:
    """What has to happen for a run to go on; empty when it has ended."""
    return SIGHT if blindness(detail.run) else _following(detail.run.phase)


def _following(phase: Phase) -> str:
    match phase:
        case Phase.QUEUED | Phase.TRAINING:
            return "When training ends, its gates judge the challenger on rows that it has not seen."
        case Phase.EVALUATING:
            return "A gate that fails rejects the challenger; otherwise it is compared on live rows."
        case Phase.SHADOWING:
            return (
                "It is promoted once the upper bound of the difference is below the limit, and rejected once "
                "the lower bound is above it."
            )
        case Phase.AWAITING_APPROVAL:
            return "Nothing is promoted until a person with the role approver says so."
        case Phase.PROMOTING | Phase.ROLLING_BACK:
            return "The alias is being moved in MLflow; this takes seconds."
        case Phase.PROBATION:
            return "It is accepted if it stays as good as the previous champion, and rolled back if not."
        case Phase.ROLLBACK_FAILED:
            return "The daemon tries again until the alias is back."
        case _:
            return ""


def _unwatched(status: PolicyStatus, why: Why) -> Headline:
    seen = "what stands here is what the last one saw."
    if status.removed_at is not None:
        told = f"Nothing happens: {REMOVED} at {status.removed_at:%Y-%m-%d %H:%M} UTC."
        return Headline("attention", told, f"To have it watched again, put the file back; {seen}")
    if any(note.startswith(UNWATCHED) for note in why.notes):
        todo = f"Give the policy's file to a daemon; {seen}"
        return Headline("trouble", f"Nothing happens: {UNWATCHED}.", todo)
    return Headline("trouble", f"Nothing happens: {NO_DAEMON}.", f"Start one with `ctrain run`; {seen}")


def _held_back(decision: DecisionNow, limits: LimitsLeft) -> Headline:
    assert decision.suppression is not None
    suppression = Suppression(decision.suppression)
    until = {
        Suppression.COOLDOWN: limits.cooldown_until,
        Suppression.BACKOFF: limits.backoff_until,
        Suppression.BLACKOUT: limits.blackout_until,
        Suppression.BUDGET: limits.budget_frees_at,
    }.get(suppression)
    ends = f", until {_instant(until)}" if until is not None else ""
    return Headline("attention", f"{decision.trigger} would retrain, but {_HELD[suppression]}{ends}.")


def _at_rest(status: PolicyStatus, why: Why) -> Headline:
    breached = ", ".join(status.breached)
    if not why.decisions:
        todo = "The first look comes with the first rows."
        return Headline("calm", "No trigger has been looked at yet.", todo)
    if breached:
        waiting = [one for one in why.decisions if one.outcome == Outcome.NOT_MET.value and one.needs]
        needs = f": {waiting[0].needs[0]}" if waiting else ""
        return Headline("attention", f"{breached} breached, but no trigger's condition is met{needs}.")
    verdicts = status.verdicts
    if verdicts and all(one.status is Status.INCONCLUSIVE for one in verdicts):
        of_then = before_champion(verdicts[0], status.champion)
        return Headline(
            "attention", f"Nothing can be judged yet{of_then and ',' + of_then}: {verdicts[0].reason}."
        )
    if status.champion is None:
        return Headline(
            "attention", "There is no champion yet.", "The first run is judged by its absolute gates alone."
        )
    return Headline("calm", "Nothing needs doing: no trigger's condition is met.")


def _sentence(text: str) -> str:
    stop = "" if text.endswith(("?", "!", ".")) else "."
    return f"{text[:1].upper()}{text[1:]}{stop}"


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
