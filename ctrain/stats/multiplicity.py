"""Corrections of p-values for testing many columns at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: rejecting those <= q keeps the false discovery rate at q.

    Parameters
    ----------
    p_values
        One p-value per test, none of them NaN; tests independent or positively dependent.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate: a practical and powerful
    approach to multiple testing. Journal of the Royal Statistical Society B 57(1).
    """
    ascending = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=np.float64)[ascending]
    scaled *= len(scaled) / np.arange(1, len(scaled) + 1)
    adjusted = np.empty_like(scaled)
    adjusted[ascending] = np.minimum.accumulate(scaled[::-1])[::-1]
    return [float(value) for value in np.clip(adjusted, 0, 1)]
