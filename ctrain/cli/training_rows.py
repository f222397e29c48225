"""A run's training as rows of the table that ``ctrain show`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrain.domain import Json


def training_rows(training: Json) -> list[list[Any]]:
    """What a run was trained on, and how that came about."""
    candidate = training.get("candidate")
    until = training.get("cut_off" if candidate else "holdout_start", "")
    rows: list[list[Any]] = [
        ["training rows", f"{training.get('rows')} ({training.get('window_start', '')} to {until})"],
        ["held out", training.get("holdout_rows")],
    ]
    if candidate:
        rows.append(["fitted again after", f"version {candidate['version']}, which the gates judged"])
    if training.get("window"):
        rows.append(["window", training["window"]])
    look = training.get("learnable", {})
    if "verdict" in look:
        rows.append(["before training", f"{look['verdict'].replace('_', ' ')}: {look['reason']}"])
    if training.get("reused"):
        rows.append(["reused", f"the version of {training['reused']}, made of the same"])
    return [*rows, *(["failed attempt", failure] for failure in training.get("failures", []))]
