"""One training: rows and job from a folder, a registered version and ``result.json`` out.

``train FOLDER`` holds the folder's lock while it lives and writes ``job.state.json`` first, so that a
launcher started anew finds it; a second process for the same folder ends without doing anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctrain.child.command import run_command
from ctrain.child.ending import end_group
from ctrain.child.entrypoint import pickle_by_value, pip_requirements, top_level_modules
from ctrain.child.failures import explained, print_failure
from ctrain.child.files import take_lock, write_json
from ctrain.child.fitting import fit, load_functions
from ctrain.child.limits import lift_memory_limit, limit_memory, limit_training, memory_limit_of
from ctrain.child.notes import log_notes, notes_of, tags_of
from ctrain.child.quick_refit import NotLearnable
from ctrain.child.tuning import OF_THE_SEARCH
from ctrain.child.validation import metric_of

ALREADY_TAKEN = 75
WORK_FOLDER = "work"
TRACEBACK_LINES = 25
SHORTEST_SECRET = 6
"""Shorter values are left alone: ``on`` or ``1`` would tear holes in every line."""
MAX_TAG_LENGTH = 5000
"""MLflow's limit."""


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    lock = take_lock(folder / "job.lock")
    over = any((folder / name).exists() for name in ("job.state.json", "result.json", "job.ended.json"))
    if lock is None or over:
        print("this attempt has been started already", file=sys.stderr)
        return ALREADY_TAKEN
    write_json(folder / "job.state.json", {"pid": os.getpid(), "started_at": time.time()})
    job = json.loads((folder / "job.json").read_text())
    try:
        limit_training(job)
        _go_apart(folder)
        result = _train(job, folder)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; the answer is a file
        lift_memory_limit()
        print_failure(error)
        told = {"error": explained(error, job), "traceback": _tail(error)}
        result = {name: without_declared(text, job) for name, text in told.items()}
    write_json(folder / "result.json", result)
    end_group()
    return 1 if "error" in result else 0


def _go_apart(folder: Path) -> None:
    """Work in a folder of user code's own: what it writes there by a bare name is no file of the attempt."""
    apart = folder / WORK_FOLDER
    apart.mkdir(exist_ok=True)
    os.chdir(apart)


def without_declared(text: str, job: Mapping[str, Any]) -> str:
    """``text`` without the values of the variables that only this training may see."""
    values = {os.environ.get(name, "") for name in job.get("env", ())}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***") if len(value) >= SHORTEST_SECRET else text
    return text


