"""What shadow and probation say of two versions follows from the logged rows, each taken once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from tests.chaos.checker.evidence import Evidence, Row, instant, parsed

CLOSE = 1e-9
DETAILS = {"SHADOWING": "shadow", "PROBATION": "probation"}


def statistics_faults(evidence: Evidence) -> Iterator[str]:
    """Brier losses are compared block by block; other losses, and rows that are gone, are not looked at."""
    runs = [run for run in evidence.of_policy("runs", "number") if run["champion_version"] is not None]
    if not runs:
        return
    labels = {row["row_id"]: row["label"] for row in evidence.logged(evidence.manifest("labels"))}
    rows = evidence.logged(evidence.manifest("rows"))
    for run in runs:
        scores = [_scores(evidence, rows, run[side]) for side in ("challenger_version", "champion_version")]
        for phase, name in DETAILS.items():
            yield from _compared(
                evidence, run, phase, parsed(run["details"]).get(name, {}), rows, labels, scores
            )


def _scores(evidence: Evidence, rows: list[dict[str, object]], version: str) -> Mapping[object, float]:
    """Scores of a version by row: those that were computed, else those that production logged."""
    served = {row["row_id"]: row["prediction"] for row in rows if row["model_version"] == version}
    computed = [one for one in evidence.manifest("scores") if one["model_version"] == version]
    scored = {row["row_id"]: row["score"] for row in evidence.logged(computed)}
    return {**served, **scored}


def _compared(
    evidence: Evidence,
    run: Row,
    phase: str,
    found: Row,
    rows: list[dict[str, object]],
    labels: Mapping[object, float],
    scores: list[Mapping[object, float]],
) -> Iterator[str]:
    query = "SELECT * FROM comparison_points WHERE run_id = ? AND phase = ? ORDER BY id"
    points = evidence.select(query, run["id"], phase)
    if not points:
        return
    length = timedelta(seconds=found["block_seconds"])
    ends = [instant(point["at"]) for point in points]
    if ends[0] - length < evidence.kept_since():
        return
    if ends != sorted(set(ends)):
        yield f"run {run['id']}: blocks of {phase} are folded twice or out of order"
    means, total = [], 0
    for end, point in zip(ends, points, strict=True):
        losses = _differences(rows, labels, scores, end - length, end)
        total += len(losses)
        means.append(sum(losses) / len(losses) if losses else 0.0)
        said = parsed(point["point"])
        mean = sum(means) / len(means)
        if (said["rows"], said["blocks"]) != (total, len(means)) or abs(said["mean"] - mean) > CLOSE:
            yield (
                f"run {run['id']}: {phase} says {said['mean']} on {said['rows']} rows in {said['blocks']} "
                f"blocks up to {end}, the logged rows say {mean} on {total} in {len(means)}"
            )
            return


def _differences(
    rows: list[dict[str, object]],
    labels: Mapping[object, float],
    scores: list[Mapping[object, float]],
    start: datetime,
    end: datetime,
) -> list[float]:
    """How much more the challenger lost than the champion on each row of a block."""
    challenger, champion = scores
    inside = [row["row_id"] for row in rows if start <= row["event_at"] < end]  # type: ignore[operator]  # instants
    judged = [one for one in inside if one in labels and one in challenger and one in champion]
    return [(challenger[one] - labels[one]) ** 2 - (champion[one] - labels[one]) ** 2 for one in judged]
