"""The Mann-Whitney test: how well a score tells two samples apart, and how probable that is by chance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Separation(NamedTuple):
    """``auc`` is the probability that a row of the second sample has the higher score, ties counted half."""

    auc: float
    p_value: float


def mann_whitney(first: npt.ArrayLike, second: npt.ArrayLike) -> Separation:
    """Return the area under the ROC curve and the one-sided p-value of ``second`` having higher scores.

    The p-value uses the normal approximation with corrections for ties and continuity; it is valid
    for independent rows and a score that was made without them.

    Parameters
    ----------
    first, second
        finite scores of the two samples; neither is empty.

    Examples
    --------
    >>> mann_whitney([1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 6.0, 7.0, 8.0, 9.0]).auc
    0.94
    >>> mann_whitney([1.0, 1.0], [1.0, 1.0])
    Separation(auc=0.5, p_value=1.0)

    References
    ----------
    Mann, H. B. and Whitney, D. R. (1947). On a test of whether one of two random variables is
    stochastically larger than the other. Annals of Mathematical Statistics 18(1), 50-60.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    n, m = len(one), len(other)
    _, place, counts = np.unique(np.concatenate([one, other]), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    wins = float(ranks[place[n:]].sum()) - m * (m + 1) / 2
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1))
    spread = math.sqrt(n * m / 12 * (total + 1 - ties))
    if spread == 0:
        return Separation(0.5, 1.0)
    deviation = (wins - n * m / 2 - 0.5) / spread
    return Separation(wins / (n * m), 0.5 * math.erfc(deviation / math.sqrt(2)))
