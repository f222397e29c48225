"""A fitted model out of rows: by the training function of a policy, or the best of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.context import context_of, sample_weight
from ctrain.child.entrypoint import load_training_function
from ctrain.child.selection import best_candidate

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[Mapping[str, Any]], None]
"""Hears what was found out on the way to the model."""


def fit(job: Mapping[str, Any], rows: pd.DataFrame, folder: Path, tell: Tell = lambda _: None) -> Any:
    """What the training function returns: a fitted estimator, or the URI of a model that it logged.

    Of several candidates the one that is best on the newest of the rows is fitted on all of them.
    """
    weights = sample_weight(folder)
    names = job.get("candidates") or [job["entrypoint"]]
    functions = {name: load_training_function(name, Path(job["code_folder"])) for name in names}
    chosen = names[0]
    if len(functions) > 1:
        selection = best_candidate(functions, job, rows, weights)
        chosen = selection["chosen"]
        tell({"selection": selection})
    return functions[chosen](rows, context_of(job["context"], weights))
