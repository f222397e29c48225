"""Triggers and limits of a policy -> one decision each, with its reason; at most one starts a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from ctrain.domain import (
    Decision,
    MonitorName,
    Outcome,
    Request,
    RequestKind,
    Suppression,
    TriggerName,
    TriggerState,
    Verdict,
)
from ctrain.policy.check_triggers import MANUAL
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Limits, Policy
from ctrain.policy.triggers import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    Cron,
    Every,
    NewLabels,
    Regret,
    Schedule,
)
from ctrain.triggers.conditions import condition_met
from ctrain.triggers.limits import PASSED_OVER, LimitFacts, refusals, shown
from ctrain.triggers.reasons import condition_evidence, condition_reason
from ctrain.triggers.schedules import MAX_MISSED, Due, next_occurrence

MANUAL_TRIGGER = TriggerName(MANUAL)
"""Name of the trigger that is a person; a policy cannot use it."""


def decide(
    policy: Policy,
    states: Mapping[TriggerName, TriggerState],
    facts: LimitFacts,
    occurrences: Mapping[TriggerName, Due],
    requests: Sequence[Request],
    now: datetime,
    verdicts: Mapping[MonitorName, Verdict] | None = None,
    regrets: Mapping[TriggerName, Decision] | None = None,
) -> list[Decision]:
    """Return a decision per request to train, in their order, then one per trigger of the policy.

    At most one has the outcome FIRED: the first that nothing forbids. Others that would fire as well
    are SUPPRESSED with ``active_run``, and their reason names the one that fires. ``verdicts`` are
    the latest ones; they only make reasons and evidence say more. ``regrets`` are the wishes of the
    triggers on regret.
    """
    decisions: list[Decision] = []
    fired: TriggerName | None = None
    for wish in _wishes(policy, states, facts, occurrences, requests, now, verdicts or {}, regrets or {}):
        decision = wish
        if wish.outcome is Outcome.FIRED:
            decision = _limited(wish, fired, policy.limits, facts, now)
        if decision.outcome is Outcome.FIRED:
            fired = decision.trigger
        decisions.append(decision)
    return decisions


def _wishes(
    policy: Policy,
    states: Mapping[TriggerName, TriggerState],
    facts: LimitFacts,
    occurrences: Mapping[TriggerName, Due],
    requests: Sequence[Request],
    now: datetime,
    verdicts: Mapping[MonitorName, Verdict],
    regrets: Mapping[TriggerName, Decision],
) -> Iterator[Decision]:
    """Return what would be decided without limits: FIRED or NOT_MET."""
    for request in requests:
        if request.kind is RequestKind.TRIGGER:
            evidence = {"request": request.id, "actor": request.actor}
            why = request.arguments.get("reason")
            reason = f"asked for by {request.actor}" + (f": {why}" if why else "")
            yield Decision(MANUAL_TRIGGER, Outcome.FIRED, reason, evidence=evidence)
    for key, trigger in policy.triggers.items():
        name = TriggerName(key)
        if isinstance(trigger, Regret):
            yield regrets[name]
            continue
        state = states.get(name, TriggerState(name))
        yield _wish(name, trigger, state, facts, occurrences.get(name), now, verdicts)


def _wish(
    name: TriggerName,
    trigger: Condition | Schedule | NewLabels,
    state: TriggerState,
    facts: LimitFacts,
    due: Due | None,
    now: datetime,
    verdicts: Mapping[MonitorName, Verdict],
) -> Decision:
    match trigger:
        case AllOf() | AnyOf() | AtLeast():
            return Decision(
                name,
                Outcome.FIRED if condition_met(trigger, state) else Outcome.NOT_MET,
                condition_reason(trigger, state, verdicts),
                evidence=condition_evidence(trigger, state, verdicts),
            )
        case Cron() | Every():
            return _scheduled(name, trigger, due, now)
        case NewLabels():
            met = facts.new_labels >= trigger.new_labels
            return Decision(
                name,
                Outcome.FIRED if met else Outcome.NOT_MET,
                f"{facts.new_labels} of {trigger.new_labels} new labelled rows since the last training",
                evidence={"new_labels": facts.new_labels, "threshold": trigger.new_labels},
            )
        case _:
            assert_never(trigger)


def _scheduled(name: TriggerName, trigger: Cron | Every, due: Due | None, now: datetime) -> Decision:
    words = (
        f"cron {trigger.cron!r} {trigger.timezone}"
        if isinstance(trigger, Cron)
        else f"every {format_duration(trigger.every)}"
    )
    if due is None:
        upcoming = next_occurrence(trigger, now) if isinstance(trigger, Cron) else None
        wait = f"; next at {shown(upcoming)}" if upcoming else ""
        return Decision(name, Outcome.NOT_MET, f"{words}: nothing is due{wait}")
    reason = f"{words}: due since {shown(due.at)}"
    if due.missed:
        more = " or more" if len(due.missed) == MAX_MISSED else ""
        reason += f"; {len(due.missed)}{more} earlier missed, the oldest {shown(due.missed[0])}"
    evidence = {"missed": len(due.missed)}
    return Decision(name, Outcome.FIRED, reason, occurrence_at=due.at, evidence=evidence)


def _limited(
    wish: Decision, fired: TriggerName | None, limits: Limits, facts: LimitFacts, now: datetime
) -> Decision:
    """Return ``wish``, or why it is suppressed."""
    against = refusals(limits, facts, now)
    passed_over = [text for kind, text in against if kind in PASSED_OVER]
    if wish.trigger == MANUAL_TRIGGER:
        against = [refusal for refusal in against if refusal[0] not in PASSED_OVER]
    if not against and fired is not None:
        against = [(Suppression.ACTIVE_RUN, f"the trigger {fired} starts a run at the same moment")]
    if against:
        suppression, text = against[0]
        return replace(
            wish,
            outcome=Outcome.SUPPRESSED,
            suppression=suppression,
            reason=f"{wish.reason}; suppressed: {text}",
        )
    if passed_over:
        return replace(wish, reason=f"{wish.reason}; passes over: {'; '.join(passed_over)}")
    return wish
