"""Checks of the durations of a policy against each other: times that cannot work are refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.fields import format_duration
from ctrain.policy.models import LastWindow, Policy, SameHours
from ctrain.policy.monitors import (
    DriftMonitor,
    EstimatedPerformanceMonitor,
    PerformanceMonitor,
    QualityMonitor,
    VolumeMonitor,
)


def check_times(policy: Policy) -> Iterator[Problem]:
    """Return durations that contradict the pane, the retention, the maturity of labels or each other."""
    yield from _check_panes(policy)
    yield from _check_retention(policy)
    yield from _check_shadow(policy)
    yield from _check_limits(policy)


def _check_panes(policy: Policy) -> Iterator[Problem]:
    pane = policy.data.pane
    for path, window in _windows(policy):
        if window < pane:
            yield Problem(path, f"{_d(window)} is shorter than data.pane ({_d(pane)})")
        elif window % pane:
            yield Problem(path, f"expected a multiple of data.pane ({_d(pane)}), got {_d(window)}")
    block = policy.shadow.block
    if isinstance(block, timedelta) and block < pane:
        yield Problem(("shadow", "block"), f"{_d(block)} is shorter than data.pane ({_d(pane)})")


def _check_retention(policy: Policy) -> Iterator[Problem]:
    retention = policy.data.retention
    if retention is None:
        return
    matures = policy.data.labels.matures_after
    needs = [*_windows(policy), *_reference(policy)]
    needs.append((("shadow", "max_duration"), policy.shadow.max_duration + matures))
    needs.append((("probation", "duration"), policy.probation.duration + matures))
    if isinstance(policy.train.window, LastWindow):
        lag = policy.train.window.lag or timedelta(0)
        needs.append((("train", "window", "last"), policy.train.window.last + lag))
    for path, need in needs:
        if need > retention:
            yield Problem(
                path, f"needs rows of the last {_d(need)}, data.retention keeps {_d(retention)} only"
            )


def _check_shadow(policy: Policy) -> Iterator[Problem]:
    shadow, matures = policy.shadow, policy.data.labels.matures_after
    if shadow.max_duration < shadow.min_duration:
        yield Problem(
            ("shadow", "max_duration"),
            f"{_d(shadow.max_duration)} is shorter than min_duration ({_d(shadow.min_duration)})",
        )
    undecided = shadow.undecided_after
    if undecided is not None and not shadow.min_duration <= undecided <= shadow.max_duration:
        yield Problem(
            ("shadow", "undecided_after"),
            f"{_d(undecided)} is not between min_duration ({_d(shadow.min_duration)}) "
            f"and max_duration ({_d(shadow.max_duration)})",
        )
    if undecided is not None and shadow.on_inconclusive != "promote":
        yield Problem(
            ("shadow", "undecided_after"),
            "needs on_inconclusive: promote; what is rejected, waits for the deadline",
        )
    if matures >= shadow.max_duration:
        yield Problem(
            ("shadow", "max_duration"),
            f"{_d(shadow.max_duration)} ends before any label matures "
            f"(data.labels.matures_after: {_d(matures)})",
        )
    if isinstance(shadow.block, timedelta) and shadow.block > shadow.max_duration:
        yield Problem(
            ("shadow", "block"),
            f"{_d(shadow.block)} is longer than max_duration ({_d(shadow.max_duration)})",
        )


def _check_limits(policy: Policy) -> Iterator[Problem]:
    limits = policy.limits
    if limits.backoff is not None and limits.cooldown is not None and limits.backoff.max < limits.cooldown:
        yield Problem(
            ("limits", "backoff", "max"),
            f"{_d(limits.backoff.max)} is shorter than cooldown ({_d(limits.cooldown)}), where it begins",
        )
    budget, timeout = limits.budget, policy.train.timeout
    if budget is not None and budget.training_time is not None and budget.training_time < timeout:
        yield Problem(
            ("limits", "budget", "training_time"),
            f"{_d(budget.training_time)} is shorter than train.timeout ({_d(timeout)}), "
            "which the first training needs",
        )


def _windows(policy: Policy) -> Iterator[tuple[KeyPath, timedelta]]:
    for name, monitor in policy.monitors.items():
        if isinstance(
            monitor,
            DriftMonitor | EstimatedPerformanceMonitor | PerformanceMonitor | QualityMonitor | VolumeMonitor,
        ):
            yield ("monitors", name, "window"), monitor.window


def _reference(policy: Policy) -> Iterator[tuple[KeyPath, timedelta]]:
    reference = policy.reference
    if isinstance(reference, LastWindow):
        yield ("reference", "last"), reference.last + (reference.lag or timedelta(0))
    elif isinstance(reference, SameHours):
        yield ("reference", "same_hours_last"), reference.same_hours_last


def _d(duration: timedelta) -> str:
    return format_duration(duration)
