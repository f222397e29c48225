"""Distances of distributions counted on a grid, for many pairs at once.

Every distance folds the cells of the grid into the places that it compares (quantile bins, or the cells
themselves) and measures rows of counts on them. What it depends on is fixed by the reference, so that
the windows inside a reference are measured on the same scale as those after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.grid import Counts

RARE = 5.0
"""A category of which fewer are expected in the current sample is pooled with others like it."""


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
    """Return the shares of both, rare categories together in a place of their own at the end.

    Which are rare depends on the reference and on how large the current sample is, as in ``pool_rare``.

    >>> pooled_shares(np.array([[90, 5, 5]]), np.array([[8, 0, 2]]))[1].tolist()
    [[0.8, 0.0, 0.0, 0.2]]
    """
    before, now = shares(reference), shares(current)
    rare = before * current.sum(axis=-1, keepdims=True) < RARE
    return _pooled(before, rare), _pooled(now, rare)


def _pooled(found: Floats, rare: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    rest = np.where(rare, found, 0.0).sum(axis=-1, keepdims=True)
    return np.concatenate([np.where(rare, 0.0, found), rest], axis=-1)


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
