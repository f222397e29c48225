"""Checks of what a policy means, beyond the types of its values; each names the key that is at fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from ctrain.domain import Task
from ctrain.policy.check_classifiers import check_classifiers
from ctrain.policy.check_groups import check_groups
from ctrain.policy.check_monitors import check_monitors
from ctrain.policy.check_notify import check_notify
from ctrain.policy.check_quality import check_quality
from ctrain.policy.check_reference import check_reference
from ctrain.policy.check_sources import check_sources
from ctrain.policy.check_times import check_times
from ctrain.policy.check_train import check_train
from ctrain.policy.check_triggers import check_triggers
from ctrain.policy.data import is_own_column
from ctrain.policy.document import Problem
from ctrain.policy.fields import format_duration
from ctrain.policy.loaded import LoadedPolicy
from ctrain.policy.metrics import GROUP_METRICS_BY_TASK, MEANS_BY_TASK, METRICS_BY_TASK
from ctrain.policy.models import (
    AbsoluteGate,
    ChampionGate,
    DataSpec,
    GroupGate,
    Policy,
)
from ctrain.policy.monitors import EstimatedPerformanceMonitor, PerformanceMonitor, QualityMonitor
from ctrain.policy.words import did_you_mean

DAY = timedelta(days=1)


def check_policy(policy: Policy) -> list[Problem]:
    """Return everything in a well-formed policy that cannot be meant or cannot work."""
    return [
        *_check_model(policy),
        *_check_columns(policy.data),
        *_check_own_names(policy.data),
        *check_sources(policy),
        *check_monitors(policy),
        *check_quality(policy),
        *check_classifiers(policy),
        *check_reference(policy),
        *check_triggers(policy),
        *_check_limits(policy),
        *check_train(policy),
        *_check_gates(policy),
        *check_groups(policy),
        *check_times(policy),
        *check_notify(policy),
    ]


def check_fleet(loaded: Sequence[LoadedPolicy]) -> list[str]:
    """Return what forbids these policies in one daemon: shared names, or shared aliases of a model.

    Also of ``previous_champion`` alone: a rollback would go back to what the other policy has promoted.
    """
    names: dict[str, LoadedPolicy] = {}
    owners: dict[tuple[str, str], LoadedPolicy] = {}
    problems = []
    for one in loaded:
        name = one.policy.policy
        first = names.setdefault(name, one)
        if first is not one:
            problems.append(f"{one.path}: policy: the name {name} is taken by {first.path}")
        problems += _shared_aliases(one, owners)
    return problems


def _shared_aliases(one: LoadedPolicy, owners: dict[tuple[str, str], LoadedPolicy]) -> Iterator[str]:
    """What is wrong with the aliases of a policy; those that are still free become its own."""
    model = one.policy.model
    for key, alias in model.aliases.model_dump().items():
        first = owners.setdefault((model.name, alias), one)
        if first is not one:
            yield (
                f"{one.path}: model.name: the alias {alias} of the model {model.name} is "
                f"looked after by the policy {first.policy.policy} ({first.path}); "
                f"map another name in model.aliases.{key}"
            )


def check_rates(policy: Policy, rows_per_day: float) -> list[str]:
    """Return which ``min_rows`` cannot be reached in time when so many rows come a day.

    Windows of drift monitors grow back in time and always reach theirs; those of losses and of quality
    do not.
    """
    wanted: list[tuple[str, int, timedelta]] = [
        (f"monitors.{name}.min_rows", monitor.min_rows, monitor.window)
        for name, monitor in policy.monitors.items()
        if isinstance(monitor, EstimatedPerformanceMonitor | PerformanceMonitor | QualityMonitor)
    ]
    longest = policy.shadow.max_duration - policy.data.labels.matures_after
    wanted.append(("shadow.min_rows", policy.shadow.min_rows, longest))
    rate = f"{rows_per_day:,.0f}" if rows_per_day >= 10 else f"{rows_per_day:.2g}"
    return [
        f"{key}: {rows} rows cannot be reached: about {rate} a day, as the files have them, are "
        f"{rows_per_day * (time / DAY):,.0f} in {format_duration(time)}"
        for key, rows, time in wanted
        if rows_per_day * (time / DAY) < rows
    ]


def _check_model(policy: Policy) -> Iterator[Problem]:
    model = policy.model
    means = MEANS_BY_TASK[model.task]
    if model.metric not in means:
        yield Problem(
            ("model", "metric"),
            f"expected a loss for the task {model.task.value}, one of {', '.join(sorted(means))}, "
            f"got {model.metric}",
        )
    outputs = ("auto", "value") if model.task is Task.REGRESSION else ("auto", "probability", "class")
    if model.output not in outputs:
        yield Problem(
            ("model", "output"),
            f"expected {' or '.join(outputs)} for the task {model.task.value}, got {model.output}",
        )
    if model.output == "class" and model.metric == "log_loss":
        yield Problem(
            ("model", "metric"), "log_loss needs probabilities; for a model that returns classes use zero_one"
        )
    aliases = model.aliases
    if len({aliases.champion, aliases.challenger, aliases.previous_champion}) < 3:
        yield Problem(("model", "aliases"), "expected three different alias names")


def _check_columns(data: DataSpec) -> Iterator[Problem]:
    features = data.features
    if not features.names:
        yield Problem(("data", "features"), "expected at least one numeric or categorical feature")
    for name, count in Counter(features.names).items():
        if count > 1:
            yield Problem(("data", "features"), f"the feature {name} is there {count} times")
    reserved = {
        data.labels.label: "the label",
        data.id: "the row id",
        data.prediction: "the prediction",
        data.model_version: "the model version",
    }
    for name in features.names:
        if name in reserved:
            yield Problem(("data", "features"), f"{name} is {reserved[name]} and cannot be a feature")
    known = {*features.names, data.labels.label, data.id, data.event_time.column}
    known |= {name for name in (data.prediction, data.model_version, data.labels.id) if name}
    for name in data.columns:
        if name not in known:
            yield Problem(
                ("data", "columns", name), f"no column of the policy has this name{did_you_mean(name, known)}"
            )


def _check_own_names(data: DataSpec) -> Iterator[Problem]:
    for name in filter(is_own_column, data.features.names):
        yield Problem(
            ("data", "features"),
            f"{name} is a name that ctrain uses itself; give the feature another one, "
            "and say in data.columns which column it is",
        )


def _check_limits(policy: Policy) -> Iterator[Problem]:
    limits = policy.limits
    if limits.budget is not None and limits.budget.runs is None and limits.budget.training_time is None:
        yield Problem(("limits", "budget"), "expected runs or training_time")
    for position, blackout in enumerate(limits.blackout):
        if blackout.from_ == blackout.to:
            yield Problem(("limits", "blackout", position), "begins and ends at the same time of day")
        if blackout.days is not None and not blackout.days:
            yield Problem(("limits", "blackout", position, "days"), "expected at least one day")


def _check_gates(policy: Policy) -> Iterator[Problem]:
    task = policy.model.task
    for position, gate in enumerate(policy.gates):
        if isinstance(gate, GroupGate):
            yield from _check_metric(gate.metric, GROUP_METRICS_BY_TASK[task], task, position)
        elif isinstance(gate, AbsoluteGate | ChampionGate):
            yield from _check_metric(gate.metric, METRICS_BY_TASK[task], task, position)
        if isinstance(gate, AbsoluteGate):
            if gate.min is None and gate.max is None:
                yield Problem(("gates", position), "expected min, max or not_worse_than_champion_by")
            elif gate.min is not None and gate.max is not None and gate.min > gate.max:
                yield Problem(("gates", position, "min"), "is above max: no value passes")
    if policy.promotion.expires_after is not None and policy.promotion.approval == "auto":
        yield Problem(("promotion", "expires_after"), "goes with approval: manual only")


def _check_metric(metric: str, known: frozenset[str], task: Task, position: int) -> Iterator[Problem]:
    if metric not in known:
        expected = f"a metric of the task {task.value}, one of {', '.join(sorted(known))}"
        nearest = did_you_mean(metric, known)
        yield Problem(("gates", position, "metric"), f"expected {expected}, got {metric}{nearest}")
