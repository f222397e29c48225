"""Distances of distributions counted on a grid, for many pairs at once.

Every distance folds the cells of the grid into the places that it compares (quantile bins, or the cells
themselves) and measures rows of counts on them. What it depends on is fixed by the reference, so that
the windows inside a reference are measured on the same scale as those after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ctrain.stats.columns import Floats
from ctrain.stats.grid import Counts

RARE = 5.0
"""A category of which the smaller sample expects fewer is pooled with its neighbours."""
_ABSENT = 1e-3
"""A category that the reference lacks with a smaller probability is expected to be there."""


class Distance(Protocol):
    """Measures counts of the current sample against those of the reference."""

    @property
    def largest(self) -> float:
        """The distance of samples that have nothing in common."""

    @property
    def places(self) -> Counts | None:
        """The place of each cell of the grid; None: the cells themselves."""

    def between(self, reference: Counts, current: Counts) -> Floats:
        """Return the distance of each row of ``reference`` from that of ``current``; none is empty."""


def shares(counts: Counts) -> Floats:
    """Return each row of counts as shares of its sum."""
    found: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return found


def differences(reference: Counts, current: Counts) -> Floats:
    """Return the difference of the cumulative shares after every place, row by row."""
    found: Floats = np.cumsum(reference, axis=-1) / reference.sum(axis=-1, keepdims=True)
    found -= np.cumsum(current, axis=-1) / current.sum(axis=-1, keepdims=True)
    return found


def pooled_shares(reference: Counts, current: Counts) -> tuple[Floats, Floats]:
    """Return the shares of both in the places of ``pooled_places``, row by row.

    >>> pooled_shares(np.array([[90, 5, 5, 0]]), np.array([[8, 0, 1, 1]]))[1].tolist()
    [[0.8, 0.0, 0.0, 0.0, 0.2]]
    """
    places, width = pooled_places(reference, current)
    return _added(shares(reference), places, width), _added(shares(current), places, width)


def pooled_places(reference: Counts, current: Counts) -> tuple[Counts, int]:
    """Return the place of each category, row by row, and how many places there are.

    Last among the categories is the rest: what the grid does not name. A category has the place of its
    number if, by both samples together, the smaller one expects ``RARE`` values of it. Rarer ones are
    pooled with their neighbours among themselves, so that each pool expects that many. The last place
    holds the rest, the last pool, and categories so rare that others like them may be in the rest by
    chance: of a distribution that has not changed some values are new, and as many are gone.

    Where a category belongs depends on the samples by their sum alone, which leaves Pearson's statistic
    its distribution: to choose by the reference would choose those that it has too many of.

    Examples
    --------
    >>> before = np.array([40, 20, 40, 20, 40, 40, 800, 0])
    >>> pooled_places(before, np.array([4, 2, 4, 2, 4, 4, 80, 0]))
    (array([8, 8, 8, 9, 9, 9, 6, 9]), 10)

    References
    ----------
    Cochran (1954). Some methods for strengthening the common chi-squared tests. Biometrics 10(4).
    """
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    both = reference + current
    known = _known(reference, both, n, m)
    expected = both * (np.minimum(n, m) / (n + m))
    common = known & (expected >= RARE)
    rare = np.where(known & ~common, expected, 0.0)
    so_far = np.cumsum(rare, axis=-1)
    total = so_far[..., -1:]
    # a stretch of twice as many keeps enough where half a category at either end belongs to its neighbour
    last = np.maximum(total // (2 * RARE) - 1, 0).astype(np.int64)
    pools = ((last + 1) * (so_far - rare / 2) / np.where(total > 0, total, 1.0)).astype(np.int64)
    most, own = int(last.max()), both.shape[-1]
    pooled = np.where((rare > 0) & (pools < last), own + pools, own + most)
    return np.where(common, np.arange(own), pooled), own + most + 1


def _known(reference: Counts, both: Counts, n: Counts, m: Counts) -> NDArray[np.bool_]:
    """Return which categories the grid would name whatever chance did, but for ``_ABSENT`` of the cases.

    The reference names what it has; where that is more than a grid holds, what it has more often than
    some border, which is its rarest named category at most. Chernoff's bound of the probability that
    the reference has no more than that of what both samples have together.
    """
    found: NDArray[np.bool_] = both * (np.log(1 + n / m)) >= -np.log(_ABSENT)
    full = (reference[..., -1:] > 0) & (both > 0)
    if full.any():
        border = reference[..., :-1].min(axis=-1, keepdims=True, initial=n.max())
        share = np.minimum(border / np.maximum(both, 1), 1.0)
        inside = np.where(share > 0, share, 1.0), np.where(share < 1, 1 - share, 1.0)
        bound = share * np.log(inside[0] * (n + m) / n) + (1 - share) * np.log(inside[1] * (n + m) / m)
        above = both * n > border * (n + m)
        found &= ~full | (above & (both * bound >= -np.log(_ABSENT)))
    found[..., -1] = False
    return found


def _added(found: Floats, places: Counts, width: int) -> Floats:
    """Return each row of shares added up by place."""
    rows = found.reshape(-1, found.shape[-1])
    firsts = np.arange(len(rows))[:, None] * width
    sums = np.bincount((firsts + places).ravel(), rows.ravel(), len(rows) * width)
    return sums.astype(np.float64, copy=False).reshape(*found.shape[:-1], width)


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """The largest difference of probability on a half-line."""

    largest: float = 1.0
    places: None = None

    def between(self, reference: Counts, current: Counts) -> Floats:
        found: Floats = np.abs(differences(reference, current)).max(axis=-1)
        return found


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """The largest difference of probability on a set of categories."""

    largest: float = 1.0
    places: None = None

    def between(self, reference: Counts, current: Counts) -> Floats:
        before, now = pooled_shares(reference, current)
        found: Floats = np.abs(before - now).sum(axis=-1) / 2
        return found
