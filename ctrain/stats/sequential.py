"""Paired comparison of two models that may be looked at after every block of rows.

The comparison is made on the means d_1, d_2, ... of the loss differences (challenger minus
champion, the same rows) of consecutive time blocks. Rows inside a block may depend on each other in
any way; the blocks should be long against the correlation of the rows. Blocks have equal weight
whatever their number of rows, so the bounds speak of the expected difference averaged over the
compared blocks.

After t blocks with mean m and standard deviation s (divisor t) the bounds are m -/+ w with::

    w = s * sqrt( 2 (t r + 1) / (t^2 r) * log(1 + sqrt(t r + 1) / (2 alpha)) )

the one-sided normal-mixture boundary of Robbins (1970) in the closed form of Howard et al. (2021),
with s in place of the unknown standard deviation as in the asymptotic confidence sequences of
Waudby-Smith et al. (2024). Each bound alone is passed by the true average at any look, however
many there are, with probability about ``alpha``. The approximation is asymptotic: nothing is said
before ``MIN_BLOCKS`` blocks, and a block should hold enough rows (some tens) that its mean is not
strongly skewed. The mixture's ``r`` makes the bounds tightest at ``TUNED_FOR`` blocks
and never depends on data.

Where two models agree on every row seen, s would be zero and the bounds would claim certainty.
``(blocks / rows)^2`` is therefore added to the sum of squares, the share that one more row with a
difference of 1 would have; w is then about 3 / rows ("rule of three"), and in any other case the
addition is lost in the noise.

References
----------
Robbins, H. (1970). Statistical methods related to the law of the iterated logarithm. Annals of
Mathematical Statistics 41(5), 1397-1409.
Howard, S. R., Ramdas, A., McAuliffe, J. and Sekhon, J. (2021). Time-uniform, nonparametric,
nonasymptotic confidence sequences. Annals of Statistics 49(2), 1055-1080.
Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. H. and Ramdas, A. (2024). Time-uniform central
limit theory and asymptotic confidence sequences. Annals of Statistics 52(6), 2613-2640.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.stats.tails import student_tail

MIN_BLOCKS = 20
TUNED_FOR = 60
STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Mean difference with one-sided bounds; infinite until there are enough blocks."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ComparisonState:
    """Everything a comparison remembers: counts, running mean and sum of squared deviations.

    >>> state = ComparisonState()
    >>> for mean in [0.01, -0.01] * 10:
    ...     state = state.with_block(mean, rows=50)
    >>> state.blocks, state.rows
    (20, 1000)
    """

    blocks: int = 0
    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared deviations of the block means from their mean (Welford)."""

    def with_block(self, mean: float, rows: int) -> ComparisonState:
        """Return the state after one more block; raises ValueError for one without a finite mean."""
        if rows < 1 or not math.isfinite(mean):
            raise ValueError(f"a block needs rows and a finite mean, not {rows} rows with mean {mean}")
        blocks = self.blocks + 1
        step = mean - self.mean
        centre = self.mean + step / blocks
        return ComparisonState(blocks, self.rows + rows, centre, self.squares + step * (mean - centre))

    def bounds(self, alpha: float) -> Bounds:
        """Return the mean with a lower and an upper bound, each one-sided at level ``alpha``."""
        if self.blocks < MIN_BLOCKS:
            return Bounds(self.mean, -math.inf, math.inf)
        width = self._deviation() * float(standard_width(np.float64(self.blocks), alpha))
        return Bounds(self.mean, self.mean - width, self.mean + width)

    def p_value(self) -> float:
        """Return the p-value of Student's test that the mean is above zero, for one look at a fixed time."""
        if self.blocks < MIN_BLOCKS:
            return 1.0
        freedom = self.blocks - 1
        return student_tail(self.mean / self._deviation() * math.sqrt(freedom), freedom)

    def _deviation(self) -> float:
        """The standard deviation of a block (divisor: blocks), never zero."""
        return math.sqrt((self.squares + (self.blocks / self.rows) ** 2) / self.blocks)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that ``from_json`` reads back without losing a bit."""
        return {
            "version": STATE_VERSION,
            "blocks": self.blocks,
            "rows": self.rows,
            "mean": self.mean,
            "squares": self.squares,
        }

    @classmethod
    def from_json(cls, state: Json) -> ComparisonState:
        """Return the state that ``to_json`` wrote; raises ValueError for another version of it."""
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"unknown version of a comparison's state: {state.get('version')}")
        return cls(int(state["blocks"]), int(state["rows"]), float(state["mean"]), float(state["squares"]))


def standard_width(
    blocks: np.float64 | npt.NDArray[np.float64], alpha: float
) -> np.float64 | npt.NDArray[np.float64]:
    """Return the half-width of the bounds, in standard deviations of a block, after ``blocks``.

    Parameters
    ----------
    blocks
        number of blocks, one or an array of them.
    alpha
        level of each bound, between 0 and 1.

    Examples
    --------
    >>> round(float(standard_width(np.float64(60), 0.05)), 3)
    0.359

    References
    ----------
    Howard et al. (2021), one-sided normal mixture; tuning by Waudby-Smith et al. (2024), with
    2 alpha in place of alpha because the bound has one side.
    """
    doubled = -2.0 * math.log(min(2.0 * alpha, 0.5))
    mixture = (doubled + math.log(doubled + 1.0)) / TUNED_FOR
    spread = blocks * mixture + 1.0
    evidence = np.log1p(np.sqrt(spread) / (2.0 * alpha))
    return np.sqrt(2.0 * spread / (blocks**2 * mixture) * evidence)
