"""The limits of a policy as sentences, and how instants, lengths and numbers are written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.queries.answers import LimitsLeft


def limit_lines(limits: LimitsLeft) -> list[str]:
    """What stands between a policy and its next run."""
    lines = []
    if limits.paused:
        lines.append("the policy is paused; `ctrain resume` ends that")
    if limits.active_run:
        lines.append(f"run {limits.active_run} is active")
    if limits.cooldown_until:
        lines.append(f"cooldown until {instant(limits.cooldown_until)}")
    if limits.backoff_until:
        lines.append(f"backoff until {instant(limits.backoff_until)}")
    if limits.blackout_until:
        lines.append(f"blackout until {instant(limits.blackout_until)}: nothing is trained or promoted")
    lines += _budget_lines(limits)
    if limits.min_new_labels:
        lines.append(f"a run needs {limits.min_new_labels} new labelled rows")
    return lines


def _budget_lines(limits: LimitsLeft) -> list[str]:
    lines = []
    if limits.budget_runs_left is not None:
        frees = f", the next frees at {instant(limits.budget_frees_at)}" if limits.budget_frees_at else ""
        lines.append(f"{limits.budget_runs_left} runs left in the budget{frees}")
    if limits.training_time_left is not None:
        frees_at = limits.training_time_frees_at
        frees = f", enough for a training at {instant(frees_at)}" if frees_at else ""
        lines.append(f"{length(limits.training_time_left)} of training time left in the budget{frees}")
    return lines


def instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def length(lasted: timedelta | None) -> str:
    return "" if lasted is None else str(timedelta(seconds=round(lasted.total_seconds(), 1)))


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
