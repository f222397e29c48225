"""Models that a program or a training function logs itself, where nothing is registered.

They go to an MLflow store that is thrown away with the trainings; the model is taken out of it into a folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.tracking import find_or_create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def throw_away_run(job: Mapping[str, Any]) -> tuple[MlflowClient, Run]:
    """An MLflow run for a program to log to; making the store is none of its training."""
    import mlflow

    client = mlflow.MlflowClient()
    return client, find_or_create_run(client, job["registration"])


def take_logged(uri: str, folder: Path) -> None:
    """Copy the model at ``uri`` into ``folder``, which is new.

    Raises
    ------
    RuntimeError
        when there is no model.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)
        except (MlflowException, OSError) as error:
            raise RuntimeError(f"no model can be read at {uri}: {error}") from error
        shutil.copytree(found, folder)
