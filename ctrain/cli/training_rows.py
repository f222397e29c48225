"""A run's training as rows of the table that ``ctrain show`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrain.domain import Json

LONG = timedelta(minutes=2)
"""From here on a length is easier to read as hours and minutes."""


def training_rows(training: Json) -> list[list[Any]]:
    """What a run was trained on, and how that came about."""
    candidate = training.get("candidate")
    until = training.get("cut_off" if candidate else "holdout_start", "")
    span = f"{_shown(training.get('window_start', ''))} to {_shown(until)}"
    rows: list[list[Any]] = [
        ["training rows", f"{training.get('rows')} ({span})"],
        ["held out", training.get("holdout_rows")],
    ]
    rows += _chosen((candidate or training).get("result", {}))
    if candidate:
        rows.append(["fitted again after", f"version {candidate['version']}, which the gates judged"])
    if training.get("window"):
        rows.append(["window", training["window"]])
    look = training.get("learnable", {})
    if "verdict" in look:
        rows.append(["before training", f"{look['verdict'].replace('_', ' ')}: {look['reason']}"])
    if training.get("reused"):
        rows.append(["reused", f"the version of {training['reused']}, made of the same"])
    rows += [["failed attempt", failure] for failure in training.get("failures", [])]
    spent = training.get("spent", [])
    return [*rows, ["training time", _length(spent)]] if spent else rows


def _chosen(result: Json) -> Iterator[list[Any]]:
    """Among candidates and parameters, by the newest training rows."""
    selection, tuning = result.get("selection"), result.get("tuning")
    if selection:
        losses = sorted(selection["losses"].items(), key=lambda one: float(one[1]))
        told = ", ".join(f"{name} {loss:.4g}" for name, loss in losses)
        yield ["chosen", f"{selection['chosen']} by {selection['metric']} on the newest rows: {told}"]
    if tuning:
        values = ", ".join(f"{name} {_value(value)}" for name, value in tuning["params"].items())
        before = tuning.get("warm_start")
        champion = f"; with the champion's {before:.4g}" if before is not None else ""
        yield [
            "tuned",
            f"{values}: {tuning['metric']} {tuning['loss']:.4g} on the newest rows, "
            f"the best of {tuning['trials']} trials{champion}",
        ]
        foreign = ", ".join(f"{name} {_value(value)}" for name, value in tuning.get("left_out", {}).items())
        if foreign:
            yield ["not searched", f"of the champion's parameters {foreign}: train.tune has no such value"]


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shown(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M}" if instant else ""


def _length(spent: list[Any]) -> str:
    """Of all attempts, and of a refit."""
    seconds = sum(float(one["train_seconds"]) for one in spent)
    whole = timedelta(seconds=round(seconds))
    return str(whole) if whole >= LONG else f"{seconds:.1f} s"
