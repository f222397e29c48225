"""Checks of domain classifiers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.models import Policy
from ctrain.policy.monitors import DomainClassifierMonitor
from ctrain.policy.words import did_you_mean

MOST_SAMPLED = 100_000
"""Rows of either side in all segments: what one look may cost."""


def check_classifiers(policy: Policy) -> Iterator[Problem]:
    """Return what makes domain classifiers of a policy impossible."""
    for name, monitor in policy.monitors.items():
        if isinstance(monitor, DomainClassifierMonitor):
            yield from check_domain_classifier(policy, monitor, ("monitors", name))


def check_domain_classifier(
    policy: Policy, monitor: DomainClassifierMonitor, path: KeyPath
) -> Iterator[Problem]:
    """Return unknown columns, and times at which no pane ever ends."""
    known, columns = policy.data.features.names, monitor.columns or ()
    for position, column in enumerate(columns):
        if column not in known:
            yield Problem(
                (*path, "columns", position),
                f"expected a feature, got {column}{did_you_mean(column, known)}",
            )
        elif column in columns[:position]:
            yield Problem((*path, "columns", position), f"the column {column} is there twice")
        elif column == monitor.by:
            message = f"{column} is the same for all rows of a segment, as by names it: leave it out"
            yield Problem((*path, "columns", position), message)
    key, every = ("window", monitor.window) if monitor.every is None else ("every", monitor.every)
    if every % policy.data.pane != timedelta(0):
        yield Problem(
            (*path, key), "expected a multiple of data.pane: a verdict is given at the end of a pane"
        )
    if monitor.min_rows > monitor.sample:
        yield Problem(
            (*path, "min_rows"), "is greater than sample: so many rows are never shown to the classifier"
        )
    most = MOST_SAMPLED // monitor.sample
    if monitor.by is not None and monitor.max_segments > most:
        yield Problem(
            (*path, "max_segments"),
            f"expected at most {most} with samples of {monitor.sample} rows, got {monitor.max_segments}:"
            " take fewer segments, or smaller samples",
        )
