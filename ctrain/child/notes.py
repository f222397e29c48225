"""What was found out on the way to a model: in the MLflow run, and on the version for who looks later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ctrain.child.tracking import log_new_params

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMES = ("selection", "tuning", "learnable")
MAX_TAG_LENGTH = 5000
"""MLflow's limit."""
NO_NAME = str.maketrans(":/", "..")
"""Names of metrics take no colons, and slashes make folders."""


def log_notes(client: MlflowClient, mlflow_run_id: str, notes: Mapping[str, Any]) -> None:
    """Metrics and parameters for people who compare runs, and the whole as JSON."""
    if not notes:
        return
    selection = notes.get("selection", {})
    for name, loss in selection.get("losses", {}).items():
        client.log_metric(mlflow_run_id, f"validation.{name.translate(NO_NAME)}", loss)
    learnable = notes.get("learnable", {})
    if "difference" in learnable:
        client.log_metric(mlflow_run_id, "quick_refit.difference", learnable["difference"]["mean"])
    tuning = notes.get("tuning", {})
    if tuning:
        client.log_metric(mlflow_run_id, "validation.best", tuning["loss"])
    params = {f"tuned.{name}": value for name, value in tuning.get("params", {}).items()}
    if selection:
        params["chosen"] = selection["chosen"]
    if learnable:
        params["learnable"] = learnable["verdict"]
    log_new_params(client, mlflow_run_id, params)
    client.log_dict(mlflow_run_id, dict(notes), "choices.json")


def tags_of(notes: Mapping[str, Any]) -> dict[str, str]:
    """Tags of the version; what is too long for one is in the MLflow run only."""
    texts = {f"ctrain.{name}": json.dumps(notes[name]) for name in NAMES if name in notes}
    return {name: text for name, text in texts.items() if len(text) <= MAX_TAG_LENGTH}


def notes_of(tags: Mapping[str, str]) -> dict[str, Any]:
    """What ``tags_of`` kept."""
    return {name: json.loads(tags[f"ctrain.{name}"]) for name in NAMES if f"ctrain.{name}" in tags}
