"""Runs as the store keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from ctrain.domain import Phase, PolicyName, Run, RunId, TriggerName
from ctrain.policy.loaded import LoadedPolicy
from tests.support.world import START


def a_run(number: int = 1, phase: Phase = Phase.QUEUED, at: datetime = START, **changes: Any) -> Run:
    """A run of ``clicks`` that has been in its phase since it was created."""
    run = Run(
        id=RunId(f"clicks-{number}"),
        policy=PolicyName("clicks"),
        phase=phase,
        trigger=TriggerName("degraded"),
        reason="brier BREACHED",
        actor="ctrain",
        policy_hash="hash-1",
        policy_text="version: 1\n",
        policy_path="/policies/clicks.yaml",
        created_at=at,
        phase_since=at,
    )
    return replace(run, **changes)


def run_under(loaded: LoadedPolicy, phase: Phase, **changes: Any) -> Run:
    """A run that was started under this policy."""
    policy = {"policy_hash": loaded.hash, "policy_text": loaded.text, "policy_path": str(loaded.path)}
    return a_run(phase=phase, **{**policy, **changes})
