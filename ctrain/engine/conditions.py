"""The conditions of a policy: which follow panes, which follow the clock, and what makes them begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, TriggerName, TriggerState
from ctrain.policy.monitors import FreshnessMonitor, Monitor, PrometheusMonitor
from ctrain.policy.triggers import Condition
from ctrain.triggers.conditions import condition_met

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.engine.watch_memory import States
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

Conditions = Mapping[TriggerName, Condition]


def clock_monitors(policy: Policy) -> dict[MonitorName, Monitor]:
    """The monitors whose verdicts follow the clock, not the panes."""
    return {
        MonitorName(key): one
        for key, one in policy.monitors.items()
        if isinstance(one, FreshnessMonitor | PrometheusMonitor)
    }


def pane_conditions(policy: Policy) -> Conditions:
    """The conditions that are folded once per closed pane."""
    return {name: one for name, one in _conditions(policy) if not _clocked(policy, one)}


def clock_conditions(policy: Policy) -> Conditions:
    """The conditions on clock monitors alone: stale data closes no pane that could fold them."""
    return {name: one for name, one in _conditions(policy) if _clocked(policy, one)}


def _conditions(policy: Policy) -> list[tuple[TriggerName, Condition]]:
    return [(TriggerName(key), one) for key, one in policy.triggers.items() if isinstance(one, Condition)]


def _clocked(policy: Policy, condition: Condition) -> bool:
    names = clock_monitors(policy)
    return all(MonitorName(name) in names for name in condition.monitors)


def load_states(watch: Watch, tx: Transaction, conditions: Conditions) -> States:
    return {name: tx.trigger_state(watch.name, name) for name in conditions}


def save_states(watch: Watch, tx: Transaction, states: Mapping[TriggerName, TriggerState]) -> None:
    for state in states.values():
        if state.as_of is not None:
            tx.save_trigger_state(watch.name, state)


def met_conditions(policy: Policy, states: Mapping[TriggerName, TriggerState]) -> frozenset[TriggerName]:
    """The conditions that are met as of the pane (or the moment) that was folded last."""
    return frozenset(
        name for name, one in _conditions(policy) if name in states and condition_met(one, states[name])
    )


def forget_conditions(watch: Watch, tx: Transaction) -> None:
    """Let every condition begin anew: what it was met by was said of another champion.

    A run may have begun under another policy: the conditions of that one and of the present one are meant.
    """
    present = watch.present.policy
    clocked = clock_conditions(present)
    conditions = {**pane_conditions(watch.policy), **pane_conditions(present)}
    states = load_states(watch, tx, {name: one for name, one in conditions.items() if name not in clocked})
    for state in states.values():
        if state.met_since is not None or state.last_met_at is not None:
            tx.save_trigger_state(watch.name, replace(state, met_since=None, last_met_at=None))
