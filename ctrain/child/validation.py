"""Validation in the order of time: what is fitted on older rows is judged on the newer ones among them.

The newest share of the training rows is cut into folds, and each is predicted by a model that has been
fitted on all rows before it (rolling-origin evaluation: Tashman, L. J. (2000). Out-of-sample tests of
forecasting accuracy. *International Journal of Forecasting*, 16(4), 437-450). The gates' holdout is not
among these rows, so a choice that is made here does not make the gates easier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ctrain.child.context import context_of
from ctrain.child.importance import mean_loss

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_METRICS = {"regression": "squared_error"}
SHARE = 0.2
"""Of the rows, the newest, that something is chosen by."""


def validation_loss(
    function: Callable[[Any, Any], Any],
    job: Mapping[str, Any],
    rows: pd.DataFrame,
    weights: Any,
    params: Mapping[str, Any] | None = None,
    *,
    folds: int = 1,
) -> float:
    """The policy's metric on the newest rows, each predicted by a model of the rows before it.

    Parameters
    ----------
    function
        the training function.
    job
        the job, with context and registration.
    rows, weights
        all training rows in event-time order, and their weights or None.
    params
        what the context holds over the policy's own parameters.
    folds
        how many pieces the newest rows are cut into: so many models are fitted.

    Raises
    ------
    ValueError
        when the loss is not a number: the model has no answer to some rows.
    """
    given = job["context"]
    context = {**given, "params": {**given["params"], **(params or {})}}
    total = 0.0
    counted = 0
    for older, newer in time_folds(len(rows), folds):
        some = None if weights is None else weights.iloc[older]
        model = function(rows.iloc[older], context_of(context, some))
        total += mean_loss(model, rows.iloc[newer], given, metric_of(job)) * (newer.stop - newer.start)
        counted += newer.stop - newer.start
    loss = total / counted
    if loss != loss:  # noqa: PLR0124 - the way to ask whether a float is no number without an import
        raise ValueError("the model has no answer to some of the validation rows")
    return loss


def metric_of(job: Mapping[str, Any]) -> str:
    """The policy's metric, where its name is known."""
    given: str | None = job["registration"].get("metric")
    return given or DEFAULT_METRICS.get(job["context"]["task"], "brier")


def time_folds(rows: int, folds: int) -> Iterator[tuple[slice, slice]]:
    """Positions to fit on and to validate on, oldest fold first.

    >>> [(older.stop, newer.start, newer.stop) for older, newer in time_folds(100, 2)]
    [(80, 80, 90), (90, 90, 100)]
    """
    first = rows - max(int(rows * SHARE), folds)
    edges = [first + (rows - first) * fold // folds for fold in range(folds + 1)]
    for start, end in pairwise(edges):
        yield slice(0, start), slice(start, end)
