"""What the gates saw, by the names under which MLflow shows it."""

from __future__ import annotations

from ctrain.domain import Json
from ctrain.lifecycle.card_evaluation import SERVED

ROLES = {"holdout": "challenger", "holdout.paired": "paired", "holdout.champion": "champion"}
"""``paired`` are the challenger's metrics on the rows that the champion's are measured on."""


def holdout_metrics(evaluation: Json) -> dict[str, float]:
    """Metrics on held-out rows: of the challenger on all, and of both on those later than both trainings."""
    return {
        f"{prefix}.{name}": value
        for prefix, role in ROLES.items()
        for name, value in (evaluation.get(role) or {}).items()
    }


def probe_metrics(serving: Json) -> dict[str, float]:
    """Milliseconds of a prediction and bytes of the artifact, where they were measured."""
    prefixes = {"serving": serving.get("challenger", {}), "serving.champion": serving.get("champion", {})}
    return {
        f"{prefix}.{name}": float(probe[name])
        for prefix, probe in prefixes.items()
        for name in SERVED
        if name in probe
    }
