"""Checks of the reference of a policy against the windows that are compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ctrain.policy.document import Problem
from ctrain.policy.fields import format_duration
from ctrain.policy.models import LastWindow, Policy, SameHours
from ctrain.policy.monitors import DriftMonitor

WEEK = timedelta(days=7)
FEWEST_WEEKS = 3


def check_reference(policy: Policy) -> Iterator[Problem]:
    """Return references that no window can be compared with, or whose segments are not settled."""
    yield from _check_segments(policy)
    match policy.reference:
        case SameHours() as reference:
            yield from _check_same_hours(policy, reference)
        case LastWindow() as reference:
            yield from _check_last(policy, reference)


def _check_segments(policy: Policy) -> Iterator[Problem]:
    """A reference has one set of segments for each column."""
    first: dict[str, tuple[str, int]] = {}
    for name, monitor in policy.monitors.items():
        if isinstance(monitor, DriftMonitor) and monitor.by is not None:
            other, most = first.setdefault(monitor.by, (name, monitor.max_segments))
            if most != monitor.max_segments:
                yield Problem(
                    ("monitors", name, "max_segments"),
                    f"expected {most}, as in monitors.{other}, which looks by {monitor.by}, too; "
                    f"got {monitor.max_segments}",
                )


def _check_same_hours(policy: Policy, reference: SameHours) -> Iterator[Problem]:
    length = reference.same_hours_last
    if length % WEEK or length < FEWEST_WEEKS * WEEK:
        yield Problem(
            ("reference", "same_hours_last"),
            f"expected whole weeks, at least {FEWEST_WEEKS}w, got {format_duration(length)}",
        )
    for name, monitor in policy.monitors.items():
        if isinstance(monitor, DriftMonitor) and monitor.window > WEEK:
            yield Problem(
                ("monitors", name, "window"),
                f"{format_duration(monitor.window)} is longer than a week: the same hours a week before "
                "would be inside it",
            )


def _check_last(policy: Policy, reference: LastWindow) -> Iterator[Problem]:
    for name, monitor in policy.monitors.items():
        if isinstance(monitor, DriftMonitor) and monitor.window > reference.last:
            yield Problem(
                ("monitors", name, "window"),
                f"{format_duration(monitor.window)} is longer than its reference "
                f"(reference.last: {format_duration(reference.last)})",
            )
