"""Checks of monitors of data quality, and of the column by whose values monitors look."""

from __future__ import annotations

from collections.abc import Iterator

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.models import Policy
from ctrain.policy.monitors import BySegment, QualityMonitor
from ctrain.policy.words import did_you_mean

_LIMITS = (
    "max_null_rate",
    "unseen_categories",
    "max_type_errors",
    "max_out_of_range",
    "max_duplicates",
)


def check_quality(policy: Policy) -> Iterator[Problem]:
    """Return what monitors of quality lack, and by which columns no monitor can look."""
    for name, monitor in policy.monitors.items():
        path: KeyPath = ("monitors", name)
        if isinstance(monitor, BySegment):
            yield from _check_segments(policy, monitor, path)
        if isinstance(monitor, QualityMonitor):
            yield from _check_limits(policy, monitor, path)
            yield from _check_columns(policy, monitor, path)
            yield from _check_ranges(policy, monitor, path)


def _check_segments(policy: Policy, monitor: BySegment, path: KeyPath) -> Iterator[Problem]:
    known = policy.data.features.categorical
    if monitor.by is not None and monitor.by not in known:
        nearest = did_you_mean(monitor.by, known)
        yield Problem((*path, "by"), f"expected a categorical feature, got {monitor.by}{nearest}")


def _check_limits(policy: Policy, monitor: QualityMonitor, path: KeyPath) -> Iterator[Problem]:
    no_limit = all(getattr(monitor, key) is None for key in _LIMITS)
    if no_limit and monitor.constant == monitor.schema_ == "ignore":
        yield Problem(path, f"expected one of {', '.join(_LIMITS)}, constant: breach or schema: breach")
    features = policy.data.features
    needs = {"unseen_categories": ("categorical", features.categorical)}
    if not monitor.ranges:
        needs["max_out_of_range"] = ("numeric", features.numeric)
    for key, (kind, names) in needs.items():
        wanted = monitor.columns or names
        if getattr(monitor, key) is not None and not set(wanted) & set(names):
            yield Problem((*path, key), f"expected a {kind} feature to look at, there is none")


def _check_columns(policy: Policy, monitor: QualityMonitor, path: KeyPath) -> Iterator[Problem]:
    known, columns = policy.data.features.names, monitor.columns or ()
    for position, column in enumerate(columns):
        if column not in known:
            nearest = did_you_mean(column, known)
            yield Problem((*path, "columns", position), f"expected a feature, got {column}{nearest}")
        elif column in columns[:position]:
            yield Problem((*path, "columns", position), f"the column {column} is there twice")


def _check_ranges(policy: Policy, monitor: QualityMonitor, path: KeyPath) -> Iterator[Problem]:
    known = [one for one in policy.data.features.numeric if one in (monitor.columns or (one,))]
    for name, between in monitor.ranges.items():
        here = (*path, "ranges", name)
        if name not in known:
            yield Problem(here, f"expected a numeric feature of the monitor{did_you_mean(name, known)}")
        elif between.min is None and between.max is None:
            yield Problem(here, "expected min or max")
        elif between.min is not None and between.max is not None and between.min > between.max:
            yield Problem((*here, "min"), "is greater than max: every value would be outside")
    if monitor.ranges and monitor.max_out_of_range is None:
        message = "is missing: say which share of values may be outside ranges"
        yield Problem((*path, "max_out_of_range"), message)
