"""A trained model into the registry: logged, hashed, and registered once per run of ctrain."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.artifact_digest import artifact_digest, content_digest
from ctrain.child.models import LoadedModel
from ctrain.child.outputs import predict_scores
from ctrain.child.tracking import REFIT_TAG, RUN_TAG, log_new_params, quoted

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXAMPLE_ROWS = 5
TEXTS = ("categorical", "text")
"""Kinds of features that a model is given as strings; it is given the others as doubles."""
MAX_ESTIMATOR_PARAMS = 60
NO_REQUIREMENT = "mlflow; python_version < '3'"
"""One that applies nowhere: without any, MLflow adds its own and reads all that is installed to check it."""
REGISTERED_URI = re.compile(r"models:/(?P<name>[^/]+)/(?P<version>\d+)")


def find_version(
    client: MlflowClient, model: str, run_id: str, refit_of: str | None = None
) -> ModelVersion | None:
    """The newest version of ``model`` that carries this run's tag, if any.

    With ``refit_of`` only the one that was fitted again after that version; empty: that was not.

    Raises
    ------
    ValueError
        when there is none, nor anything else: whoever answers so may not be MLflow.
    """
    where = f"name = {quoted(model)} and tags.`{RUN_TAG}` = {quoted(run_id)}"
    found = client.search_model_versions(where, max_results=10)
    if not found and not _has_content(client):
        raise ValueError(
            "the answer names no experiment and no model: is there something else in front of MLflow?"
        )
    wanted = [one for one in found if refit_of is None or one.tags.get(REFIT_TAG, "") == refit_of]
    return max(wanted, key=lambda one: int(one.version), default=None)


def _has_content(client: MlflowClient) -> bool:
    """True when the server shows anything: MLflow has an experiment from its beginning, deleted or not."""
    from mlflow.entities import ViewType

    return bool(
        client.search_experiments(ViewType.ALL, max_results=1)
        or client.search_registered_models(max_results=1)
    )


def signature_kinds(features: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """MLflow's type and the name of each input, from the names of the features by kind."""
    return [
        ("string" if kind in TEXTS else "double", name) for kind, names in features.items() for name in names
    ]


def log_estimator(
    estimator: Any, rows: pd.DataFrame, context: Mapping[str, Any], requirements: Sequence[str]
) -> str:
    """URI of the estimator, logged to the active MLflow run with a signature of doubles and strings."""
    import mlflow
    import mlflow.sklearn

    example, described = _described(estimator, rows, context)
    client = mlflow.MlflowClient()
    run = mlflow.active_run()
    assert run is not None
    log_new_params(client, run.info.run_id, _estimator_params(estimator))
    info = mlflow.sklearn.log_model(
        estimator,
        name="model",
        input_example=example if not example.isna().to_numpy().any() else None,
        pip_requirements=list(requirements),
        tags={RUN_TAG: context["run_id"]},
        **described,
    )
    return str(info.model_uri)


def save_estimator(estimator: Any, rows: pd.DataFrame, context: Mapping[str, Any], folder: Path) -> None:
    """Save the estimator as the same MLflow model in a folder, without a word to any server."""
    _, described = _described(estimator, rows, context)
    save_model_quietly(estimator, folder, **described)


def save_model_quietly(estimator: Any, folder: Path, **described: Any) -> None:
    """Save without looking for requirements: the model is loaded where it was made."""
    import mlflow.sklearn

    # The artifact's digest is on record and checked before every load, which is what the warning asks for.
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    given = {"serialization_format": "cloudpickle", **described}
    mlflow.sklearn.save_model(estimator, str(folder), pip_requirements=[NO_REQUIREMENT], **given)


