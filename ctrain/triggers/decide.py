"""From triggers, verdict states, schedules and limits to decisions: one per trigger, each with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ctrain.domain import Decision, Outcome, Request, RunId, TriggerName, TriggerState
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Policy
from ctrain.policy.triggers import Cron, Every, NewLabels, Trigger
from ctrain.triggers.conditions import Condition, condition_met, named
from ctrain.triggers.limits import LimitFacts, check_limits
from ctrain.triggers.schedules import Due

MANUAL_TRIGGER = TriggerName("manual")
"""Name of the trigger of a person's request; a policy cannot use it."""


def decide(
    policy: Policy,
    states: Mapping[TriggerName, TriggerState],
    facts: LimitFacts,
    due: Mapping[TriggerName, Due],
    requests: Sequence[Request],
    now: datetime,
) -> list[Decision]:
    """Return one decision per trigger of the policy, and one for the first open request of a person.

    At most one is FIRED: a person's request first, then the triggers in the policy's order. What
    would also have fired is SUPPRESSED, and names the trigger that did.
    """
    decisions: list[Decision] = []
    fired: TriggerName | None = None
    wishes = [_wish(request) for request in requests[:1]]
    wishes += [
        _look(TriggerName(key), trigger, states, facts, due) for key, trigger in policy.triggers.items()
    ]
    for wish in wishes:
        decision = wish
        if wish.outcome is Outcome.FIRED:
            decision = _within_limits(policy, wish, facts, fired, now)
        if decision.outcome is Outcome.FIRED:
            fired = decision.trigger
        decisions.append(decision)
    return decisions


def _within_limits(
    policy: Policy, wish: Decision, facts: LimitFacts, fired: TriggerName | None, now: datetime
) -> Decision:
    if fired is not None:
        facts = replace(facts, active_run=RunId(f"that {fired} has just started"))
    limited = check_limits(policy.limits, facts, now, manual=wish.trigger == MANUAL_TRIGGER)
    if limited is None:
        return wish
    return replace(
        wish,
        outcome=Outcome.SUPPRESSED,
        suppression=limited.suppression,
        reason=f"{wish.reason}; not now: {limited.reason}",
    )


def _wish(request: Request) -> Decision:
    reason = str(request.arguments.get("reason") or "asked for")
    return Decision(
        MANUAL_TRIGGER, Outcome.FIRED, f"{request.actor}: {reason}", evidence={"request": request.id}
    )


def _look(
    name: TriggerName,
    trigger: Trigger,
    states: Mapping[TriggerName, TriggerState],
    facts: LimitFacts,
    due: Mapping[TriggerName, Due],
) -> Decision:
    """Whether the trigger itself is met, before any limit."""
    match trigger:
        case Cron() | Every():
            return _scheduled(name, trigger, due.get(name))
        case NewLabels():
            met = facts.new_labels >= trigger.new_labels
            reason = f"{facts.new_labels} of {trigger.new_labels} new labelled rows since the last training"
            return Decision(name, Outcome.FIRED if met else Outcome.NOT_MET, reason)
        case _:
            return _conditional(name, trigger, states.get(name, TriggerState(name)))


def _scheduled(name: TriggerName, trigger: Cron | Every, due: Due | None) -> Decision:
    if isinstance(trigger, Cron):
        plan = f"{trigger.cron} {trigger.timezone}"
    else:
        plan = f"every {format_duration(trigger.every)}"
    if due is None:
        return Decision(name, Outcome.NOT_MET, f"{plan}: not due")
    missed = f", {due.missed} missed before it" if due.missed else ""
    reason = f"{plan}: due at {due.at:%Y-%m-%d %H:%M} UTC{missed}"
    return Decision(name, Outcome.FIRED, reason, occurrence_at=due.at, evidence={"missed": due.missed})


def _conditional(name: TriggerName, trigger: Condition, state: TriggerState) -> Decision:
    monitors = ", ".join(named(trigger))
    if condition_met(trigger, state):
        since = state.met_since or state.last_met_at
        assert since is not None
        held = "" if state.met_since else " (held)"
        return Decision(name, Outcome.FIRED, f"{monitors} breached since {since:%Y-%m-%d %H:%M} UTC{held}")
    if state.met_since is not None and state.as_of is not None:
        so_far = format_duration(state.as_of - state.met_since)
        reason = f"{monitors} breached for {so_far}, {format_duration(trigger.for_)} are asked for"
        return Decision(name, Outcome.NOT_MET, reason)
    return Decision(name, Outcome.NOT_MET, f"{_quantifier(trigger)} {monitors} not breached")


def _quantifier(trigger: Condition) -> str:
    at_least = getattr(trigger, "at_least", None)
    if at_least is not None:
        return f"{at_least} of"
    return "all of" if hasattr(trigger, "all") else "any of"