def _tail(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


def _train(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    import mlflow

    from ctrain.child.registration import find_version
    from ctrain.child.tracking import REFIT_TAG, RUN_TAG, describe_run, find_or_create_run

    registration = job["registration"]
    client = mlflow.MlflowClient()
    tags = registration["tags"]
    earlier = find_version(client, registration["model"], tags[RUN_TAG], tags.get(REFIT_TAG, ""))
    if earlier is not None and earlier.tags.get("ctrain.digest"):
        print(f"version {earlier.version} was registered by an earlier attempt of this run")
        return _result_of(earlier)
    run = find_or_create_run(client, registration)
    mlflow.set_experiment(experiment_id=run.info.experiment_id)
    with mlflow.start_run(run_id=run.info.run_id):
        try:
            return _fit_and_register(client, run, job, folder, describe_run)
        except Exception:
            told = without_declared(traceback.format_exc(), job)
            with contextlib.suppress(Exception):  # why it failed is told, not that this did
                client.log_text(run.info.run_id, told, "traceback.txt")
            raise


def _result_of(version: Any) -> dict[str, Any]:
    return {
        "mlflow_run_id": version.run_id or version.tags.get("ctrain.mlflow_run_id", ""),
        "version": str(version.version),
        "digest": version.tags["ctrain.digest"],
        "content_digest": version.tags.get("ctrain.content_digest", ""),
        "train_seconds": float(version.tags.get("ctrain.train_seconds", 0.0)),
        "importance": json.loads(version.tags.get("ctrain.importance", "{}")),
        **notes_of(version.tags),
        "unverified_holdout": version.tags.get("ctrain.unverified_holdout") == "true",
    }


def _fit_and_register(
    client: Any, run: Any, job: Mapping[str, Any], folder: Path, describe: Any
) -> dict[str, Any]:
    import mlflow
    import pyarrow.parquet as pq

    from ctrain.child.frames import training_frame
    from ctrain.child.registration import log_estimator, register
    from ctrain.child.tracking import take_back

    rows = training_frame(pq.read_table(folder / "rows.parquet"))
    describe(client, run, job, folder, len(rows))
    before, tracking_uri = top_level_modules(), mlflow.get_tracking_uri()
    limit_memory(memory_limit_of(job))
    notes: dict[str, Any] = {}
    try:
        model, seconds = _fitted(client, run, job, rows, folder, notes)
    except NotLearnable as refusal:
        log_notes(client, run.info.run_id, notes)
        return _refused(run, refusal)
    finally:
        lift_memory_limit()
        take_back(run, tracking_uri)
    log_notes(client, run.info.run_id, notes)
    requirements = pip_requirements(top_level_modules() - before - OF_THE_SEARCH)
    client.log_metric(run.info.run_id, "train_seconds", seconds)
    pickle_by_value(Path(job["code_folder"]))
    logged_by_trainer = isinstance(model, str)
    uri = model if logged_by_trainer else log_estimator(model, rows, job["context"], requirements)
    importance = _importance(client, run.info.run_id, model, rows, job)
    tags = {**job["registration"]["tags"], **_tags(run, seconds, importance), **tags_of(notes)}
    registration = {**job["registration"], "tags": tags}
    _require_wanted(folder)
    registered = register(client, uri, registration, trusted_split=not logged_by_trainer)
    return {
        "mlflow_run_id": run.info.run_id,
        "train_seconds": seconds,
        "importance": importance,
        **notes,
        **registered,
    }


def _tags(run: Any, seconds: float, importance: Mapping[str, float]) -> dict[str, str]:
    """What the version says of its training; an importance that is too long for a tag is left out."""
    tags = {"ctrain.train_seconds": f"{seconds:.3f}", "ctrain.mlflow_run_id": run.info.run_id}
    noted = json.dumps(importance)
    return {**tags, "ctrain.importance": noted} if importance and len(noted) <= MAX_TAG_LENGTH else tags


def _require_wanted(folder: Path) -> None:
    """Raise when the attempt was given up, perhaps from another machine: its successor registers."""
    if (folder / "job.ended.json").exists():
        raise RuntimeError("this attempt was given up")


def _refused(run: Any, refusal: NotLearnable) -> dict[str, Any]:
    """The result of a job that ends without a training."""
    return {
        "mlflow_run_id": run.info.run_id,
        "train_seconds": refusal.found["seconds"],
        "refused": str(refusal),
        "learnable": refusal.found,
    }


def _fitted(
    client: Any, run: Any, job: Mapping[str, Any], rows: Any, folder: Path, notes: dict[str, Any]
) -> tuple[Any, float]:
    """What came of the training, and how long it took; importing is not training."""
    if job.get("command"):
        started = time.monotonic()
        return run_command(client, run, job, folder), time.monotonic() - started
    functions = load_functions(job)
    started = time.monotonic()
    model = fit(job, rows, folder, notes.update, functions)
    return model, time.monotonic() - started


def _importance(
    client: Any, mlflow_run_id: str, model: Any, rows: Any, job: Mapping[str, Any]
) -> dict[str, float]:
    """Share of each feature in all permutation importance; empty when it is not known."""
    from ctrain.child.importance import measure_importance

    found = measure_importance(model, rows, job["context"], metric_of(job))
    if found is None:
        return {}
    with contextlib.suppress(Exception):  # the version holds it too, and no training fails for this
        client.log_dict(mlflow_run_id, found.to_json(), "importance.json")
    return found.share
