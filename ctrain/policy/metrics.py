"""Names of metrics in policies: means over rows, which comparisons need, and the others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ctrain.domain import Task
from ctrain.policy.fields import COMPLETE

MeanMetric = Literal["brier", "log_loss", "zero_one", "absolute_error", "squared_error"]

_CLASSES = frozenset({"brier", "log_loss", "zero_one"})
_VALUES = frozenset({"absolute_error", "squared_error"})
MEANS_BY_TASK = {Task.BINARY: _CLASSES, Task.MULTICLASS: _CLASSES, Task.REGRESSION: _VALUES}
"""Losses whose mean over rows says how good a model is; lower is better."""

METRICS_BY_TASK = {
    Task.BINARY: _CLASSES | {"roc_auc", "f1", "accuracy"},
    Task.MULTICLASS: _CLASSES | {"roc_auc", "f1", "accuracy"},
    Task.REGRESSION: _VALUES | {"rmse", "r2"},
}
"""What a gate and a performance monitor can judge."""

RATES = frozenset({"selection_rate", "true_positive_rate", "false_positive_rate"})
EQUALIZED_ODDS = "equalized_odds"
"""The larger of the gaps of the two rates that are given the truth."""

GROUP_METRICS_BY_TASK = {
    Task.BINARY: METRICS_BY_TASK[Task.BINARY] | RATES | {EQUALIZED_ODDS},
    Task.MULTICLASS: METRICS_BY_TASK[Task.MULTICLASS],
    Task.REGRESSION: METRICS_BY_TASK[Task.REGRESSION],
}
"""What a gate between groups can judge: also rates, of which neither more nor less is better."""

HIGHER_IS_BETTER = frozenset({"roc_auc", "f1", "accuracy", "r2"})
"""Metrics of which more is better."""

SUBSTITUTES = {
    "roc_auc": "brier or log_loss",
    "average_precision": "brier or log_loss",
    "f1": "zero_one or log_loss",
    "precision": "zero_one or log_loss",
    "recall": "zero_one or log_loss",
    "accuracy": "zero_one",
    "r2": "squared_error",
    "rmse": "squared_error",
    "mse": "squared_error",
    "mae": "absolute_error",
    "mape": "absolute_error",
}


def refuse_unpaired(value: Any) -> Any:
    """Return ``value``; an error that names the substitute for a metric that is no mean over rows."""
    if isinstance(value, str) and value in SUBSTITUTES:
        raise PydanticCustomError(
            COMPLETE,
            "expected a loss that is a mean over rows; instead of {value} use {substitute}",
            {"value": value, "substitute": SUBSTITUTES[value]},
        )
    return value


Metric = Annotated[MeanMetric, BeforeValidator(refuse_unpaired)]
