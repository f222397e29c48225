"""Checks of the monitors of a policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from ctrain.domain import Task
from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.metrics import HIGHER_IS_BETTER, METRICS_BY_TASK
from ctrain.policy.models import Policy
from ctrain.policy.monitors import (
    ChangeMonitor,
    DriftMonitor,
    EstimatedPerformanceMonitor,
    Monitor,
    OnFeature,
    OnMetric,
    PerformanceMonitor,
    PrometheusMonitor,
    QualityMonitor,
    VolumeMonitor,
)
from ctrain.policy.words import did_you_mean

_NO_LABEL = re.compile(r"[\s{}()=,\"']")
"""What is no part of a label's name, but of an expression."""
_UP_ONLY = ("ddm",)
_PROBABILITY = ("adwin", "kswin")


def check_monitors(policy: Policy) -> Iterator[Problem]:
    """Return what is missing from monitors, contradicts itself or names unknown columns."""
    for name, monitor in policy.monitors.items():
        path: KeyPath = ("monitors", name)
        if isinstance(monitor, EstimatedPerformanceMonitor | PerformanceMonitor | PrometheusMonitor):
            yield from _check_bounds(monitor, path)
        if isinstance(monitor, DriftMonitor | QualityMonitor):
            yield from _check_looks(policy, monitor.every, path)
        yield from _check_one(policy, monitor, path)


def _check_looks(policy: Policy, every: timedelta | None, path: KeyPath) -> Iterator[Problem]:
    if every is not None and every % policy.data.pane != timedelta(0):
        yield Problem(
            (*path, "every"), "expected a multiple of data.pane: a verdict is given at the end of a pane"
        )


def _check_one(policy: Policy, monitor: Monitor, path: KeyPath) -> Iterator[Problem]:
    match monitor:
        case DriftMonitor():
            yield from _check_drift(policy, monitor, path)
        case ChangeMonitor():
            yield from _check_change(policy, monitor, path)
        case EstimatedPerformanceMonitor():
            yield from _check_estimated(policy, monitor, path)
        case PerformanceMonitor():
            yield from _check_metric(policy, monitor, path)
        case PrometheusMonitor():
            yield from _check_address(monitor, path)
        case VolumeMonitor():
            yield from _check_limits(monitor, path)


def _check_drift(policy: Policy, monitor: DriftMonitor, path: KeyPath) -> Iterator[Problem]:
    if monitor.min_effect > 1 and monitor.test not in ("psi", "wasserstein"):
        message = f"the effect of {monitor.test} is from 0 to 1, so nothing would ever be BREACHED"
        yield Problem((*path, "min_effect"), f"{message}, got {monitor.min_effect:g}")
    known = [*policy.data.features.names]
    if policy.data.prediction is not None:
        known.append(policy.data.prediction)
    for position, column in enumerate(monitor.columns or ()):
        if column not in known:
            yield Problem(
                (*path, "columns", position),
                f"expected a feature or the prediction, got {column}{did_you_mean(column, known)}",
            )
        elif column in (monitor.columns or ())[:position]:
            yield Problem((*path, "columns", position), f"the column {column} is there twice")
        elif column == policy.data.prediction and monitor.by is not None:
            message = f"{column} is the prediction, which is not looked at by {monitor.by}; use two monitors"
            yield Problem((*path, "columns", position), message)


def _check_change(policy: Policy, monitor: ChangeMonitor, path: KeyPath) -> Iterator[Problem]:
    if monitor.detector in _UP_ONLY and monitor.direction != "up":
        yield Problem(
            (*path, "direction"),
            f"the detector {monitor.detector} finds changes up only, got {monitor.direction}",
        )
    if monitor.detector in _PROBABILITY and monitor.threshold is not None and monitor.threshold >= 1:
        yield Problem(
            (*path, "threshold"),
            f"is a probability for the detector {monitor.detector}: expected less than 1,"
            f" got {monitor.threshold:g}",
        )
    if isinstance(monitor.on, OnFeature):
        yield from _check_feature(policy, monitor.on.feature, (*path, "on", "feature"))
    elif isinstance(monitor.on, OnMetric):
        yield from _check_name_of_metric(policy, monitor.on.metric, (*path, "on", "metric"))
        if monitor.on.metric in HIGHER_IS_BETTER and monitor.direction == "up":
            yield Problem(
                (*path, "direction"),
                f"a higher {monitor.on.metric} is better: expected down or both",
            )


def _check_feature(policy: Policy, feature: str, path: KeyPath) -> Iterator[Problem]:
    features = policy.data.features
    known = [*features.numeric, *features.boolean, *features.date]
    if feature not in known:
        expected = f"a numeric, boolean or date feature, got {feature}"
        yield Problem(path, f"expected {expected}{did_you_mean(feature, known)}")


def _check_address(monitor: PrometheusMonitor, path: KeyPath) -> Iterator[Problem]:
    if not monitor.url.startswith(("http://", "https://")):
        yield Problem((*path, "url"), "expected an address that begins with http:// or https://")
    label = monitor.by or ""
    if label == "__name__":
        message = "expected a label other than __name__: the age of what it names cannot be asked for"
        yield Problem((*path, "by"), message)
    elif _NO_LABEL.search(label):
        yield Problem((*path, "by"), f"expected the name of one label of the query's series, got {label}")


def _check_estimated(
    policy: Policy, monitor: EstimatedPerformanceMonitor, path: KeyPath
) -> Iterator[Problem]:
    if policy.model.task is Task.REGRESSION:
        yield Problem(
            (*path, "type"),
            "expected another type: without labels only a task with classes can be estimated, "
            "a regression needs performance",
        )
        return
    yield from _check_name_of_metric(policy, monitor.metric, (*path, "metric"))


def _check_bounds(
    monitor: EstimatedPerformanceMonitor | PerformanceMonitor | PrometheusMonitor, path: KeyPath
) -> Iterator[Problem]:
    if monitor.above is None and monitor.below is None:
        yield Problem(path, "expected above or below")
    elif monitor.above is not None and monitor.below is not None and monitor.below > monitor.above:
        yield Problem((*path, "below"), "is greater than above: every value would be BREACHED")


def _check_metric(policy: Policy, monitor: PerformanceMonitor, path: KeyPath) -> Iterator[Problem]:
    yield from _check_name_of_metric(policy, monitor.metric, (*path, "metric"))


def _check_name_of_metric(policy: Policy, metric: str, path: KeyPath) -> Iterator[Problem]:
    known = METRICS_BY_TASK[policy.model.task]
    if metric not in known:
        expected = f"a metric of the task {policy.model.task.value}, one of {', '.join(sorted(known))}"
        yield Problem(path, f"expected {expected}, got {metric}{did_you_mean(metric, known)}")


def _check_limits(monitor: VolumeMonitor, path: KeyPath) -> Iterator[Problem]:
    if monitor.min_rows is None and monitor.max_rows is None:
        yield Problem(path, "expected min_rows or max_rows")
    elif (
        monitor.min_rows is not None and monitor.max_rows is not None and monitor.min_rows > monitor.max_rows
    ):
        yield Problem((*path, "min_rows"), "is greater than max_rows: every window would be BREACHED")
