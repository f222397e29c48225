"""Losses of single rows: what "better" means, as a mean over rows.

Labels and scores by task, one entry a row:

=============  ==========================================  =====================================
task           labels                                      scores
=============  ==========================================  =====================================
binary         0 or 1                                      probability of class 1 (or 0/1 itself)
multiclass     position in the class order, see            2-D: a row of class probabilities,
               ``class_codes``; -1: the model does not     columns in the same class order
               know the class
regression     value                                       value
=============  ==========================================  =====================================

A row that cannot be judged has the loss NaN: its label or score is NaN or infinite, a binary label
is neither 0 nor 1, a class code is out of range, or a probability lies outside [0, 1]. Callers
leave such rows out with ``np.isfinite``; they never count for or against a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

MIN_PROBABILITY = 1e-3
"""Log loss takes no probability of the true class below this, so one row cannot decide a mean."""
LOG_LOSS_CAP = -float(np.log(MIN_PROBABILITY))
UNKNOWN_CLASS = -1.0
"""Code of a label that the model cannot predict: every probability it gave was for other classes."""
CLIP_QUANTILE = 0.99
ROUNDING = 1e-6
"""How far outside [0, 1] a probability may be through rounding."""


class BoundedLosses(NamedTuple):
    """Losses in [0, 1], NaN for rows that cannot be judged, and the share of judged rows cut at 1."""

    values: Floats
    share_clipped: float


def class_codes(labels: Sequence[object] | npt.NDArray[np.generic], classes: Sequence[object]) -> Floats:
    """Return the position of each label in ``classes``; -1 for another class, NaN for a missing label.

    Two models with different class orders are each judged with codes of their own.

    >>> class_codes(["b", None, "z"], ["a", "b"])
    array([ 1., nan, -1.])
    """
    positions = {label: float(position) for position, label in enumerate(classes)}
    return np.array([_code(label, positions) for label in labels], dtype=np.float64)


def _code(label: object, positions: dict[object, float]) -> float:
    missing = label is None or (isinstance(label, float) and np.isnan(label))
    return float("nan") if missing else positions.get(label, UNKNOWN_CLASS)


def row_losses(task: Task, metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """Return the loss of every row on the metric's natural scale; NaN where a row cannot be judged.

    Parameters
    ----------
    task
        fixes the meaning of labels and scores, see the module's table.
    metric
        ``brier`` (squared error of the probability; for several classes summed over them and
        halved, so that it lies in [0, 1]), ``log_loss`` (probability of the true class at least
        0.001), ``zero_one`` (a binary score above one half means class 1; of equal probabilities
        the first class is predicted), ``absolute_error`` or ``squared_error``.
    labels, scores
        one entry a row; class probabilities are two-dimensional.

    Raises
    ------
    ValueError
        when the task does not have the metric or the shapes do not fit each other.

    Examples
    --------
    >>> row_losses(Task.BINARY, "brier", [1, 0, float("nan")], [0.5, 0.25, 0.5])
    array([0.25  , 0.0625,    nan])
    >>> row_losses(Task.MULTICLASS, "zero_one", [0, 1, -1], [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    array([0., 1., 1.])

    References
    ----------
    Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly
    Weather Review 78(1), 1-3. Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring
    rules, prediction, and estimation. JASA 102(477), 359-378.
    """
    loss = _LOSSES.get((task, metric))
    if loss is None:
        known = ", ".join(name for known_task, name in _LOSSES if known_task is task)
        raise ValueError(f"{metric!r} is no row loss of a {task.value} task; there are {known}")
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    _check_shapes(task, truth, predicted)
    losses: Floats = np.full(truth.shape, np.nan)
    usable = _usable(task, truth, predicted)
    losses[usable] = loss(truth[usable], predicted[usable])
    return losses


def error_scale(task: Task, metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return the 99th percentile of the errors of a regression, by which its losses are bounded.

    None for a task with classes, and where there is no positive error.

    >>> error_scale(Task.REGRESSION, "absolute_error", np.zeros(101), np.arange(101.0))
    99.0
    """
    if task is not Task.REGRESSION:
        return None
    losses = row_losses(task, metric, labels, scores)
    errors = losses[np.isfinite(losses)]
    scale = float(np.quantile(errors, CLIP_QUANTILE)) if errors.size else 0.0
    return scale if scale > 0 else None


def bounded_losses(
    task: Task, metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike, scale: float | None
) -> BoundedLosses:
    """Return losses in [0, 1] for the comparison of two models, and the share that was cut.

    Losses of classes are bounded already; log loss is divided by its cap. Regression errors are
    divided by ``scale`` and cut at 1: the 99th percentile of the champion's out-of-sample errors
    on the same metric, fixed before the comparison. Only these cuts count in ``share_clipped``.

    Raises
    ------
    ValueError
        when a regression has no positive finite ``scale``, and as ``row_losses`` does.

    Examples
    --------
    >>> bounded_losses(Task.REGRESSION, "absolute_error", [1.0, 1.0], [2.0, 9.0], scale=4.0)
    BoundedLosses(values=array([0.25, 1.  ]), share_clipped=0.5)
    """
    losses = row_losses(task, metric, labels, scores)
    if task is not Task.REGRESSION:
        return BoundedLosses(losses / LOG_LOSS_CAP if metric == "log_loss" else losses, 0.0)
    if scale is None or not np.isfinite(scale) or scale <= 0:
        raise ValueError(f"a regression needs the positive scale of its errors, not {scale}")
    judged = np.isfinite(losses)
    cut = judged & (losses > scale)
    share = float(cut.sum() / judged.sum()) if judged.any() else 0.0
    return BoundedLosses(np.minimum(losses / scale, 1.0), share)


def _check_shapes(task: Task, truth: Floats, predicted: Floats) -> None:
    dimensions = 2 if task is Task.MULTICLASS else 1
    if truth.ndim != 1 or predicted.ndim != dimensions or len(predicted) != len(truth):
        raise ValueError(f"labels {truth.shape} and scores {predicted.shape} do not fit a {task.value} task")


def _usable(task: Task, truth: Floats, predicted: Floats) -> Booleans:
    if task is Task.REGRESSION:
        return np.isfinite(truth) & np.isfinite(predicted)
    probabilities = predicted if task is Task.MULTICLASS else predicted[:, np.newaxis]
    inside = (probabilities >= -ROUNDING) & (probabilities <= 1 + ROUNDING)
    known: Booleans = (truth == 0) | (truth == 1)
    if task is Task.MULTICLASS:
        known = (truth == np.floor(truth)) & (truth >= UNKNOWN_CLASS) & (truth < predicted.shape[1])
    return known & np.asarray(inside.all(axis=1), dtype=np.bool_)


def _true_class(truth: Floats, predicted: Floats) -> Floats:
    """Probability that was given to the class that came true; 0 for a class the model does not know."""
    known = truth >= 0
    given: Floats = np.zeros(truth.shape)
    given[known] = predicted[known, truth[known].astype(np.intp)]
    return given


def _log_loss(probability: Floats) -> Floats:
    loss: Floats = -np.log(np.clip(probability, MIN_PROBABILITY, 1.0))
    return loss


def _squared_error(truth: Floats, predicted: Floats) -> Floats:
    squared: Floats = (predicted - truth) ** 2
    return squared


def _binary_log_loss(truth: Floats, predicted: Floats) -> Floats:
    return _log_loss(np.where(truth == 1, predicted, 1 - predicted))


def _binary_zero_one(truth: Floats, predicted: Floats) -> Floats:
    wrong: Booleans = (predicted > 0.5) != (truth == 1)
    return wrong.astype(np.float64)


def _class_brier(truth: Floats, predicted: Floats) -> Floats:
    loss: Floats = ((predicted**2).sum(axis=1) - 2 * _true_class(truth, predicted) + 1) / 2
    return loss


def _class_log_loss(truth: Floats, predicted: Floats) -> Floats:
    return _log_loss(_true_class(truth, predicted))


def _class_zero_one(truth: Floats, predicted: Floats) -> Floats:
    wrong: Booleans = predicted.argmax(axis=1) != truth
    return wrong.astype(np.float64)


def _absolute_error(truth: Floats, predicted: Floats) -> Floats:
    return np.abs(predicted - truth)


_LOSSES: dict[tuple[Task, str], Callable[[Floats, Floats], Floats]] = {
    (Task.BINARY, "brier"): _squared_error,
    (Task.BINARY, "log_loss"): _binary_log_loss,
    (Task.BINARY, "zero_one"): _binary_zero_one,
    (Task.MULTICLASS, "brier"): _class_brier,
    (Task.MULTICLASS, "log_loss"): _class_log_loss,
    (Task.MULTICLASS, "zero_one"): _class_zero_one,
    (Task.REGRESSION, "absolute_error"): _absolute_error,
    (Task.REGRESSION, "squared_error"): _squared_error,
}
