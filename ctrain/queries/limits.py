"""What limits still hold back, by the policy file in force, or else as the newest run had it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from ctrain.domain import PolicyRecord, Run
from ctrain.errors import PolicyError
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Limits, Policy
from ctrain.queries.answers import LimitsLeft
from ctrain.triggers.blackout import blackout_until
from ctrain.triggers.limits import backoff_until, budget_left
from ctrain.triggers.training_time import reserved_time, time_spent, training_time_left


def limits_left(policy: Policy | None, runs: Sequence[Run], paused: bool, now: datetime) -> LimitsLeft:
    """What the limits of ``policy`` (None: unknown) hold back now; ``runs`` are its own, newest first."""
    limits = policy.limits if policy else None
    ended = [(run.phase, run.created_at, run.ended_at) for run in runs if run.ended_at is not None]
    backoff = backoff_until(limits, ended) if limits else None
    budget = limits.budget if limits else None
    left, frees_at = budget_left(budget, (run.created_at for run in runs), now) or (None, None)
    spent = time_spent(runs)
    reserved = reserved_time(spent, policy.train.timeout if policy else timedelta(0))
    time_left, time_frees_at = training_time_left(budget, spent, reserved, now) or (None, None)
    return LimitsLeft(
        active_run=next((run.id for run in runs if not run.phase.ended), None),
        paused=paused,
        cooldown_until=_ahead(_cooldown(limits, runs), now),
        backoff_until=_ahead(backoff, now),
        budget_runs_left=left,
        budget_frees_at=frees_at,
        training_time_left=time_left,
        training_time_frees_at=time_frees_at,
        blackout_until=blackout_until(limits.blackout, now) if limits else None,
        min_new_labels=limits.min_new_labels if limits and limits.min_new_labels else None,
    )


def policy_in_force(
    record: PolicyRecord | None, runs: Sequence[Run], environ: Mapping[str, str]
) -> Policy | None:
    """The policy as the file has it that the daemon has in force; None when neither it nor a run tells."""
    texts = [(runs[0].policy_text, runs[0].policy_path)] if runs else []
    if record is not None and record.path:
        with suppress(OSError):
            texts.insert(0, (Path(record.path).read_text(), record.path))
    for text, path in texts:
        with suppress(PolicyError):
            return parse_policy(text, Path(path), environ).policy
    return None


def _cooldown(limits: Limits | None, runs: Sequence[Run]) -> datetime | None:
    ends = [run.ended_at for run in runs if run.ended_at is not None]
    if limits is None or limits.cooldown is None or not ends:
        return None
    return max(ends) + limits.cooldown


def _ahead(until: datetime | None, now: datetime) -> datetime | None:
    return until if until is not None and until > now else None
