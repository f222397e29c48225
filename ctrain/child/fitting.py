"""A fitted model out of rows: by the training function of a policy, or the best of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.context import context_of, sample_weight
from ctrain.child.entrypoint import TrainingFunction, load_training_function
from ctrain.child.quick_refit import NotLearnable, is_refused, look_ahead
from ctrain.child.selection import best_candidate
from ctrain.child.trials import asked_elsewhere
from ctrain.child.tuning import tune

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[Mapping[str, Any]], None]
"""Hears what was found out on the way to the model."""


def load_functions(job: Mapping[str, Any]) -> dict[str, TrainingFunction]:
    """The training functions of the policy by name; what their file imports is imported by this."""
    names = job.get("candidates") or [job["entrypoint"]]
    return {name: load_training_function(name, Path(job["code_folder"])) for name in names}


def fit(
    job: Mapping[str, Any],
    rows: pd.DataFrame,
    folder: Path,
    tell: Tell = lambda _: None,
    functions: Mapping[str, TrainingFunction] | None = None,
) -> Any:
    """What the training function returns: a fitted estimator, or the URI of a model that it logged.

    Of several candidates, or of the parameters that are searched, those that are best on the newest of
    the rows are fitted on all of them.

    Raises
    ------
    NotLearnable
        instead of a training that the policy does not want.
    """
    weights = sample_weight(folder)
    functions = functions or load_functions(job)
    if job.get("learnable"):
        found = look_ahead(functions, job, rows, weights, folder)
        tell({"learnable": found})
        if is_refused(job, found):
            raise NotLearnable(found)
    chosen = next(iter(functions))
    if len(functions) > 1:
        selection = best_candidate(functions, job, rows, weights)
        chosen = selection["chosen"]
        tell({"selection": selection})
    context = job["context"]
    if job.get("tune"):
        tuning = tune(functions[chosen], job, rows, weights, asked_elsewhere(folder, chosen))
        context = {**context, "params": {**context["params"], **tuning["params"]}}
        tell({"tuning": tuning})
    return functions[chosen](rows, context_of(context, weights))
