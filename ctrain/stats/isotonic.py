"""Isotonic regression: the rising step function that is nearest to outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.stats.losses import Floats

Positions = npt.NDArray[np.intp]
FIELDS = ("first", "last", "value", "rows")


@dataclass(frozen=True, slots=True)
class Isotonic:
    """The rising step function nearest to the outcomes, a block of equal values after the other.

    Between two blocks the value is interpolated; outside of them it is that of the nearest.
    """

    first: Floats
    """Smallest score of each block, ascending."""
    last: Floats
    value: Floats
    """Share of the block's rows that were of the class."""
    rows: Floats
    """Rows (or their weight) behind the value."""

    def calibrate(self, scores: npt.ArrayLike) -> Floats:
        """Return the calibrated probability of each score.

        >>> fit_isotonic([0.1, 0.1, 0.8], [0.0, 1.0, 1.0]).calibrate([0.0, 0.1, 0.45, 0.9])
        array([0.5 , 0.5 , 0.75, 1.  ])
        """
        knots, position = np.unique(np.concatenate([self.first, self.last]), return_index=True)
        asked = np.asarray(scores, dtype=np.float64)
        found: Floats = np.interp(asked, knots, np.concatenate([self.value, self.value])[position])
        return found

    def blocks(self, scores: npt.ArrayLike) -> Positions:
        """Return the block that each score lies in, or is nearest to."""
        middles = (self.last[:-1] + self.first[1:]) / 2
        return np.searchsorted(middles, np.asarray(scores, dtype=np.float64), side="left")

    @property
    def variances(self) -> Floats:
        """Of the values, as shares of so many rows; not 0 where all rows of a block agree."""
        smoothed = (self.value * self.rows + 0.5) / (self.rows + 1)
        return np.asarray(smoothed * (1 - smoothed) / self.rows)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in FIELDS}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Isotonic:
        return cls(
            *(np.asarray(stored[name], dtype=np.float64) for name in ("first", "last", "value", "rows"))
        )


def fit_isotonic(
    scores: npt.ArrayLike,
    outcomes: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    cell_rows: float = 0.0,
) -> Isotonic:
    """Return the isotonic regression of outcomes on scores, by pooling adjacent violators.

    Parameters
    ----------
    scores
        finite, at least one; rows of equal score are one point.
    outcomes
        1 where the row was of the class, else 0.
    weights
        of the rows; default: one each.
    cell_rows
        about so many rows of neighbouring scores are one point; 0: only equal scores are.

    Examples
    --------
    >>> fitted = fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
    >>> fitted.value, fitted.rows
    (array([0. , 0.5, 1. ]), array([1., 2., 1.]))

    References
    ----------
    Ayer, M., Brunk, H. D., Ewing, G. M., Reid, W. T. and Silverman, E. (1955). An empirical
    distribution function for sampling with incomplete information. Annals of Mathematical
    Statistics 26(4), 641-647. Zadrozny, B. and Elkan, C. (2002). Transforming classifier scores into
    accurate multiclass probability estimates. KDD 2002.
    """
    points, group = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    if not points.size:
        raise ValueError("calibration needs at least one row")
    given = np.ones(len(group)) if weights is None else np.asarray(weights, dtype=np.float64)
    weight: Floats = np.bincount(group, weights=given).astype(np.float64)
    total = np.bincount(group, weights=given * np.asarray(outcomes, dtype=np.float64))
    cells = _cells(weight, cell_rows)
    blocks = _pooled(np.add.reduceat(total, cells).tolist(), np.add.reduceat(weight, cells).tolist())
    starts = cells[blocks]
    ends = np.append(starts[1:], points.size)
    rows, sums = np.add.reduceat(weight, starts), np.add.reduceat(total, starts)
    return Isotonic(points[starts], points[ends - 1], sums / rows, rows)


def _cells(weight: Floats, cell_rows: float) -> Positions:
    """Where cells of about equal weight begin; a score lies in one of them."""
    if cell_rows <= 0:
        return np.arange(weight.size)
    count = max(int(weight.sum() // cell_rows), 1)
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.unique(np.floor(middle * count), return_index=True)[1]


def _pooled(total: Sequence[float], weight: Sequence[float]) -> Positions:
    """Where the blocks begin: neighbours are joined until their means rise."""
    starts: list[int] = []
    sums: list[float] = []
    rows: list[float] = []
    for position, (added, heavy) in enumerate(zip(total, weight, strict=True)):
        starts.append(position)
        sums.append(added)
        rows.append(heavy)
        while len(starts) > 1 and sums[-2] * rows[-1] >= sums[-1] * rows[-2]:
            starts.pop()
            sums[-2:] = [sums[-2] + sums[-1]]
            rows[-2:] = [rows[-2] + rows[-1]]
    return np.array(starts, dtype=np.intp)
