"""How far probabilities are from the frequencies of what they are said of; numpy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.losses import Floats

BINS = 10


def calibration_error(task: Task, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return the expected calibration error; None of a regression, and without a row.

    Rows are put into ten bins of equal width by the probability that was said; the error is the mean
    over rows of how far the mean probability of a row's bin is from how often it came true there. Binary:
    of the probability of class 1. Multiclass: of that of the likeliest class. Rows without a label or
    a score are left out.

    Parameters
    ----------
    labels, scores
        As ``ctrain.stats.losses`` describes them.

    Examples
    --------
    >>> calibration_error(Task.BINARY, [1, 1, 0, 0], [0.75, 0.75, 0.75, 0.25])
    0.125

    References
    ----------
    Naeini, M. P., Cooper, G. F. and Hauskrecht, M. (2015). Obtaining well calibrated probabilities using
    Bayesian binning. AAAI. Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of
    modern neural networks. ICML.
    """
    if task is Task.REGRESSION:
        return None
    truth, said = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    came_true = truth == 1
    if said.ndim > 1:
        likeliest = np.nan_to_num(said, nan=-1.0).argmax(axis=1)
        came_true, said = truth == likeliest, said[np.arange(len(said)), likeliest]
    judged = np.isfinite(truth) & np.isfinite(said)
    return _distance(came_true[judged], said[judged]) if judged.any() else None


def _distance(came_true: npt.NDArray[np.bool_], said: Floats) -> float:
    places = np.clip((said * BINS).astype(np.intp), 0, BINS - 1)
    gaps = np.bincount(places, weights=came_true - said, minlength=BINS)
    return float(np.abs(gaps).sum() / len(said))
