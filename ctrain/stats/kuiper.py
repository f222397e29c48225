"""Kuiper's test: as Kolmogorov-Smirnov, with equal sight of the tails and of changes in spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.distance import differences
from ctrain.stats.grid import Counts

_SMALLEST = 0.4
"""Below, the p-value is 1 to fifteen digits, and the series needs more and more terms."""


@dataclass(frozen=True, slots=True)
class Kuiper:
    """The largest difference of probability on an interval: ``V = D+ + D-``, from 0 to 1."""

    largest: float = 1.0
    places: None = None

    def between(self, reference: Counts, current: Counts) -> Floats:
        found = differences(reference, current)
        distance: Floats = np.maximum(found.max(axis=-1), 0) - np.minimum(found.min(axis=-1), 0)
        return distance


def kuiper_p_value(distance: float, n: int, m: int) -> float:
    """Return the asymptotic p-value of ``V`` between samples of ``n`` and ``m`` values.

    It is an upper bound where values are tied.

    >>> round(kuiper_p_value(0.2, 200, 200), 5)
    0.00783

    References
    ----------
    Stephens (1965). The goodness-of-fit statistic V_n: distribution and significance points.
    Biometrika 52(3/4). Press et al. (2007). Numerical Recipes, section 14.3.4.
    """
    root = math.sqrt(n / (n + m) * m)
    x = (root + 0.155 + 0.24 / root) * distance
    if x < _SMALLEST:
        return 1.0
    squares = (np.arange(1, 101) * x) ** 2
    return float(np.clip(2 * ((4 * squares - 1) * np.exp(-2 * squares)).sum(), 0, 1))
