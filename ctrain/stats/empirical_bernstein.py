"""Evidence from single rows that the mean of their loss differences is below a limit.

Unlike the bounds on block means (``ctrain.stats.sequential``) nothing here is asymptotic: for any
distribution of differences d_1, d_2, ... in [-1, 1], while the average of their expectations given
the past is at or above the limit, the evidence

    m(s, v),   s = sum (limit - d_i),   v = sum (d_i - mean of d_1 ... d_(i-1))^2

passes 1 / alpha at any row, however many there are, with probability at most alpha. It is the
gamma-exponential mixture of the empirical-Bernstein process: with range c = 2 and
psi(l) = (-log(1 - c l) - c l) / c^2, the average of exp(l s - psi(l) v) over l in [0, 1 / c) with a
density proportional to (1 - c l)^(rho / c^2 - 1) exp(-rho (1 - c l) / c^2), which has a closed form.
Each ``rho`` is strongest at one variance; an average of three (``TUNED_FOR``), fixed in advance, loses
little at any: models that disagree on a tenth of their rows reach 1,000 after ten thousand rows, models
that hardly differ stay below 10.

References
----------
Howard, S. R., Ramdas, A., McAuliffe, J. and Sekhon, J. (2021). Time-uniform, nonparametric,
nonasymptotic confidence sequences. Annals of Statistics 49(2), 1055-1080: theorem 4 (variance
process), proposition 9 (mixture).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.stats.tails import gamma_tail

RANGE = 2.0
"""Of differences of losses in [0, 1]."""
TUNED_FOR = ((1000.0, 0.8), (60.0, 0.15), (4.0, 0.05))
"""Variances, and the weight of each in the average."""
TUNED_AT = 0.05

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowEvidence:
    """What is remembered of the differences of single rows, in the order in which they were compared.

    However the rows are cut into calls of ``with_rows``, the state is the same to the last bit.

    >>> evidence = RowEvidence().with_rows(np.array([-1.0, 0.0, 0.0, -1.0] * 20))
    >>> evidence.rows, evidence.total
    (80, -40.0)
    """

    rows: int = 0
    total: float = 0.0
    variance: float = 0.0
    """Sum of squared deviations of every row from the mean of those before it."""

    def with_rows(self, differences: Floats) -> RowEvidence:
        """Return the state after more rows.

        Raises
        ------
        ValueError
            for a difference that does not lie in [-1, 1].
        """
        if not differences.size:
            return self
        if not np.abs(differences).max() <= 1:
            raise ValueError("differences of losses must lie between -1 and 1")
        totals = np.cumsum(np.concatenate([[self.total], differences]))
        before = np.maximum(self.rows + np.arange(differences.size), 1)
        squares = (differences - totals[:-1] / before) ** 2
        variance = np.cumsum(np.concatenate([[self.variance], squares]))[-1]
        return RowEvidence(self.rows + differences.size, float(totals[-1]), float(variance))

    def against(self, limit: float) -> float:
        """Return the logarithm of the evidence that the mean is not ``limit`` or more; 0: none at all.

        >>> rows = RowEvidence().with_rows(np.tile([-1.0, 0.0, 0.0, 0.0], 100))
        >>> round(rows.against(0.0), 1), rows.against(-0.5)
        (21.8, 0.0)
        """
        return max(0.0, log_mixture(limit * self.rows - self.total, self.variance))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that ``from_json`` reads back without losing a bit."""
        return {"rows": self.rows, "total": self.total, "variance": self.variance}

    @classmethod
    def from_json(cls, state: Json) -> RowEvidence:
        return cls(int(state["rows"]), float(state["total"]), float(state["variance"]))


def log_mixture(excess: float, variance: float) -> float:
    """Return the logarithm of the mixture of a sum with this variance process.

    0 where the sum is not positive: there is no evidence, and none is counted against.

    >>> log_mixture(100.0, 1000.0) > log_mixture(50.0, 1000.0) > log_mixture(-1.0, 1000.0)
    True

    References
    ----------
    Howard et al. (2021), proposition 9.
    """
    if excess <= 0:
        return 0.0
    parts = [math.log(weight) + _gamma_exponential(excess, variance, tuned) for tuned, weight in TUNED_FOR]
    largest = max(parts)
    return largest + math.log(math.fsum(math.exp(part - largest) for part in parts))


def _gamma_exponential(excess: float, variance: float, tuned_for: float) -> float:
    prior = shape_of(tuned_for)
    variance_shape = variance / RANGE**2
    shape = variance_shape + prior
    reach = excess / RANGE + shape
    return (
        prior * math.log(prior)
        - _log_below(prior, prior)
        + _log_below(shape, reach)
        - shape * math.log(reach)
        + excess / RANGE
        + variance_shape
    )


def shape_of(tuned_for: float) -> float:
    """Return rho / c^2 of the mixture that is strongest at this variance."""
    level = 2.0 * math.log(1.0 / TUNED_AT)
    return tuned_for / (level + math.log1p(level)) / RANGE**2


def _log_below(shape: float, x: float) -> float:
    """The logarithm of the lower incomplete gamma function."""
    return math.lgamma(shape) + math.log1p(-gamma_tail(shape, x))
