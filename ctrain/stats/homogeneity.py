"""P-values of counts in places: chi-squared where there is enough in them, exact where there is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.grid import Counts
from ctrain.stats.tails import binomial_tail, chi_squared_tail, gamma_tail
from ctrain.stats.two_sample import chi_squared

FEWEST = 5.0
"""Expected values of the smaller sample in a place, below which chi-squared is no good limit."""
FEWEST_ROWS = 3
"""With no more of both samples together the variance of Pearson's statistic has no formula."""
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


def conditional_p_value(reference: Counts, current: Counts) -> float:
    """Return the p-value of Pearson's statistic among all samples of these sizes with these values.

    By a gamma distribution with the exact mean and variance that the statistic then has. It holds also
    where most categories are rare, which chi-squared does not: of 3,000 categories, 500 rows against 20,000
    of the same distribution are below 0.01 in a tenth of all cases by that. Every value must have a
    category of its own: a rest of those that one sample lacks is none.

    >>> round(conditional_p_value(np.array([9000, 6000, 5000, 0]), np.array([200, 150, 149, 1])), 4)
    0.0026

    References
    ----------
    Dawson (1954). A simplified expression for the variance of the chi2 function on a contingency table.
    Biometrika 41(1/2).
    """
    both = (reference + current)[(reference + current) > 0].astype(np.float64)
    statistic, p_value = chi_squared(reference, current)
    n, m, places = int(reference.sum()), int(current.sum()), len(both)
    total = n + m
    if total <= FEWEST_ROWS:
        return p_value
    mean = total * (places - 1) / (total - 1)
    rows = (total - 2) / (total - 1), (total * (1 / n + 1 / m) - 4) / (total - 2)
    columns = (
        (total - places) * (places - 1) / (total - 1),
        (total * float((1 / both).sum()) - places**2) / (total - 2),
    )
    variance = 2 * total / (total - 3) * (rows[0] - rows[1]) * (columns[0] - columns[1])
    variance += total**2 / (total - 1) * rows[1] * columns[1]
    if not variance > 0:
        return 1.0
    return gamma_tail(mean**2 / variance, statistic * mean / variance)


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
