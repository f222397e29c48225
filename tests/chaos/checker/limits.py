"""Budget and cooldown were kept by every run that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence, instant

BY_HAND = "manual"


def limit_faults(evidence: Evidence) -> Iterator[str]:
    limits = evidence.limits
    runs = evidence.of_policy("runs", "number")
    for position, run in enumerate(runs):
        created = instant(run["created_at"])
        before = runs[:position]
        recent = [one for one in before if instant(one["created_at"]) > created - limits.per]
        if limits.runs is not None and len(recent) >= limits.runs:
            yield f"run {run['id']} is number {len(recent) + 1} within {limits.per}, of {limits.runs}"
        ends = [instant(one["ended_at"]) for one in before if one["ended_at"] is not None]
        by_itself = run["trigger"] != BY_HAND and limits.cooldown is not None and bool(ends)
        if by_itself and limits.cooldown is not None and created < max(ends) + limits.cooldown:
            yield f"run {run['id']} began within the cooldown of {limits.cooldown} after {max(ends)}"
