"""What limits still hold back, by the policy file in force, or else as the newest run had it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ctrain.domain import PolicyRecord, Run
from ctrain.errors import PolicyError
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Limits
from ctrain.queries.answers import LimitsLeft
from ctrain.triggers.limits import backoff_until, budget_left


def limits_left(limits: Limits | None, runs: Sequence[Run], paused: bool, now: datetime) -> LimitsLeft:
    """What ``limits`` (None: unknown) hold back now; ``runs`` are the policy's, newest first."""
    ended = [(run.phase, run.created_at, run.ended_at) for run in runs if run.ended_at is not None]
    backoff = backoff_until(limits, ended) if limits else None
    budget = limits.budget if limits else None
    left, frees_at = budget_left(budget, (run.created_at for run in runs), now) or (None, None)
    return LimitsLeft(
        active_run=next((run.id for run in runs if not run.phase.ended), None),
        paused=paused,
        cooldown_until=_ahead(_cooldown(limits, runs), now),
        backoff_until=_ahead(backoff, now),
        budget_runs_left=left,
        budget_frees_at=frees_at,
        min_new_labels=limits.min_new_labels if limits and limits.min_new_labels else None,
    )


def limits_in_force(
    record: PolicyRecord | None, runs: Sequence[Run], environ: Mapping[str, str]
) -> Limits | None:
    """Limits as the file says that the daemon has in force; None when neither it nor a run tells."""
    texts = [(runs[0].policy_text, runs[0].policy_path)] if runs else []
    if record is not None and record.path:
        with suppress(OSError):
            texts.insert(0, (Path(record.path).read_text(), record.path))
    for text, path in texts:
        with suppress(PolicyError):
            return parse_policy(text, Path(path), environ).policy.limits
    return None


def _cooldown(limits: Limits | None, runs: Sequence[Run]) -> datetime | None:
    ends = [run.ended_at for run in runs if run.ended_at is not None]
    if limits is None or limits.cooldown is None or not ends:
        return None
    return max(ends) + limits.cooldown


def _ahead(until: datetime | None, now: datetime) -> datetime | None:
    return until if until is not None and until > now else None
