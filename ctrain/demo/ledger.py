"""Squared errors of what production served and of the frozen first model, flight by flight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Means:
    """Mean squared error (Brier score) of both on the same labelled rows; NaN without rows."""

    live: float
    frozen: float
    rows: int


class Ledger:
    """Both scores of every flight, in the flights' order; NaN where no model has scored yet."""

    def __init__(self, labels: Floats) -> None:
        self._labels = labels
        self._live: Floats = np.full(len(labels), np.nan)
        self._frozen: Floats = np.full(len(labels), np.nan)
        self._staged = np.zeros(len(labels), dtype=np.bool_)

    def enter(self, rows: slice, live: Floats, frozen: Floats, *, staged: bool) -> None:
        """Note both scores of ``rows``; ``staged``: a model served them that was broken on purpose."""
        self._live[rows] = live
        self._frozen[rows] = frozen
        self._staged[rows] = staged

    def means(self, rows: slice, *, without_staged: bool = False) -> Means:
        """Return both means over the labelled rows of ``rows`` that both have scored.

        >>> ledger = Ledger(np.array([1.0, 0.0, np.nan]))
        >>> ledger.enter(slice(0, 3), np.array([0.5, 0.5, 0.5]), np.array([1.0, 0.0, 1.0]), staged=False)
        >>> ledger.means(slice(0, 3))
        Means(live=0.25, frozen=0.0, rows=2)
        """
        live = (self._live[rows] - self._labels[rows]) ** 2
        frozen = (self._frozen[rows] - self._labels[rows]) ** 2
        usable = np.isfinite(live) & np.isfinite(frozen)
        if without_staged:
            usable &= ~self._staged[rows]
        count = int(usable.sum())
        if count == 0:
            return Means(float("nan"), float("nan"), 0)
        return Means(float(live[usable].mean()), float(frozen[usable].mean()), count)
