"""Verdicts of a closed pane + what a trigger remembers -> what it remembers next, and whether it is met.

All times are event time, so a backlog, a restart and a live daemon come to the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ctrain.domain import MonitorName, Status, TriggerState
from ctrain.policy.triggers import Condition


def fold_condition(
    trigger: Condition,
    statuses: Mapping[MonitorName, Status],
    state: TriggerState,
    as_of: datetime,
) -> TriggerState:
    """Return the state after the pane that ends at ``as_of``.

    INCONCLUSIVE, and a monitor without a verdict, are not BREACHED: they break ``for`` as OK does.
    A pane that was folded before, or lies before it, changes nothing.
    """
    if state.as_of is not None and as_of <= state.as_of:
        return state
    if not _breached_enough(trigger, statuses):
        return replace(state, as_of=as_of, met_since=None)
    met_since = state.met_since if state.met_since is not None else as_of
    met = as_of - met_since >= trigger.for_
    return replace(state, as_of=as_of, met_since=met_since, last_met_at=as_of if met else state.last_met_at)


def condition_met(trigger: Condition, state: TriggerState) -> bool:
    """Return whether the condition is met as of the last folded pane, by verdicts or by ``hold``."""
    if state.as_of is None:
        return False
    if state.met_since is not None and state.as_of - state.met_since >= trigger.for_:
        return True
    return _held(trigger, state)


def _held(trigger: Condition, state: TriggerState) -> bool:
    """Return whether ``hold`` alone would keep the condition met."""
    if state.as_of is None or state.last_met_at is None:
        return False
    return bool(trigger.hold) and state.as_of - state.last_met_at <= trigger.hold


def _breached_enough(trigger: Condition, statuses: Mapping[MonitorName, Status]) -> bool:
    breached = sum(statuses.get(MonitorName(name)) is Status.BREACHED for name in trigger.monitors)
    return breached >= trigger.needed
