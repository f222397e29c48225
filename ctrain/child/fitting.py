"""A fitted model out of rows: by the training function of a policy."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ctrain.child.entrypoint import load_training_function

if TYPE_CHECKING:
    import pandas as pd


def fit(job: Mapping[str, Any], rows: pd.DataFrame, folder: Path) -> Any:
    """What the training function returns: a fitted estimator, or the URI of a model that it logged."""
    function = load_training_function(job["entrypoint"], Path(job["code_folder"]))
    return function(rows, context_of(job["context"], sample_weight(folder)))


def sample_weight(folder: Path) -> Any:
    """The weights of the rows as a Series with their index; None where the policy wants none."""
    import pandas as pd
    import pyarrow.parquet as pq

    path = folder / "weights.parquet"
    if not path.exists():
        return None
    return pd.Series(pq.read_table(path)["weight"].to_numpy(), name="sample_weight")


def context_of(given: Mapping[str, Any], weights: Any = None) -> Any:
    """A ``ctrain.TrainingContext``, or an object with the same fields in an older Python."""
    features = {kind: tuple(names) for kind, names in given["features"].items()}
    fields = {**given, "features": features, "sample_weight": weights}
    own = getattr(importlib.import_module("ctrain"), "TrainingContext", None)
    if own is not None:
        return own(**fields)
    names = tuple(name for names in features.values() for name in names)
    return SimpleNamespace(**fields, feature_names=names)
