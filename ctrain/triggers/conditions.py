"""Conditions over verdicts, folded pane by pane: since when has a trigger's condition held?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ctrain.domain import MonitorName, Status, TriggerState
from ctrain.policy.triggers import AllOf, AnyOf, AtLeast, Trigger

Condition = AllOf | AnyOf | AtLeast


def fold_condition(
    trigger: Trigger, statuses: Mapping[MonitorName, Status], state: TriggerState, as_of: datetime
) -> TriggerState:
    """Return the state after the verdicts as of ``as_of``; schedules and volumes have none to fold.

    Only BREACHED meets a condition: INCONCLUSIVE ends it as OK does. ``hold`` is counted from the
    last pane at which the whole condition, its ``for`` included, was met.
    """
    if not isinstance(trigger, Condition):
        return state
    if not _holds(trigger, statuses):
        return replace(state, met_since=None, as_of=as_of)
    since = state.met_since or as_of
    last_met = as_of if as_of - since >= trigger.for_ else state.last_met_at
    return replace(state, met_since=since, as_of=as_of, last_met_at=last_met)


def condition_met(trigger: Condition, state: TriggerState) -> bool:
    """Return whether the condition is met as of the pane folded last, or still held."""
    if state.last_met_at is None or state.as_of is None:
        return False
    return state.as_of - state.last_met_at <= trigger.hold


def named(trigger: Condition) -> tuple[str, ...]:
    """The monitors that the condition looks at, in its order."""
    match trigger:
        case AllOf():
            return trigger.all
        case AnyOf():
            return trigger.any
        case AtLeast():
            return trigger.of


def _holds(trigger: Condition, statuses: Mapping[MonitorName, Status]) -> bool:
    breached = [statuses.get(MonitorName(name)) is Status.BREACHED for name in named(trigger)]
    match trigger:
        case AllOf():
            return all(breached)
        case AnyOf():
            return any(breached)
        case AtLeast():
            return sum(breached) >= trigger.at_least
