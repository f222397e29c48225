"""Why a condition is met or not, in words for a person and as evidence for the record."""

from __future__ import annotations

from collections.abc import Mapping

from ctrain.domain import Json, MonitorName, Status, TriggerState, Verdict
from ctrain.policy.fields import format_duration
from ctrain.policy.triggers import Condition
from ctrain.triggers.conditions import condition_met
from ctrain.triggers.limits import shown

Verdicts = Mapping[MonitorName, Verdict]


def condition_reason(trigger: Condition, state: TriggerState, verdicts: Verdicts) -> str:
    """Return why the condition is met or not, such as
    ``inputs BREACHED, error OK: not met`` or
    ``inputs BREACHED, error BREACHED: met since 2013-03-04 05:00 UTC (2h)``.
    """
    return f"{_monitors(trigger, verdicts)}: {_standing(trigger, state)}"


def condition_evidence(trigger: Condition, state: TriggerState, verdicts: Verdicts) -> Json:
    """Return the inputs of the decision as JSON: each monitor's verdict, how many are needed, since when."""
    monitors = {}
    for name in trigger.monitors:
        verdict = verdicts.get(MonitorName(name))
        if verdict is not None:
            monitors[name] = {
                "status": verdict.status.value,
                "value": verdict.value,
                "threshold": verdict.threshold,
                "n": verdict.n,
                "as_of": verdict.as_of.isoformat(),
            }
    return {
        "monitors": monitors,
        "needed": trigger.needed,
        "met_since": state.met_since.isoformat() if state.met_since else None,
        "met_from": (state.met_since + trigger.for_).isoformat() if state.met_since else None,
        "as_of": state.as_of.isoformat() if state.as_of else None,
    }


def _monitors(trigger: Condition, verdicts: Verdicts) -> str:
    return ", ".join(
        f"{name} {verdicts[MonitorName(name)].status.value}" if MonitorName(name) in verdicts else name
        for name in trigger.monitors
    )


def _standing(trigger: Condition, state: TriggerState) -> str:
    if state.as_of is None:
        return "no pane has closed yet"
    if state.met_since is not None:
        since = f"since {shown(state.met_since)} ({format_duration(state.as_of - state.met_since)})"
        if state.as_of - state.met_since >= trigger.for_:
            return f"met {since}"
        if not condition_met(trigger, state):
            return f"{Status.BREACHED.value} {since}, not yet for {format_duration(trigger.for_)}"
    if condition_met(trigger, state) and state.last_met_at is not None:
        return f"met until {shown(state.last_met_at)}, held until {shown(state.last_met_at + trigger.hold)}"
    return "not met"
