"""How far a metric of labelled rows may lie from what more such rows would show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.losses import UNKNOWN_CLASS, Floats, row_losses

BOUNDED = frozenset({"brier", "zero_one", "accuracy", "f1", "roc_auc"})
"""Metrics between 0 and 1."""


def standard_error(task: Task, metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return the standard error of a metric on independent rows; None where it is not defined.

    Parameters
    ----------
    task, metric
        any that ``ctrain.stats.metrics.evaluate`` gives.
    labels, scores
        as ``ctrain.stats.losses`` describes them; rows that cannot be judged are left out.

    Returns
    -------
    float or None
        To first order, from what each row contributes. Of a metric between 0 and 1 at least what one
        more row could change, so that a few rows that agree are not taken for certainty; of any other
        at least two rows are needed.

    Examples
    --------
    >>> error = standard_error(Task.BINARY, "accuracy", [1, 1, 0, 0], [0.9, 0.2, 0.1, 0.2])
    >>> round(error, 4)  # sqrt(0.75 * 0.25 / 4)
    0.25
    >>> standard_error(Task.BINARY, "accuracy", [1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2])
    0.25

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation. JASA 69(346), 383-393.
    ROC AUC: DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Comparing the areas under
    two or more correlated receiver operating characteristic curves. Biometrics 44(3), 837-845.
    """
    truth, given = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    any_loss = "absolute_error" if task is Task.REGRESSION else "zero_one"
    judged = np.isfinite(row_losses(task, any_loss, truth, given))
    truth, given = truth[judged], given[judged]
    if not truth.size or (metric not in BOUNDED and truth.size < 2):
        return None
    influences = _influences(task, metric, truth, given)
    if influences is None:
        return None
    error = float(np.sqrt((influences**2).sum()))
    return max(error, 1 / truth.size) if metric in BOUNDED else error


def _influences(task: Task, metric: str, truth: Floats, scores: Floats) -> Floats | None:
    """What each row adds to the metric beyond its share of it, divided by the rows."""
    if task is Task.REGRESSION and metric in ("rmse", "r2"):
        return _of_errors(metric, truth, scores)
    if metric not in ("f1", "roc_auc"):
        losses = row_losses(task, "zero_one" if metric == "accuracy" else metric, truth, scores)
        return np.asarray((losses - losses.mean()) / losses.size)
    if task is Task.BINARY:
        positive = truth == 1
        return _f1(positive, scores > 0.5) if metric == "f1" else _roc_auc(positive, scores)
    return _of_classes(metric, truth, scores)


def _of_errors(metric: str, truth: Floats, scores: Floats) -> Floats | None:
    squared, spread = (scores - truth) ** 2, (truth - truth.mean()) ** 2
    if metric == "rmse":
        root = float(np.sqrt(squared.mean()))
        return np.asarray((squared - squared.mean()) / (2 * root * truth.size)) if root else squared
    total = float(spread.sum()) if truth.min() < truth.max() else 0.0
    return np.asarray((squared.sum() / total * spread - squared) / total) if total else None


def _f1(positive: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> Floats | None:
    flagged = float(positive.sum() + predicted.sum())
    if not flagged:
        return None
    value = 2 * float((positive & predicted).sum()) / flagged
    return np.asarray((2.0 * (positive & predicted) - value * (1.0 * positive + predicted)) / flagged)


def _roc_auc(positive: npt.NDArray[np.bool_], scores: Floats) -> Floats | None:
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    _, group = np.unique(scores, return_inverse=True)
    of_ones = np.bincount(group, weights=1.0 * positive)
    of_zeros = np.bincount(group, weights=1.0 * ~positive)
    won = ((np.cumsum(of_zeros) - of_zeros / 2) / zeros)[group]
    lost = ((ones - np.cumsum(of_ones) + of_ones / 2) / ones)[group]
    value = float(won[positive].mean())
    return np.asarray(np.where(positive, (won - value) / ones, (lost - value) / zeros))


def _of_classes(metric: str, truth: Floats, scores: Floats) -> Floats | None:
    """The mean over the classes over which the metric is one; unknown labels are a class of chance."""
    predicted = scores.argmax(axis=1)
    codes = np.unique(truth) if metric == "roc_auc" else np.union1d(truth, predicted)
    each = []
    for code in codes:
        if metric == "f1":
            found = _f1(truth == code, predicted == code)
        else:
            column = np.zeros(len(truth)) if code == UNKNOWN_CLASS else scores[:, int(code)]
            found = _roc_auc(truth == code, column)
        if found is None:
            return None
        each.append(found)
    return np.asarray(np.mean(each, axis=0))
