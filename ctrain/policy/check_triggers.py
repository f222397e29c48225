"""Checks of the triggers of a policy: monitors they name, and times at which they can fire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Policy
from ctrain.policy.monitors import ChangeMonitor
from ctrain.policy.triggers import AllOf, AnyOf, AtLeast, Condition, Cron, Regret
from ctrain.policy.words import did_you_mean

MANUAL = "manual"
"""Stands for a person in records of decisions."""

_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def check_triggers(policy: Policy) -> Iterator[Problem]:
    """Return unknown monitors, conditions that can never be met and cron expressions that never fire."""
    for name, trigger in policy.triggers.items():
        path: KeyPath = ("triggers", name)
        if name == MANUAL:
            yield Problem(path, f"the name {MANUAL} is kept for triggers by a person")
        match trigger:
            case AllOf() | AnyOf() | AtLeast():
                yield from _check_condition(policy, trigger, path)
            case Cron():
                yield from _check_cron(trigger, path)
            case Regret():
                yield from _check_prices(trigger, path)


def _check_condition(policy: Policy, trigger: Condition, path: KeyPath) -> Iterator[Problem]:
    key = next(key for key in ("all", "any", "of") if hasattr(trigger, key))
    for position, monitor in enumerate(trigger.monitors):
        if monitor not in policy.monitors:
            yield Problem(
                (*path, key, position),
                f"expected the name of a monitor, got {monitor}{did_you_mean(monitor, policy.monitors)}",
            )
        elif monitor in trigger.monitors[:position]:
            yield Problem((*path, key, position), f"the monitor {monitor} is there twice")
    if trigger.needed > len(trigger.monitors):
        yield Problem(
            (*path, "at_least"), f"expected at most {len(trigger.monitors)}, the number of monitors in of"
        )
    if trigger.needed == len(trigger.monitors):
        yield from _check_holds(policy, trigger, path)


def _check_holds(policy: Policy, trigger: Condition, path: KeyPath) -> Iterator[Problem]:
    """Return monitors that cannot stay BREACHED as long as a condition on all of them must hold."""
    for name in trigger.monitors:
        monitor = policy.monitors.get(name)
        if isinstance(monitor, ChangeMonitor) and monitor.hold < trigger.for_:
            yield Problem(
                (*path, "for"),
                f"{format_duration(trigger.for_)} is longer than the monitor {name} stays BREACHED "
                f"(hold: {format_duration(monitor.hold)})",
            )


def _check_prices(trigger: Regret, path: KeyPath) -> Iterator[Problem]:
    price, rate = trigger.regret.training_price, trigger.regret.training_rate
    if price is None and rate is None:
        yield Problem((*path, "regret"), "expected training_price or training_rate")
    if price is not None and rate is not None:
        yield Problem(
            (*path, "regret", "training_rate"), "expected either training_price or training_rate, not both"
        )


def _check_cron(trigger: Cron, path: KeyPath) -> Iterator[Problem]:
    if len(trigger.cron.split()) != 5:
        yield Problem(
            (*path, "cron"),
            f"expected five fields (minute, hour, day, month, weekday) such as 0 3 * * *, got {trigger.cron}",
        )
        return
    try:
        fires = next(CronSim(trigger.cron, _ANY_DAY), None) is not None
    except CronSimError as error:
        yield Problem(
            (*path, "cron"), f"expected a cron expression that can fire, got {trigger.cron}: {error}"
        )
        return
    if not fires:
        yield Problem((*path, "cron"), f"{trigger.cron} never fires")
