"""Is there anything to learn that the champion does not know? Judged by quick refits, on rows new to all.

A quick refit has learned from a few of the rows to train on, the champion from many: that it loses to the
champion proves nothing. So equally quick fits on as many of the rows that the champion was trained on stand
beside it, and lose as much by being quick. Where the refits on the new rows are significantly worse, by
more than ``bound``, than the champion *and* than these, the new rows teach less than the old ones did, and
a training on them is not worth its price. Both have to hold, which is an intersection-union test (Berger,
R. L. (1982). Multiparameter hypothesis testing and acceptance sampling. *Technometrics*, 24(4), 295-300):
as long as being quick costs a fit equally much on both, a training that would have stayed within the bound
is called not learnable with probability at most about ``LEVEL``.

Two things could have come out otherwise: which rows judge, and which rows the quick fits saw. Rows that
follow each other are alike, so the means of batches of them are the observations (Schmeiser, B. (1982).
Batch size effects in the analysis of simulation output. *Operations Research*, 30(3), 556-568), which holds
where rows are alike over less than a batch; and there are several fits, of which none shares a row with
another. The two variances are added up, with degrees of freedom by Satterthwaite, F. E. (1946). An
approximate distribution of estimates of variance components. *Biometrics Bulletin*, 2(6), 110-114.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVEL = 0.01
BATCHES = 20
FITS = 4
FEWEST_JUDGED = 200
LEARNABLE, NOT_LEARNABLE, INCONCLUSIVE = "learnable", "not_learnable", "inconclusive"


class Bounds(NamedTuple):
    """A mean, and what it lies above and below, each with confidence ``1 - level``."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class QuickLosses:
    """Losses of the judged rows in event-time order: a line for each quick fit of a training function.

    ``past`` are those of the fits on rows of the champion's training; None: they are not known.
    """

    new: Floats
    past: Floats | None


def assess_learnability(
    quick: Mapping[str, QuickLosses], champion: Floats, bound: float, level: float = LEVEL
) -> dict[str, Any]:
    """Return the ``verdict``, its ``reason`` and its figures.

    Parameters
    ----------
    quick
        by training function. With several, any of which may be the one that trains, all must be worse.
    champion
        losses of the same rows under the champion.
    bound
        by how much a challenger may be worse than the champion, or if negative must be better.
    level
        probability of either error.

    Examples
    --------
    >>> import numpy as np
    >>> champion = np.random.default_rng(0).uniform(size=400)
    >>> better = QuickLosses(np.stack([champion - 0.1] * 4), None)
    >>> assess_learnability({"train": better}, champion, 0.0)["verdict"]
    'learnable'
    """
    told = {name: _compared(one, champion, level) for name, one in quick.items()}
    several = {name: _compared(one, champion, level / (2 * len(quick))) for name, one in quick.items()}
    better = any(bounds.upper < 0 for pair in several.values() for bounds in pair if bounds)
    worse = all(past and past.lower > bound and new.lower > bound for new, past in told.values())
    verdict = LEARNABLE if better else NOT_LEARNABLE if worse else INCONCLUSIVE
    best = min(told, key=lambda name: told[name][0].mean)
    new, past = told[best]
    return {
        "verdict": verdict,
        "reason": _reason(verdict, new, past, bound),
        "function": best,
        "difference": new._asdict(),
        "against_past": past._asdict() if past else None,
        "bound": bound,
        "level": level,
    }


def _compared(quick: QuickLosses, champion: Floats, level: float) -> tuple[Bounds, Bounds | None]:
    """How much worse quick refits are than the champion, and than equally quick fits on its rows."""
    past = None if quick.past is None else mean_bounds(quick.new - quick.past, level)
    return mean_bounds(quick.new - champion, level), past


def _reason(verdict: str, new: Bounds, past: Bounds | None, bound: float) -> str:
    text = f"mean loss of quick refits minus the champion's {_shown(new)}, minus that of equally quick fits "
    text += f"on its own rows {_shown(past)}" if past else "on its own rows not known"
    if verdict == NOT_LEARNABLE:
        return f"{text}; {bound:+.4g} would be allowed"
    return f"{text}: too little to decide" if verdict == INCONCLUSIVE else text


def _shown(bounds: Bounds) -> str:
    return f"{bounds.mean:+.4g} ({bounds.lower:+.4g} to {bounds.upper:+.4g})"


def mean_bounds(values: Floats, level: float) -> Bounds:
    """Return the mean of ``values`` and its bounds, by Student's t over batches of columns and over lines.

    Parameters
    ----------
    values
        a line for each of several fits, with a column for each row; of the oldest rows those that fill no
        batch are left out.
    level
        probability that the true mean lies beyond one of the bounds, for each.

    Examples
    --------
    >>> import numpy as np
    >>> mean_bounds(np.full((4, 200), 0.5), 0.01)
    Bounds(mean=0.5, lower=0.5, upper=0.5)
    """
    size = values.shape[1] // BATCHES
    batches = values[:, values.shape[1] - size * BATCHES :].reshape(len(values), BATCHES, size).mean(axis=2)
    of_rows = float(batches.mean(axis=0).var(ddof=1)) / BATCHES
    of_fits = float(batches.mean(axis=1).var(ddof=1)) / len(values)
    mean, variance = float(batches.mean()), of_rows + of_fits
    if not variance > 0:
        return Bounds(mean, mean, mean)
    freedom = variance**2 / (of_rows**2 / (BATCHES - 1) + of_fits**2 / (len(values) - 1))
    width = t_quantile(1 - level, freedom) * math.sqrt(variance)
    return Bounds(mean, mean - width, mean + width)


def t_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t up to 0.9975, to 1.5 per cent from three degrees of freedom on.

    Examples
    --------
    >>> round(t_quantile(0.99, 19), 3)
    2.539

    References
    ----------
    Abramowitz, M. and Stegun, I. A. (1964). *Handbook of mathematical functions*, 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
