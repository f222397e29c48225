"""Runs and scenes of the demo's story with defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ctrain.demo.story import FIRST_REASON, Scene
from ctrain.domain import Phase, PolicyName, Run, RunId, TriggerName, Version

START = datetime(2013, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def run(
    number: int,
    phase: Phase,
    *,
    reason: str | None = None,
    params: Mapping[str, str] | None = None,
    started: float = 30,
    ended: float | None = None,
    challenger: str | None = None,
    champion: str | None = "1",
    details: Mapping[str, Any] | None = None,
) -> Run:
    """A run; with ``reason`` a person asked for it, without one monitors started it."""
    request = {} if reason is None else {"request": {"reason": reason, "params": dict(params or {})}}
    return Run(
        id=RunId(f"flight-delay-{number}"),
        policy=PolicyName("flight-delay"),
        phase=phase,
        trigger=TriggerName("harmful-drift" if reason is None else "manual"),
        reason="2 of inputs, brier, error" if reason is None else "asked for by demo",
        actor="ctrain" if reason is None else "demo",
        policy_hash="",
        policy_text="",
        policy_path="",
        created_at=day(started),
        phase_since=day(started if ended is None else ended),
        champion_version=None if champion is None else Version(champion),
        challenger_version=None if challenger is None else Version(challenger),
        ended_at=None if ended is None else day(ended),
        outcome_reason=f"ended {phase.value}",
        details={**request, **(details or {})},
    )


def first_model(phase: Phase = Phase.ACCEPTED) -> Run:
    ended = 24.0 if phase.ended else None
    return run(1, phase, reason=FIRST_REASON, started=24, ended=ended, challenger="1", champion=None)


def real_drift(phase: Phase = Phase.ACCEPTED, number: int = 2) -> Run:
    return run(number, phase, started=43, ended=84 if phase.ended else None, challenger="2")


def shuffled(phase: Phase = Phase.REJECTED) -> Run:
    params = {"staged": "shuffled_labels"}
    ended = 85.0 if phase.ended else None
    return run(3, phase, reason="STAGED: x", params=params, started=85, ended=ended, challenger="3")


def fused(phase: Phase = Phase.ROLLED_BACK) -> Run:
    params = {"staged": "fuse", "fuse_at": "2013-05-04"}
    ended = 128.0 if phase.ended else None
    return run(4, phase, reason="STAGED: y", params=params, started=86, ended=ended, challenger="4")


def scene(at: float, *runs: Run, champion: str | None = "1") -> Scene:
    """What is known on day ``at``; runs are given oldest first."""
    version = None if champion is None else Version(champion)
    return Scene(START, day(at), version, tuple(reversed(runs)))
