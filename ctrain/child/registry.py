"""Calls to MLflow for the daemon: one JSON line a call, one a result.

``{"call": NAME, "arguments": {...}}`` is answered by ``{"result": ...}`` or ``{"error": KIND, "message":
...}``. KIND is ``missing`` only when MLflow has confirmed that the thing does not exist; everything that
it could not tell is ``unavailable``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.remedies import with_remedy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ABSENT_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})
"""What MLflow answers for what does not exist; also what a proxy's 404 page is taken for."""


class Missing(Exception):
    """MLflow answered, and there is no such thing."""


def main(arguments: list[str]) -> int:
    """Serve until idle; what artifacts are fetched into (the second argument) ends with this process."""
    from ctrain.child.lines import serve

    idle_seconds, scratch = float(arguments[0]), arguments[1]
    tempfile.tempdir = scratch
    return serve(answer, idle_seconds, at_end=lambda: shutil.rmtree(scratch, ignore_errors=True))


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The result of one call; never raises."""
    from mlflow import MlflowClient

    try:
        _require_database(os.environ.get("MLFLOW_TRACKING_URI", ""))
        call = CALLS[request["call"]]
        return {"result": call(MlflowClient(), **request["arguments"])}
    except Missing as error:
        return {"error": "missing", "message": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever MLflow and its drivers raise must reach the parent
        message = with_remedy(error, f"{type(error).__name__}: {_first_line(error)}")
        return {"error": "unavailable", "message": message}


def _require_database(tracking_uri: str) -> None:
    """Raise when a SQLite file is not there: MLflow would make an empty one, with no champion in it."""
    if tracking_uri.startswith("sqlite:///"):
        path = Path(tracking_uri.removeprefix("sqlite:///").partition("?")[0])
        if not path.exists():
            raise FileNotFoundError(f"MLflow's database {path} is gone")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:500]


def get_alias(client: MlflowClient, model: str, alias: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        return str(_told(client.get_model_version_by_alias(model, alias)).version)
    except MlflowException as error:
        if error.error_code not in ABSENT_CODES:
            raise
        known = _aliases(client, model)
        if alias in known:
            return str(known[alias])
        return None


def _aliases(client: MlflowClient, model: str) -> Mapping[str, Any]:
    """Aliases of a model, none when a search that succeeded shows that there is no such model."""
    if not _model_exists(client, model):
        return {}
    found: Mapping[str, Any] = client.get_registered_model(model).aliases
    return found


def _model_exists(client: MlflowClient, model: str) -> bool:
    from ctrain.child.tracking import quoted

    return bool(client.search_registered_models(f"name = {quoted(model)}", max_results=1))


def set_alias(client: MlflowClient, model: str, alias: str, version: str) -> None:
    _version(client, model, version)
    client.set_registered_model_alias(model, alias, version)


def delete_alias(client: MlflowClient, model: str, alias: str) -> None:
    if get_alias(client, model, alias) is not None:
        client.delete_registered_model_alias(model, alias)


def _version(client: MlflowClient, model: str, version: str) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    from ctrain.child.tracking import quoted

    try:
        return _told(client.get_model_version(model, version))
    except MlflowException as error:
        if error.error_code not in ABSENT_CODES:
            raise
        found = client.search_model_versions(f"name = {quoted(model)} and version_number = {int(version)}")
        if found:
            raise
        raise Missing(f"the registry has no version {version} of {model}") from error


def _told(found: ModelVersion) -> ModelVersion:
    """What a registry has told; raises ValueError for an answer that names no version.

    MLflow reads one without content, such as that of a gateway whose server is away, as a version of no name.
    """
    if not found.version:
        raise ValueError("the answer names no version: is there something else in front of MLflow?")
    return found


def get_version(client: MlflowClient, model: str, version: str) -> dict[str, Any]:
    return _described(client, _version(client, model, version))


def find_version(client: MlflowClient, model: str, run_id: str) -> dict[str, Any] | None:
    from ctrain.child import registration

    found = registration.find_version(client, model, run_id)
    return None if found is None else _described(client, found)


def _described(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    return {
        "model": version.name,
        "version": str(version.version),
        "source": _location(client, version),
        "mlflow_run_id": version.run_id,
        "tags": dict(version.tags),
    }


def _location(client: MlflowClient, version: ModelVersion) -> str:
    """Where the artifact is; an address by its name would have to do without what addresses are parted by."""
    return str(client.get_model_version_download_uri(version.name, str(version.version)) or version.source)


def digest(client: MlflowClient, model: str, version: str) -> str:
    from ctrain.child.registration import digests_of

    return digests_of(_location(client, _version(client, model, version)))["digest"]


def _require_run(client: MlflowClient, mlflow_run_id: str) -> None:
    """Raise Missing when MLflow confirms that the run was deleted, or that it knows none of this id.

    ValueError for an answer without content, as in ``_told``.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(mlflow_run_id).info
    except MlflowException as error:
        if error.error_code not in ABSENT_CODES:
            raise
        client.search_experiments(max_results=1)  # whoever answers this is no proxy's page
        raise Missing(f"MLflow has no run {mlflow_run_id}") from error
    if found.run_id != mlflow_run_id:
        raise ValueError("the answer names no run: is there something else in front of MLflow?")
    if found.lifecycle_stage == "deleted":
        raise Missing(f"the MLflow run {mlflow_run_id} was deleted; `mlflow runs restore` brings it back")


def annotate_run(
    client: MlflowClient,
    mlflow_run_id: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    artifacts: Mapping[str, str],
    status: str | None,
) -> None:
    from ctrain.child.tracking import log_new_params

    _require_run(client, mlflow_run_id)
    log_new_params(client, mlflow_run_id, params)
    for key, text in tags.items():
        client.set_tag(mlflow_run_id, key, text)
    known = client.get_run(mlflow_run_id).data.metrics if metrics else {}
    for key, value in metrics.items():
        if known.get(key) != value:
            client.log_metric(mlflow_run_id, key, value)
    for name, text in artifacts.items():
        client.log_text(mlflow_run_id, text, name)
    if status is not None:
        client.set_terminated(mlflow_run_id, status)


def attach_files(client: MlflowClient, mlflow_run_id: str, files: Mapping[str, str]) -> None:
    _require_run(client, mlflow_run_id)
    with tempfile.TemporaryDirectory(prefix="ctrain-") as folder:
        for name, path in files.items():
            place = Path(folder) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        client.log_artifacts(mlflow_run_id, folder)


def annotate_version(
    client: MlflowClient, model: str, version: str, tags: Mapping[str, str], description: str | None
) -> None:
    _version(client, model, version)
    for key, text in tags.items():
        client.set_model_version_tag(model, version, key, text)
    if description is not None:
        client.update_model_version(model, version, description=description)


CALLS: Mapping[str, Callable[..., Any]] = {
    "alias": get_alias,
    "set_alias": set_alias,
    "delete_alias": delete_alias,
    "version": get_version,
    "find_version": find_version,
    "digest": digest,
    "annotate_run": annotate_run,
    "attach_files": attach_files,
    "annotate_version": annotate_version,
}
