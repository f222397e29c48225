"""The history is a chain in which nothing was changed, removed or said twice."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence, Row, instant, parsed

ONCE_A_RUN = {"promoted", "run_queued", "run_training", "run_evaluating", "run_shadowing", "run_promoting"}


def history_faults(evidence: Evidence) -> Iterator[str]:
    yield from _chain(evidence)
    yield from _said_twice(evidence)
    yield from _requests(evidence)


def _chain(evidence: Evidence) -> Iterator[str]:
    previous = "0" * 64
    number = 0
    for row in evidence.select("SELECT * FROM events ORDER BY id"):
        number += 1
        if row["id"] != number and evidence.every_number:
            yield f"event {number} is missing from the history"
            number = row["id"]
        if row["prev_hash"] != previous or row["hash"] != _hash(previous, row):
            yield f"event {row['id']} ({row['kind']}) does not follow from the one before it"
        previous = row["hash"]


def _hash(previous: str, row: Row) -> str:
    content = {
        name: row[name] for name in ("policy", "kind", "actor", "message", "run_id", "policy_hash")
    } | {"at": instant(row["at"]).isoformat(), "evidence": parsed(row["evidence"])}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _said_twice(evidence: Evidence) -> Iterator[str]:
    told = Counter(
        (row["run_id"], row["kind"])
        for row in evidence.of_policy("events", "id")
        if row["run_id"] and row["kind"] in ONCE_A_RUN
    )
    yield from (
        f"run {run}: {kind} is told {times} times" for (run, kind), times in told.items() if times > 1
    )


def _requests(evidence: Evidence) -> Iterator[str]:
    """Whoever asked has one answer; a wish to train has started one run at most."""
    for row in evidence.of_policy("requests", "id"):
        if not row["answer"]:
            yield f"request {row['id']} ({row['kind']}) has no answer"
    fired = Counter(
        row["run_id"] for row in evidence.of_policy("decisions", "id") if row["outcome"] == "fired"
    )
    for run, times in fired.items():
        if run is None or times > 1:
            yield f"run {run} was started by {times} decisions"
    started = {row["id"] for row in evidence.of_policy("runs", "number")}
    yield from (f"run {run} was started by no decision" for run in sorted(started - set(fired)))
    yield from (f"decision on run {run}, which is not there" for run in sorted(set(fired) - started - {None}))
    yield from _occurrences(evidence)


def _occurrences(evidence: Evidence) -> Iterator[str]:
    """A schedule starts one run an occurrence."""
    due = Counter(
        (row["trigger"], row["occurrence_at"])
        for row in evidence.of_policy("decisions", "id")
        if row["outcome"] == "fired" and row["occurrence_at"] is not None
    )
    yield from (f"{trigger} fired {times} times at {at}" for (trigger, at), times in due.items() if times > 1)
