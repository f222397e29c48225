"""Training by a program of the policy: what it is told through its environment, and the model it logged.

Any pipeline tool can be the trainer: it reads ``CTRAIN_ROWS`` and logs a model to the MLflow run
``MLFLOW_RUN_ID``. The model it logged last is the challenger, unless it writes another URI into the file
``CTRAIN_RESULT``.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

RESULT = "model_uri.txt"


class CommandFailed(RuntimeError):
    """What the command has written says why; where it was waited for says nothing."""


def run_command(client: MlflowClient, run: Any, job: Mapping[str, Any], folder: Path) -> str:
    """URI of the model that the command made.

    It runs in the folder of the policy, in the process group of this training, so that a timeout and a
    cancellation reach it, and under this process's memory limit.

    Raises
    ------
    CommandFailed
        when it cannot be started, ends with another code than 0, or made no model.
    """
    command = list(job["command"])
    environment = {
        **os.environ,
        **told(job, folder),
        "MLFLOW_RUN_ID": run.info.run_id,
        "MLFLOW_EXPERIMENT_ID": run.info.experiment_id,
    }
    try:
        done = subprocess.run(command, cwd=job["code_folder"], env=environment, check=False)
    except OSError as error:
        raise CommandFailed(f"train.command: {command[0]} cannot be started: {error}") from error
    if done.returncode:
        how = f"by signal {-done.returncode}" if done.returncode < 0 else f"with {done.returncode}"
        raise CommandFailed(f"train.command ended {how}")
    return _made(client, run, folder)


def told(job: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The environment variables that say what is to be trained; lists and mappings are JSON."""
    context = job["context"]
    weights = folder / "weights.parquet"
    return {
        "CTRAIN_ROWS": str(folder / "rows.parquet"),
        **({"CTRAIN_WEIGHTS": str(weights)} if weights.exists() else {}),
        "CTRAIN_RESULT": str(folder / RESULT),
        "CTRAIN_RUN_ID": str(context["run_id"]),
        "CTRAIN_POLICY": str(context["policy"]),
        "CTRAIN_MODEL": str(job["registration"]["model"]),
        "CTRAIN_TASK": str(context["task"]),
        "CTRAIN_LABEL": str(context["label"]),
        "CTRAIN_FEATURES": json.dumps(context["features"]),
        "CTRAIN_PARAMS": json.dumps(context["params"], default=str),
        "CTRAIN_SEED": str(context["seed"]),
        "CTRAIN_WINDOW_START": str(context["window_start"]),
        "CTRAIN_WINDOW_END": str(context["window_end"]),
    }


def _made(client: MlflowClient, run: Any, folder: Path) -> str:
    written = folder / RESULT
    uri = written.read_text().strip() if written.exists() else ""
    if uri:
        return uri
    logged = client.search_logged_models(
        experiment_ids=[run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
        max_results=1,
    )
    if not logged:
        raise CommandFailed(
            "train.command made no model: it should log one to the MLflow run MLFLOW_RUN_ID, or write the "
            "URI of one into the file CTRAIN_RESULT"
        )
    return str(logged[0].model_uri)
