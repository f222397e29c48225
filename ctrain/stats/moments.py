"""Mean and sum of squared deviations: of a block in one cheap pass, and merged without loss.

References
----------
Chan, Golub, LeVeque (1983). Algorithms for computing the sample variance. The American
Statistician 37(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ctrain.stats.columns import Floats

_ROW = 4096
"""Terms that are added at a time: short enough for BLAS to stay on one thread, and for accuracy."""
_ONES = np.ones(_ROW)
_CANCELLED = 1e-4
"""Share of the raw squares below which the squared deviations have lost too many digits."""


class Moments(NamedTuple):
    """Of finite values: how many, their mean, and the sum of their squared deviations from it."""

    n: int
    mean: float
    squares: float


def shifted_moments(shifted: Floats, origin: float, n: int) -> Moments | None:
    """Return the moments of ``shifted + origin``, None where that would lose digits.

    ``n`` may be less than the number of values when the others are zeros in place of missing ones.

    >>> shifted_moments(np.array([-1.0, 0.0, 1.0]), 10.0, 3)
    Moments(n=3, mean=10.0, squares=2.0)
    """
    total, raw = _sums(shifted)
    squares = raw - total * total / n
    if not _CANCELLED * raw <= squares < np.inf:
        return None
    return Moments(n, origin + total / n, squares)


def two_pass_moments(values: Floats) -> Moments:
    """Return the moments of finite values around their own mean, with a correction of that mean.

    >>> two_pass_moments(np.array([1e9, 1e9 + 1, 1e9 + 2]))
    Moments(n=3, mean=1000000001.0, squares=2.0)
    """
    n = len(values)
    if not n:
        return Moments(0, 0.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(values))
        if not np.isfinite(mean):
            scale = float(np.abs(values).max())
            mean = float(np.mean(values / scale)) * scale
        total, raw = _sums(values - mean)
        squares = raw - total * total / n
        return Moments(n, mean + total / n if np.isfinite(total) else mean, squares)


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """Return the moments of all values; the same bits in whatever order the parts are.

    >>> merge_moments([Moments(1, 0.0, 0.0), Moments(2, 3.0, 0.5)])
    Moments(n=3, mean=2.0, squares=6.5)
    """
    n = sum(part.n for part in parts)
    if not n:
        return Moments(0, 0.0, 0.0)
    mean = sorted_sum([part.n / n * part.mean for part in parts])
    apart = [part.mean - mean for part in parts]
    around = [part.squares + part.n * (one * one) for part, one in zip(parts, apart, strict=True)]
    return Moments(n, mean, sorted_sum(around))


def sorted_sum(terms: Sequence[float]) -> float:
    """Return the sum of the terms, from the least to the greatest.

    Of two terms the order does not matter, and two is what a merge of panes nearly always has.
    """
    if len(terms) == 2:
        return float(terms[0]) + float(terms[1])
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sort(np.array(terms, dtype=np.float64)).sum())


def _sums(values: Floats) -> tuple[float, float]:
    """Return the sum of the values and of their squares."""
    whole = len(values) // _ROW * _ROW
    rows, rest = values[:whole].reshape(-1, _ROW), values[whole:]
    with np.errstate(over="ignore", invalid="ignore"):
        total, raw = np.vecdot(rows, _ONES).sum(), np.vecdot(rows, rows).sum()
        if len(rest):
            total, raw = total + rest.sum(), raw + np.vecdot(rest, rest)
        return float(total), float(raw)
