"""Models loaded for scoring: a private copy of the artifact, checked before anything of it is run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.artifact_digest import artifact_digest
from ctrain.child.frames import signature_frame
from ctrain.child.remedies import with_remedy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa


class NotFetched(Exception):
    """The artifact did not come, which says nothing of the model; why is told by the cause."""


Columns = tuple[tuple[str, str, bool], ...]
LOG_A_SIGNATURE = "log it with signature=infer_signature(rows, predictions), rows being a data frame"


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict. ``estimator`` is the scikit-learn object where there is one."""

    folder: Path
    pyfunc: Any
    estimator: Any
    columns: Columns
    flavors: tuple[str, ...]
    digest: str

    def frame(self, table: pa.Table, features: Sequence[str]) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
        """Rows as the model wants them and which of them could be cast.

        Without a signature they have the columns that the estimator was fitted on, or ``features``.

        Raises
        ------
        ValueError
            when the rows lack a column, or nothing says in which order an estimator wants them.
        """
        if self.columns:
            return signature_frame(table, self.columns)
        fitted_on = getattr(self.estimator, "feature_names_in_", None)
        if fitted_on is None and getattr(self.estimator, "n_features_in_", 1) > 1:
            raise ValueError(
                f"{type(self.estimator).__name__} was fitted on an array and logged without a signature: "
                f"nothing says in which order it wants its columns; {LOG_A_SIGNATURE}"
            )
        return signature_frame(table, _plain_columns(table, features if fitted_on is None else fitted_on))

    @property
    def classes(self) -> list[Any] | None:
        """What the columns of ``predict_proba`` mean, where the estimator says so."""
        found = getattr(self.estimator, "classes_", None)
        return None if found is None else [getattr(one, "item", lambda one=one: one)() for one in found]


def _plain_columns(table: pa.Table, features: Sequence[str]) -> Columns:
    import pyarrow as pa

    def is_text(name: str) -> bool:
        if name not in table.column_names:
            return False
        kind = table.schema.field(name).type
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)

    return tuple((name, "string" if is_text(name) else "double", True) for name in map(str, features))


def load_model(source: str, expected_digest: str | None) -> LoadedModel:
    """Copy, check and load the artifact at ``source``.

    What is hashed is what is loaded: the artifact is copied first, and byte code caches, which are
    part of no digest, are taken out of the copy.

    Raises
    ------
    ValueError
        when the digest is not the expected one; nothing of the model has been run then.
    NotFetched
        when the artifact store does not give it.
    """
    copy = Path(tempfile.mkdtemp(prefix="model-"))
    try:
        folder = _fetched(source, copy)
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache)
        digest = artifact_digest(folder)
        if expected_digest is not None and digest != expected_digest:
            raise ValueError(
                f"digest mismatch: the artifact's sha256 is {digest}, on record is {expected_digest}"
            )
        return _load(copy, folder, digest)
    except BaseException:
        shutil.rmtree(copy, ignore_errors=True)
        raise


def _fetched(source: str, copy: Path) -> Path:
    import mlflow

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(copy)))
    except Exception as error:
        raise NotFetched(with_remedy(error, f"{type(error).__name__}: {error}")) from error


def _load(copy: Path, folder: Path, digest: str) -> LoadedModel:
    import mlflow.pyfunc

    # MLflow would read all that is installed, for a second, to warn of other versions in a log.
    pyfunc = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
    flavors = tuple(sorted(pyfunc.metadata.flavors))
    estimator = pyfunc.get_raw_model() if "sklearn" in flavors else None
    return LoadedModel(copy, pyfunc, estimator, signature_columns(pyfunc.metadata.signature), flavors, digest)


def signature_columns(signature: Any) -> Columns:
    """(name, type, required) of the inputs; empty when the signature names no columns.

    Raises
    ------
    ValueError
        when the model wants tensors, or columns without names: rows have names.
    """
    if signature is None or signature.inputs is None:
        return ()
    if signature.inputs.is_tensor_spec():
        raise ValueError(
            "the model's signature wants a tensor; only models on named columns can be scored: "
            f"{LOG_A_SIGNATURE}"
        )
    if not signature.inputs.has_input_names():
        raise ValueError(f"the model's signature does not name its columns; {LOG_A_SIGNATURE}")
    return tuple((one.name, _kind(one.type), bool(one.required)) for one in signature.inputs.inputs)


def _kind(data_type: Any) -> str:
    name = getattr(data_type, "name", None)
    return str(name if name is not None else data_type)
