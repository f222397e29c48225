"""What a training function is told besides its rows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any


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
