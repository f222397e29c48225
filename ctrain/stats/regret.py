"""Regret: what a model's rows have cost beyond what a fresh model's would, as far as that is certain.

When to pay for a training is a problem of renting or buying: the excess loss of an ageing model is the
rent, a training is the purchase that ends it for a while. Whoever buys once the rent since the last
purchase has reached the price pays at most twice what the best schedule in hindsight pays, whatever the
rent does, as long as a fresher model is never the worse one (so with constant rents and with rents that
rise with age). For in every stretch between two purchases rent and price are the same, and any other
schedule either buys in that stretch or pays no less rent. No deterministic rule does better.

What does not follow from this: rows come in panes, so a purchase comes up to one pane's rent late, and
rent goes on while labels mature, the training runs and the challenger is compared. With rent ``d`` in
that time and price ``c`` the factor is ``2 + d / c``. Where the past returns (seasons) an old model can
be better than a fresh one, and no factor holds.

With noise, only that part of the excess counts which lies beyond ``t`` standard errors. Then, as long as
the fresh loss lies within its error:

- a purchase before the true rent since the last one has reached the price is a matter of chance at many
  looks. In simulations of a model that never ages, such purchases cost about 0.1 % of its loss;
- an excess that cannot be told from none is paid for without end: besides twice the best schedule's cost
  up to ``2 * t * error`` a row.

What makes rows harder for every model looks like age. It is bought against once for each price that it
costs, no more: the rent begins anew with each purchase, whether the fresh model was better or not.

References
----------
Karlin, A. R., Manasse, M. S., Rudolph, L. and Sleator, D. D. (1988). Competitive snoopy caching.
Algorithmica 3, 79-119.
Dooly, D. R., Goldman, S. A. and Scott, S. D. (2001). On-line analysis of the TCP acknowledgment delay
problem. Journal of the ACM 48(2), 243-273 (the same bound for purchases that are made again and again).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.stats.blocks import block_length

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.99
"""One-sided, of the fresh loss and of the difference from it."""
MIN_BLOCKS = 8
"""Blocks of time that a standard error needs."""
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class FreshLoss:
    """The mean loss of a model on rows that it had not seen, when it was fresh."""

    mean: float
    error: float
    """Standard error of the mean, over blocks of time."""
    rows: int
    blocks: int
    t: float
    """How many standard errors are taken for possible."""

    @property
    def highest(self) -> float:
        """The highest mean that is taken for possible."""
        return self.mean + self.t * self.error

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Json) -> FreshLoss:
        return cls(**stored)


def fresh_loss(
    starts: npt.ArrayLike, rows: npt.ArrayLike, losses: npt.ArrayLike, pane: timedelta
) -> FreshLoss | None:
    """Return the mean loss of a row with its standard error over time blocks.

    Parameters
    ----------
    starts
        where panes begin, in seconds, ascending; only panes with rows.
    rows, losses
        how many rows each pane has, and the sum of their losses.
    pane
        length of a pane.

    Returns
    -------
    FreshLoss or None
        None with fewer than ``MIN_BLOCKS`` panes, and where all panes have the same mean, from which no
        error can be told. The blocks are as long as the correlation between panes asks for, but not
        longer than leaves ``MIN_BLOCKS`` of them; the fewer they are, the larger is ``t`` (Student's
        distribution).

    Examples
    --------
    >>> found = fresh_loss(np.arange(100) * 3600, [10] * 100, [1.0, 3.0] * 50, timedelta(hours=1))
    >>> round(found.mean, 3), round(found.error, 3), found.blocks
    (0.2, 0.01, 100)

    References
    ----------
    Cochran, W. G. (1977). Sampling Techniques, 3rd edition. Wiley, section 6.3 (ratio of two sums).
    ``ctrain.stats.blocks`` for the length of the blocks.
    """
    from scipy.special import stdtrit

    at, counts, sums = (np.asarray(one, dtype=np.float64) for one in (starts, rows, losses))
    if at.size < MIN_BLOCKS:
        return None
    length = block_length(at, sums / counts, pane, pane * (at.size // MIN_BLOCKS))
    numbers = np.floor(at / length.total_seconds())
    _, block = np.unique(numbers, return_inverse=True)
    block_rows, block_sums = np.bincount(block, counts), np.bincount(block, sums)
    total = float(counts.sum())
    mean = float(sums.sum() / total)
    blocks = int(block_rows.size)
    squares = float(((block_sums - mean * block_rows) ** 2).sum())
    error = math.sqrt(squares * blocks / (blocks - 1)) / total
    if error <= EPSILON * abs(mean) * blocks:
        return None
    return FreshLoss(mean, error, int(total), blocks, float(stdtrit(blocks - 1, CONFIDENCE)))


@dataclass(frozen=True, slots=True)
class Regret:
    """The excess loss of rows since a model began to cost more than a fresh one.

    ``above`` is a walk that each row raises by its loss and lowers by the highest fresh loss that is
    taken for possible. Where it comes back to zero everything begins anew: a good time, or good luck,
    is no credit for a bad one, and the uncertainty of rows before the decay does not count against it.
    """

    rows: int = 0
    excess: float = 0.0
    """Sum of the losses beyond the fresh mean."""
    above: float = 0.0
    since: str = ""
    """Where the first of the rows were, as the caller names it."""

    def after(self, fresh: FreshLoss, rows: int, losses: float, at: str) -> Regret:
        """Return the regret after ``rows`` more, whose losses sum to ``losses``.

        >>> fresh = FreshLoss(mean=0.1, error=0.01, rows=1000, blocks=20, t=2.5)
        >>> regret = Regret().after(fresh, 100, 9.0, "monday")
        >>> regret.rows
        0
        >>> regret = regret.after(fresh, 100, 30.0, "tuesday")
        >>> regret.rows, regret.since, round(regret.excess, 2), round(regret.certain(fresh), 2)
        (100, 'tuesday', 20.0, 11.71)
        """
        if not rows:
            return self
        above = self.above + losses - rows * fresh.highest
        if above <= 0:
            return Regret()
        excess = self.excess + losses - rows * fresh.mean
        return Regret(self.rows + rows, excess, above, self.since or at)

    def certain(self, fresh: FreshLoss) -> float:
        """Return what of the excess lies beyond its error: that of the fresh mean and that of the rows.

        The rows are taken to vary as those of the fresh loss do.
        """
        error = fresh.error * math.sqrt(self.rows * (self.rows + fresh.rows))
        return max(self.excess - fresh.t * error, 0.0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Json) -> Regret:
        return cls(**stored)
