"""The Cramer-von Mises test: the mean squared difference of two distribution functions.

The integral runs along the pooled sample, where the difference of the two functions is taken to be
linear within a cell of the grid: tied values, and values of one cell, then count as the average over
all orders they could have. Without ties everything is as in ``scipy.stats.cramervonmises_2samp``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.distance import differences, shares
from ctrain.stats.grid import Counts

_CERTAIN = 0.01
"""Below, the p-value is 1 to five digits, and the series needs more and more terms."""
_INTEGRALS = 20
_NODES = np.cos((2 * np.arange(1, 33) - 1) * math.pi / 64)


@dataclass(frozen=True, slots=True)
class CramerVonMises:
    """Root mean square of the difference, times the square root of 3: 1 for nothing in common."""

    largest: float = 1.0
    places: None = None

    def between(self, reference: Counts, current: Counts) -> Floats:
        found: Floats = np.sqrt(3 * _mean_square(reference, current))
        return found


def cramer_von_mises(reference: Counts, current: Counts) -> tuple[float, float]:
    """Return the statistic T and its asymptotic p-value.

    Under equal distributions the average over orders of tied values keeps the mean of T and takes
    from its variance what the order within ties contributes; the p-value knows.

    >>> statistic, p_value = cramer_von_mises(np.array([1, 0, 1, 0, 1, 0]), np.array([0, 1, 0, 1, 0, 1]))
    >>> round(statistic, 7), round(p_value, 7)
    (0.0833333, 0.9296186)

    References
    ----------
    Anderson (1962). On the distribution of the two-sample Cramer-von Mises criterion. Annals of
    Mathematical Statistics 33(3). Smirnov (1936). Sur la distribution de omega2. Comptes rendus de
    l'Académie des sciences 202.
    """
    n, m = int(reference.sum()), int(current.sum())
    total, product = n + m, n * m
    pooled = shares(reference + current)
    difference = float(_mean_square(reference, current))
    statistic = product / total * difference + float((pooled**2).sum()) / 6
    mean = (1 + 1 / total) / 6
    untied = (total + 1) * (4 * product * total - 3 * (n**2 + m**2) - 2 * product)
    variance = untied / (45 * total**2 * 4 * product)
    variance *= 1 - 45 * min(_tied_variance(pooled, total), 1 / 45)
    if difference == 0 or variance <= 0:
        return statistic, 1.0
    return statistic, _p_value(1 / 6 + (statistic - mean) / math.sqrt(45 * variance))


def _mean_square(reference: Counts, current: Counts) -> Floats:
    after = differences(reference, current)
    before = np.zeros_like(after)
    before[..., 1:] = after[..., :-1]
    squares = after**2
    squares += before * after
    squares += before**2
    squares *= reference + current
    found: Floats = squares.sum(axis=-1) / (3 * (reference.sum(axis=-1) + current.sum(axis=-1)))
    return found


def _tied_variance(pooled: Floats, total: int) -> float:
    """Return how much of the limiting variance 1/45 comes from the order within cells.

    Within a cell the limiting Brownian bridge is a line between its ends and a bridge of its own; the
    variances are those of the integrals of the bridge squared, and of the line times the bridge. A
    cell with a single value has no order.
    """
    top = np.cumsum(pooled)
    bottom = top - pooled
    of_ends = (bottom * (1 - bottom) + top * (1 - top)) / 45 + 7 * bottom * (1 - top) / 180
    ordered = np.maximum(1 - 1 / np.maximum(pooled * total, 1), 0)
    return float((ordered * (pooled**4 / 45 + 4 * pooled**3 * of_ends)).sum())


def _p_value(x: float) -> float:
    """Return the limiting probability of more than ``x``: Smirnov's alternating series of integrals.

    Both ends of an integral are poles of order 1/2, which Gauss-Chebyshev quadrature takes as weights.
    """
    if x <= _CERTAIN:
        return 1.0
    ends = (2 * np.arange(1, _INTEGRALS + 1) - 1)[:, None] * math.pi
    u = ends + math.pi / 2 * (1 + _NODES)
    smooth = np.sqrt((u - ends) * (ends + math.pi - u) / (u * -np.sin(u))) * np.exp(-x * u**2 / 2)
    terms = 2 * smooth.mean(axis=1)
    terms[1::2] *= -1
    return float(np.clip(terms.sum(), 0, 1))
