"""Runs move along the arrows of the published diagram, one at a time, and say so in the history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.checker.evidence import Evidence, Row, parsed

BEFORE_PROMOTING = ("QUEUED", "TRAINING", "EVALUATING", "SHADOWING", "AWAITING_APPROVAL")
ARROWS = {
    "QUEUED": {"TRAINING"},
    "TRAINING": {"EVALUATING"},
    "EVALUATING": {"SHADOWING", "PROMOTING", "AWAITING_APPROVAL"},
    "SHADOWING": {"AWAITING_APPROVAL", "PROMOTING", "SUPERSEDED"},
    "AWAITING_APPROVAL": {"PROMOTING", "EXPIRED", "SUPERSEDED"},
    "PROMOTING": {"PROBATION", "ACCEPTED", "FAILED", "SUPERSEDED"},
    "PROBATION": {"ACCEPTED", "ROLLING_BACK", "SUPERSEDED"},
    "ROLLING_BACK": {"ROLLED_BACK", "ROLLBACK_FAILED", "SUPERSEDED"},
    "ROLLBACK_FAILED": {"ROLLING_BACK", "SUPERSEDED"},
}
ENDS = {"ACCEPTED", "REJECTED", "FAILED", "CANCELLED", "EXPIRED", "SUPERSEDED", "ROLLED_BACK"}


def run_faults(evidence: Evidence) -> Iterator[str]:
    runs = evidence.of_policy("runs", "number")
    active = [run["id"] for run in runs if run["phase"] not in ENDS]
    if len(active) > 1:
        yield f"{len(active)} runs are active: {', '.join(active)}"
    spans = []
    for run in runs:
        events = _moves(evidence, run["id"])
        yield from _journey(run, events)
        spans.append((run, _span(evidence, run, events)))
        yield from _ended(run)
    for (before, (_, ended)), (after, (began, _)) in pairwise(spans):
        if began <= ended:
            yield f"run {after['id']} began before {before['id']} had ended"


def _moves(evidence: Evidence, run_id: str) -> list[dict[str, object]]:
    query = "SELECT * FROM events WHERE run_id = ? AND kind LIKE 'run\\_%' ESCAPE '\\' ORDER BY id"
    found = evidence.select(query, run_id)
    phases = {*ARROWS, *ENDS}
    return [row for row in found if str(row["kind"]).removeprefix("run_").upper() in phases]


def _span(evidence: Evidence, run: Row, moves: list[dict[str, object]]) -> tuple[int, int]:
    """Numbers of the run's first event and of its last move (for ever, while it has not ended)."""
    first = evidence.select("SELECT min(id) AS id FROM events WHERE run_id = ?", run["id"])[0]["id"]
    ended = run["phase"] in ENDS and bool(moves)
    return int(first or 0), int(str(moves[-1]["id"])) if ended else 1 << 62


def _journey(run: Row, moves: list[dict[str, object]]) -> Iterator[str]:
    phase = "QUEUED"
    for row in moves:
        to = str(row["kind"]).removeprefix("run_").upper()
        if to == "QUEUED":
            continue
        came_from = parsed(str(row["evidence"]))["from"]
        if came_from != phase:
            yield f"run {run['id']}: moved to {to} from {came_from}, but stood in {phase}"
        if not _is_arrow(came_from, to):
            yield f"run {run['id']}: {came_from} -> {to} is no legal move"
        phase = to
    if phase != run["phase"]:
        yield f"run {run['id']} stands in {run['phase']}, its history ends in {phase}"


def _is_arrow(before: str, after: str) -> bool:
    leaves = {"REJECTED", "FAILED", "CANCELLED"} if before in BEFORE_PROMOTING else set()
    return after in ARROWS.get(before, set()) | leaves


def _ended(run: Row) -> Iterator[str]:
    if (run["phase"] in ENDS) != (run["ended_at"] is not None):
        yield f"run {run['id']} is {run['phase']} and ended at {run['ended_at']}"
