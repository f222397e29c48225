"""P-values of counts in places: chi-squared where there is enough in them, exact where there is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.grid import Counts
from ctrain.stats.tails import binomial_tail, chi_squared_tail
from ctrain.stats.two_sample import chi_squared

FEWEST = 5.0
"""Expected values of the smaller sample in a place, below which chi-squared is no good limit."""
Statistic = Callable[[Counts, Counts], float]
"""Of counts in the same places; chi-squared distributed with one degree of freedom less than places."""


def homogeneity_p_value(statistic: Statistic, reference: Counts, current: Counts, rest: bool) -> float:
    """Return the p-value that two samples in places come from one distribution.

    The statistic counts as no larger than Pearson's, which has the same limit and reaches it with fewer
    values: ten expected in a place are enough, where the logarithms of PSI would take 1 in 100 for 1 in
    1,000. Neighbouring places are united until each expects five values of the smaller sample. With
    ``rest`` the last place holds what is rare or new: it is united with none, and tested by itself,
    exactly, where it expects fewer than five.

    References
    ----------
    Cochran (1954). Some methods for strengthening the common chi-squared tests. Biometrics 10(4).
    """
    alone = 1.0
    separate = rest and _expected(reference, current)[-1] < FEWEST
    if separate:
        alone = _exact(reference, current)
        reference, current = reference[:-1], current[:-1]
    if not reference.any() or not current.any():
        return alone
    reference, current = _united(reference, current, keep_last=rest and not separate)
    freedom = len(reference) - 1
    together = 1.0
    if freedom:
        smaller = min(statistic(reference, current), chi_squared(reference, current).statistic)
        together = _chi_squared(smaller, freedom)
    return min(1.0, 2 * min(together, alone)) if separate else together


def _expected(reference: Counts, current: Counts) -> Floats:
    n, m = int(reference.sum()), int(current.sum())
    found: Floats = (reference + current).astype(np.float64) * (min(n, m) / (n + m))
    return found


def _exact(reference: Counts, current: Counts) -> float:
    """Return the probability of as many values of the current sample in the last place, or more."""
    inside, total = int(current[-1]), int(reference[-1] + current[-1])
    if inside == 0:
        return 1.0
    return binomial_tail(inside - 1, total, float(current.sum() / (reference.sum() + current.sum())))


def _united(reference: Counts, current: Counts, *, keep_last: bool) -> tuple[Counts, Counts]:
    """Return the counts with neighbours added up until each place expects enough."""
    expected = _expected(reference, current)
    starts, so_far = [0], 0.0
    end = len(expected) - keep_last
    for place in range(end):
        if so_far >= FEWEST:
            starts.append(place)
            so_far = 0.0
        so_far += expected[place]
    if so_far < FEWEST and len(starts) > 1:
        starts.pop()
    if keep_last and end:
        starts.append(end)
    before: Counts = np.add.reduceat(reference, starts)
    now: Counts = np.add.reduceat(current, starts)
    return before, now


def _chi_squared(statistic: float, freedom: int) -> float:
    return chi_squared_tail(statistic, freedom)
