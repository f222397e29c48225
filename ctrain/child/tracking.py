"""The MLflow run of a retraining: found again by its tag, so that a repeated attempt continues it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ctrain.child.artifact_digest import file_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")
LOST_RACES = 2
RUN_TAG = "ctrain.run_id"
REFIT_TAG = "ctrain.refit_of"
MAX_PARAM_LENGTH = 500
DATASET_DIGEST_LENGTH = 36
"""MLflow's limit."""


def quoted(value: str) -> str:
    """``value`` as a string in a filter of MLflow, which knows no escapes."""
    return f'"{value}"' if "'" in value else f"'{value}'"


def tried_again(call: Callable[[], T]) -> T:
    """What ``call`` returns; called again when it lost a race to create the same thing."""
    from mlflow.exceptions import MlflowException

    for _ in range(LOST_RACES):
        try:
            return call()
        except MlflowException as error:
            print(f"trying again: {str(error).splitlines()[0]}")
    return call()


def find_or_create_run(client: MlflowClient, registration: Mapping[str, Any]) -> Run:
    """The MLflow run that carries this run's tag, created when there is none; a refit has its own."""
    experiment_id = tried_again(lambda: _experiment(client, registration["experiment"]))
    tags = {key: str(value) for key, value in registration["tags"].items()}
    found = client.search_runs([experiment_id], f"tags.`{RUN_TAG}` = {quoted(tags[RUN_TAG])}", max_results=10)
    for run in found:
        if run.data.tags.get(REFIT_TAG, "") == tags.get(REFIT_TAG, ""):
            return run
    return client.create_run(experiment_id, tags=tags, run_name=registration["run_name"])


def take_back(run: Run, tracking_uri: str) -> None:
    """Make ``run`` the active one at ``tracking_uri`` again, whatever user code has begun, ended or set."""
    import mlflow

    active = mlflow.active_run()
    while active is not None and active.info.run_id != run.info.run_id:
        with contextlib.suppress(Exception):  # it is on no list any more, wherever it was
            mlflow.end_run()
        active = mlflow.active_run()
    if mlflow.get_tracking_uri() != tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    if active is None:
        mlflow.set_experiment(experiment_id=run.info.experiment_id)
        mlflow.start_run(run_id=run.info.run_id)


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=_artifact_location(name)))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _artifact_location(experiment: str) -> str | None:
    """Artifacts lie beside a SQLite file, not in whatever folder a child runs in; a server knows its own."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    if not uri.startswith("sqlite:///"):
        return None
    folder = Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute().parent
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in experiment)
    return (folder / "artifacts" / safe).as_uri()


def describe_run(client: MlflowClient, run: Run, job: Mapping[str, Any], folder: Path, rows: int) -> None:
    """Log what is known before training: parameters, the data set, the policy and the reason."""
    run_id, registration, context = run.info.run_id, job["registration"], job["context"]
    params = {
        "entrypoint": trainer_of(job),
        "task": context["task"],
        "window_start": context["window_start"],
        "window_end": context["window_end"],
        "rows": rows,
        "seed": context["seed"],
        **{f"params.{key}": value for key, value in context["params"].items()},
        **registration.get("params", {}),
    }
    log_new_params(client, run_id, params)
    client.log_metric(run_id, "training_rows", rows)
    _log_dataset(client, run, job, folder / "rows.parquet", rows)
    client.log_text(run_id, registration.get("policy_text", ""), "policy.yaml")
    client.log_text(run_id, registration.get("reason", "") + "\n", "reason.txt")


def trainer_of(job: Mapping[str, Any]) -> str:
    """What trains, in words: a function, a command, or the functions of which one is chosen."""
    candidates = ", ".join(job.get("candidates", ()))
    return str(job["entrypoint"] or candidates or " ".join(job.get("command", ())))


def log_new_params(client: MlflowClient, run_id: str, params: Mapping[str, Any]) -> None:
    """Log the parameters that are not there yet; MLflow's cannot be changed."""
    from mlflow.entities import Param

    known = client.get_run(run_id).data.params
    fresh = [Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in params.items() if key not in known]
    if fresh:
        client.log_batch(run_id, params=fresh)


def _log_dataset(client: MlflowClient, run: Run, job: Mapping[str, Any], rows_path: Path, rows: int) -> None:
    import pyarrow.parquet as pq
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if run.inputs is not None and run.inputs.dataset_inputs:
        return
    context = job["context"]
    source = {"row_log": context["policy"], "from": context["window_start"], "to": context["window_end"]}
    schema = pq.read_schema(rows_path)
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    dataset = Dataset(
        name=job["registration"].get("dataset", context["policy"]),
        digest=file_digest(rows_path)[:DATASET_DIGEST_LENGTH],
        source_type="ctrain row log",
        source=json.dumps(source),
        schema=json.dumps({"columns": columns}),
        profile=json.dumps({"num_rows": rows}),
    )
    training = InputTag(key="mlflow.data.context", value="training")
    inputs = [DatasetInput(dataset=dataset, tags=[training])]
    tried_again(lambda: client.log_inputs(run.info.run_id, datasets=inputs))
