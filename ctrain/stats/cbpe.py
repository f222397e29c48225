"""Confidence-based performance estimation: metrics of rows whose labels nobody knows yet.

A calibrated score says with what probability a row is of a class, and so what any metric is to be
expected on the rows. It sees what comes of other inputs; it is blind to a change of what follows from
the same inputs, because it relies on the relation of scores to labels being what it was.

Two things stand between the estimate and the metric that the labels will show: the labels are drawn
(more rows, less of it), and the calibration comes from a limited number of rows (so that rows are
uncertain whose scores were rare in it). Both are in ``Estimate.error``, to first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.calibration import Calibration
from ctrain.stats.losses import Floats, row_losses
from ctrain.stats.metrics import evaluate

BAND = 1.959963984540054
"""Standard deviations to either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric that is expected, and the standard deviation of what the labels will show around it."""

    value: float
    deviation: float
    n: int

    @property
    def error(self) -> float:
        """Half the width of the band that holds the realised metric in 95 % of all cases."""
        return BAND * self.deviation


@dataclass(frozen=True, slots=True)
class _Expected:
    """A metric as a function of the probabilities: its value and its slope in each of them."""

    value: float
    slopes: Floats


def estimate(
    task: Task, metric: str, scores: npt.ArrayLike, calibration: Calibration, classes: tuple[str, ...] = ()
) -> Estimate | None:
    """Return the metric that is to be expected on rows with these scores; None where it is not defined.

    Parameters
    ----------
    task, metric
        a task with classes: ``brier``, ``log_loss``, ``zero_one``, ``accuracy``, ``f1``, ``roc_auc``
        as ``ctrain.stats.metrics`` has them (of several classes the mean over classes).
    scores
        of the rows, as ``ctrain.stats.losses`` describes them; rows that are not finite are left out.
    calibration
        of the same model. Losses and predictions are those of the scores themselves; the
        calibrated ones only say how likely each label is.
    classes
        what the columns of ``scores`` mean; a class that the calibration does not know keeps its score.

    Examples
    --------
    >>> from ctrain.stats.calibration import fit_calibration
    >>> labels = [0] * 80 + [1] * 20 + [0] * 10 + [1] * 90
    >>> calibration = fit_calibration(labels, [0.2] * 100 + [0.9] * 100)
    >>> found = estimate(Task.BINARY, "accuracy", [0.2, 0.2, 0.9, 0.9], calibration)
    >>> round(found.value, 3), found.n
    (0.85, 4)

    References
    ----------
    Bialek, J., Kivimaki, J., Kuberski, W. and Perrakis, N. (2024). Estimating model performance under
    covariate shift without labels. arXiv:2401.08348. Platanios, E. A. et al. (2017). Estimating
    accuracy from unlabeled data. NeurIPS 2017.
    """
    given = np.asarray(scores, dtype=np.float64)
    usable = np.isfinite(given if given.ndim == 1 else given.sum(axis=1))
    given = given[usable]
    if not len(given):
        return None
    if task is Task.BINARY:
        chances = calibration.functions[0].calibrate(given)
        expected = _of_binary(metric, given, chances)
        if expected is None:
            return None
        drawn = float((expected.slopes**2 * chances * (1 - chances)).sum())
        uncertain = _of_blocks(calibration, 0, given, expected.slopes)
        return Estimate(expected.value, float(np.sqrt(drawn + uncertain)), len(given))
    return _of_classes(metric, given, calibration, classes)


def _of_blocks(calibration: Calibration, position: int, scores: Floats, slopes: Floats) -> float:
    """Variance through the values of the blocks, each an independent share of its rows."""
    function = calibration.functions[position]
    variances = function.variances
    together = np.bincount(function.blocks(scores), weights=slopes, minlength=len(variances))
    return float((together**2 * variances).sum())


def _of_binary(metric: str, scores: Floats, chances: Floats) -> _Expected | None:
    if metric == "roc_auc":
        return _roc_auc(scores, chances)
    if metric == "f1":
        return _f1(scores > 0.5, chances)
    loss = "zero_one" if metric == "accuracy" else metric
    if_0, if_1 = (row_losses(Task.BINARY, loss, np.full(len(scores), code), scores) for code in (0.0, 1.0))
    expected = _Expected(float((if_0 + chances * (if_1 - if_0)).mean()), (if_1 - if_0) / len(scores))
    return _Expected(1 - expected.value, -expected.slopes) if metric == "accuracy" else expected


def _f1(predicted: npt.NDArray[np.bool_], chances: Floats) -> _Expected | None:
    flagged = float(predicted.sum() + chances.sum())
    if flagged == 0:
        return None
    value = float(2 * chances[predicted].sum() / flagged)
    return _Expected(value, (2.0 * predicted.astype(np.float64) - value) / flagged)


def _roc_auc(scores: Floats, chances: Floats) -> _Expected | None:
    """The area under the expected curve: pairs by the chance of being one, ties counted half."""
    positives = float(chances.sum())
    negatives = len(chances) - positives
    if positives <= 0 or negatives <= 0:
        return None
    _, group = np.unique(scores, return_inverse=True)
    ones, zeros = np.bincount(group, weights=chances), np.bincount(group, weights=1 - chances)
    zeros_below = (np.cumsum(zeros) - zeros / 2)[group]
    ones_above = (positives - np.cumsum(ones) + ones / 2)[group]
    pairs = positives * negatives
    value = float(chances @ zeros_below) / pairs
    return _Expected(value, (zeros_below - ones_above - value * (negatives - positives)) / pairs)


def _of_classes(
    metric: str, scores: Floats, calibration: Calibration, classes: tuple[str, ...]
) -> Estimate | None:
    known = [calibration.classes.index(name) if name in calibration.classes else None for name in classes]
    columns = [
        scores[:, at] if position is None else calibration.functions[position].calibrate(scores[:, at])
        for at, position in enumerate(known)
    ]
    raw = np.column_stack(columns)
    nothing = raw.sum(axis=1) <= 0
    raw[nothing] = scores[nothing]
    sums = np.maximum(raw.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    chances = raw / sums
    expected = _of_several(metric, scores, chances)
    if expected is None:
        return None
    rows = len(scores)
    slopes = expected.slopes - (chances * expected.slopes).sum(axis=1, keepdims=True)
    drawn = float((chances * slopes**2).sum())
    uncertain = sum(
        _of_blocks(calibration, position, scores[:, at], slopes[:, at] / sums[:, 0])
        for at, position in enumerate(known)
        if position is not None
    )
    uncertain = max(uncertain, drawn * rows / calibration.n)
    return Estimate(expected.value, float(np.sqrt(drawn + uncertain)), rows)


def missed(
    task: Task,
    metric: str,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    calibration: Calibration,
    classes: tuple[str, ...] = (),
) -> float:
    """Return by how much the metric of the calibration's own rows exceeds what is estimated for them.

    For several classes: each is calibrated by itself, so that all of them together need not be right
    for a row. What is missed on labelled rows is missed on others: added to their estimates it takes
    the bias out. 0 where the metric is not defined.

    References
    ----------
    Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I. and Zrnic, T. (2023). Prediction-powered
    inference. Science 382(6671), 669-674: the same correction of a mean.
    """
    found = estimate(task, metric, scores, calibration, classes)
    value = evaluate(task, labels, scores).get(metric)
    return 0.0 if found is None or value is None else value - found.value


def _of_several(metric: str, scores: Floats, chances: Floats) -> _Expected | None:
    if metric in ("f1", "roc_auc"):
        predicted = scores.argmax(axis=1)
        each = [
            _roc_auc(scores[:, code], chances[:, code])
            if metric == "roc_auc"
            else _f1(predicted == code, chances[:, code])
            for code in range(scores.shape[1])
        ]
        return _mean(each, chances.shape)
    loss = "zero_one" if metric == "accuracy" else metric
    rows = len(scores)
    losses = np.column_stack(
        [
            row_losses(Task.MULTICLASS, loss, np.full(rows, float(code)), scores)
            for code in range(scores.shape[1])
        ]
    )
    expected = _Expected(float((chances * losses).sum(axis=1).mean()), losses / rows)
    return _Expected(1 - expected.value, -expected.slopes) if metric == "accuracy" else expected


def _mean(each: list[_Expected | None], shape: tuple[int, ...]) -> _Expected | None:
    """The mean over the classes for which the metric is defined."""
    defined = [(code, one) for code, one in enumerate(each) if one is not None]
    if not defined:
        return None
    slopes = np.zeros(shape)
    for code, one in defined:
        slopes[:, code] = one.slopes / len(defined)
    return _Expected(float(np.mean([one.value for _, one in defined])), slopes)