def _described(
    estimator: Any, rows: pd.DataFrame, context: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A few rows, and how the estimator is written down: a signature of doubles and strings, its method.

    Raises
    ------
    ValueError
        when its answers to these rows could not be judged.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

    # The artifact's digest is on record and checked before every load, which is what the warning asks for.
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    kinds = signature_kinds(context["features"])
    example = rows[[name for _, name in kinds]].head(EXAMPLE_ROWS)
    predict = prediction_method(estimator, context["task"])
    answer = getattr(estimator, predict)(example)
    refuse_unsupported(answer, context["task"], predict)
    predict_scores(LoadedModel(Path(), None, estimator, (), (), ""), example, context["task"], "auto")
    signature = ModelSignature(
        inputs=Schema([ColSpec(kind, name) for kind, name in kinds]),
        outputs=infer_signature(model_output=answer).outputs,
    )
    return example, {
        "serialization_format": "cloudpickle",
        "pyfunc_predict_fn": predict,
        "signature": signature,
    }


def prediction_method(estimator: Any, task: str) -> str:
    """``predict_proba`` where the task has probabilities and the estimator gives them.

    Raises
    ------
    TypeError
        when what was returned cannot predict at all.
    """
    if not hasattr(estimator, "predict"):
        raise TypeError(
            f"the training function returned {type(estimator).__name__}; expected a fitted estimator with "
            "predict, or the URI of a model that it logged itself"
        )
    return "predict_proba" if task != "regression" and hasattr(estimator, "predict_proba") else "predict"


def refuse_unsupported(answer: Any, task: str, method: str) -> None:
    """Raise when an answer has more than one output for a row: multi-output, ranking, quantiles."""
    import numpy as np

    shape: tuple[int, ...] = (len(answer),) if isinstance(answer, list) else np.shape(answer)
    if isinstance(answer, list) or (method == "predict" and len(shape) > 1 and shape[1] != 1):
        raise ValueError(
            f"{method} answers with several outputs a row: multi-output models are not supported"
        )
    if task == "binary" and method == "predict_proba" and len(shape) > 1 and shape[1] > 2:
        raise ValueError(f"{method} answers with {shape[1]} classes, but model.task is binary")


def _estimator_params(estimator: Any) -> dict[str, Any]:
    params = {"estimator": type(estimator).__name__}
    if hasattr(estimator, "get_params"):
        own = sorted(estimator.get_params(deep=False).items())[:MAX_ESTIMATOR_PARAMS]
        params |= {f"estimator.{key}": str(value) for key, value in own}
    return params


def register(
    client: MlflowClient, uri: str, registration: Mapping[str, Any], *, trusted_split: bool
) -> dict[str, Any]:
    """Version, digest and content digest of ``uri`` as a version of the policy's model.

    Tags are set in the same call that creates the version: a version with the tag of the run is whole.
    """
    model = registration["model"]
    digests = digests_of(uri)
    tags = {key: str(value) for key, value in registration["tags"].items()}
    tags |= {"ctrain.digest": digests["digest"], "ctrain.content_digest": digests["content_digest"]}
    if not trusted_split:
        tags["ctrain.unverified_holdout"] = "true"
    version = _create_version(client, uri, model, tags)
    client.update_model_version(model, version, description=registration.get("description", ""))
    return {"version": version, "unverified_holdout": not trusted_split, **digests}


def _create_version(client: MlflowClient, uri: str, model: str, tags: Mapping[str, str]) -> str:
    import mlflow

    registered = REGISTERED_URI.fullmatch(uri)
    if registered is None:
        return str(mlflow.register_model(uri, model, tags=dict(tags)).version)
    version = registered["version"]
    known = client.get_model_version(registered["name"], version)
    if registered["name"] != model or RUN_TAG in known.tags:
        # Another model's, or an earlier run's: the version of this run is one of its own.
        version = str(client.copy_model_version(uri, model).version)
    for key, value in tags.items():
        client.set_model_version_tag(model, version, key, value)
    return version


def digests_of(uri: str) -> dict[str, str]:
    """``digest`` and ``content_digest`` of the artifact as it lies in the store."""
    import mlflow

    with tempfile.TemporaryDirectory(prefix="ctrain-") as scratch:
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
        return {"digest": artifact_digest(folder), "content_digest": content_digest(folder)}
