"""Rates against a bound: is a share of rows really above what is allowed?"""

from __future__ import annotations

from ctrain.stats.tails import binomial_tail


def rate_above(count: int, n: int, bound: float) -> float:
    """Return the one-sided p-value of the hypothesis that the rate is at most ``bound``.

    It is the probability of ``count`` or more among ``n`` independent rows whose rate is ``bound``:
    the exact binomial test.

    Parameters
    ----------
    count, n
        rows that are concerned, of how many; none at all says nothing, and gives 1.
    bound
        the highest rate allowed, from 0 to 1.

    Examples
    --------
    >>> round(rate_above(12, 15, 0.4), 6)
    0.001928
    >>> rate_above(0, 15, 0.4), rate_above(1, 15, 0.0)
    (1.0, 0.0)

    References
    ----------
    Clopper, Pearson (1934). The use of confidence or fiducial limits illustrated in the case of the
    binomial. Biometrika 26(4).
    """
    return binomial_tail(count - 1, n, bound)
