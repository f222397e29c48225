"""Metrics of a set of rows, for gates and performance monitors; numpy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.losses import UNKNOWN_CLASS, Floats, row_losses

HIGHER_IS_BETTER = frozenset({"roc_auc", "f1", "accuracy", "r2"})
"""The metrics of which more is better; of every other one, less is."""

POSITIVE_ABOVE = 0.5
"""Class 1 of a binary task is predicted where its score is above this."""

_LOSSES_OF = {
    Task.BINARY: ("brier", "log_loss", "zero_one"),
    Task.MULTICLASS: ("brier", "log_loss", "zero_one"),
    Task.REGRESSION: ("absolute_error", "squared_error"),
}


def evaluate(task: Task, labels: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """Return every metric of the task that is defined on these rows, by name.

    Labels and scores are as ``ctrain.stats.losses`` describes them; rows that cannot be judged
    are left out. A metric that is not defined is absent: all of them without a row, ROC AUC with
    one class, F1 where nothing is positive and nothing was predicted so, R2 of constant labels.

    Binary: ``brier``, ``log_loss``, ``zero_one``, ``accuracy``, ``f1`` (class 1 is predicted above
    one half), ``roc_auc``. Multiclass: ``brier``, ``log_loss``, ``zero_one``, ``accuracy``, ``f1``
    (unweighted mean over the classes that occurred or were predicted), ``roc_auc`` (unweighted mean
    over the classes that occurred, each against the rest; labels that the model does not know are a
    class to which every row is equally near).
    Regression: ``absolute_error``, ``squared_error``, ``rmse``, ``r2``.

    Examples
    --------
    >>> evaluate(Task.REGRESSION, [1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["rmse"]
    1.1547005383792515

    References
    ----------
    ROC AUC is the Mann-Whitney statistic with ties counted half: Hanley, J. A. and McNeil, B. J.
    (1982). The meaning and use of the area under a ROC curve. Radiology 143(1), 29-36.
    """
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    losses = {metric: row_losses(task, metric, truth, predicted) for metric in _LOSSES_OF[task]}
    judged = np.isfinite(next(iter(losses.values())))
    if not judged.any():
        return {}
    metrics = {metric: float(values[judged].mean()) for metric, values in losses.items()}
    if task is Task.REGRESSION:
        return metrics | _of_regression(truth[judged], metrics["squared_error"])
    metrics["accuracy"] = float((1.0 - losses["zero_one"][judged]).mean())
    if task is Task.BINARY:
        return metrics | _of_binary(truth[judged] == 1, predicted[judged])
    return metrics | _of_classes(truth[judged], predicted[judged])


def evaluate_one(task: Task, metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return one metric as ``evaluate`` does, None where it is not defined; of losses only its own.

    >>> evaluate_one(Task.BINARY, "brier", [1, 0], [0.25, 0.5])
    0.40625
    """
    if metric not in _LOSSES_OF[task]:
        return evaluate(task, labels, scores).get(metric)
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    losses = row_losses(task, metric, truth, predicted)
    judged = losses[np.isfinite(losses)]
    return float(judged.mean()) if judged.size else None


def _of_regression(truth: Floats, squared_error: float) -> dict[str, float]:
    spread = float(np.mean((truth - truth.mean()) ** 2))
    metrics = {"rmse": float(np.sqrt(squared_error))}
    # the mean of equal values may be another by rounding
    if truth.min() < truth.max() and spread > 0:
        metrics["r2"] = 1.0 - squared_error / spread
    return metrics


def _of_binary(positive: npt.NDArray[np.bool_], scores: Floats) -> dict[str, float]:
    predicted = scores > POSITIVE_ABOVE
    metrics: dict[str, float] = {}
    flagged = int(positive.sum() + predicted.sum())
    if flagged:
        metrics["f1"] = float(2 * (positive & predicted).sum() / flagged)
    if positive.any() and not positive.all():
        metrics["roc_auc"] = _roc_auc(positive, scores)
    return metrics


def _of_classes(truth: Floats, scores: Floats) -> dict[str, float]:
    metrics = {"f1": _macro_f1(truth, scores.argmax(axis=1))}
    occurred = np.unique(truth)
    if occurred.size > 1:
        metrics["roc_auc"] = float(np.mean([_one_against_rest(truth, scores, code) for code in occurred]))
    return metrics


def _one_against_rest(truth: Floats, scores: Floats, code: float) -> float:
    return 0.5 if code == UNKNOWN_CLASS else _roc_auc(truth == code, scores[:, int(code)])


def _macro_f1(truth: Floats, predicted: npt.NDArray[np.intp]) -> float:
    scores = []
    for code in np.union1d(truth, predicted):
        occurred, flagged = truth == code, predicted == code
        scores.append(2 * (occurred & flagged).sum() / (occurred.sum() + flagged.sum()))
    return float(np.mean(scores))


def _roc_auc(positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    """Share of (positive, negative) pairs in the right order, ties counted half."""
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    mean_rank = last - (size - 1) / 2
    positives = int(positive.sum())
    rank_sum = float(mean_rank[group][positive].sum())
    pairs = positives * (positive.size - positives)
    return (rank_sum - positives * (positives + 1) / 2) / pairs
