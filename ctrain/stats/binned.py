"""Distances on a few bins: PSI, Jensen-Shannon and Hellinger, with p-values that know the sample sizes.

Bins of a numeric column are tenths of the reference; a value that holds a tenth by itself has a bin of
its own, and what lies between such values shares one bin. Categories are bins as they are, rare ones
pooled. Equal distributions give each of the three, scaled by the sizes of the samples, a chi-squared
distribution, so that a fixed threshold need not be right for every size.

References
----------
Yurdakul, Naranjo (2020). Statistical properties of the population stability index. Journal of Risk Model
Validation 14(4). Lin (1991). Divergence measures based on the Shannon entropy. IEEE Transactions on
Information Theory 37(1). Hellinger (1909). Neue Begründung der Theorie quadratischer Formen von unendlich
vielen Veränderlichen. Journal für die reine und angewandte Mathematik 136.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ctrain.stats.columns import Floats
from ctrain.stats.distance import pooled_shares, shares
from ctrain.stats.grid import Counts

BINS = 10
SLIVER = 0.05
"""Stretches between atoms with less of the reference share the last bin."""


def quantile_places(reference: Counts) -> Counts:
    """Return the bin of each cell of a numeric grid, for counts of a reference that has values.

    >>> quantile_places(np.array([0, 0, 50, 0, 20, 0, 20, 0, 5, 0, 5, 0, 0])).tolist()
    [4, 4, 0, 4, 1, 4, 2, 3, 3, 3, 3, 3, 3]
    """
    share = reference / reference.sum()
    atoms = np.zeros(len(share), dtype=bool)
    atoms[0::2] = share[0::2] >= 1 / BINS
    places = np.full(len(share), -1, dtype=np.int64)
    bins = 0
    run = np.cumsum(atoms)
    for number in range(int(run[-1]) + 1):
        atom = np.flatnonzero(atoms & (run == number))
        if number:
            places[atom] = bins
            bins += 1
        cells = np.flatnonzero((run == number) & ~atoms)
        mass = share[cells].sum()
        if mass >= SLIVER:
            parts = max(1, round(BINS * mass))
            middle = (np.cumsum(share[cells]) - share[cells] / 2) / mass
            places[cells] = bins + np.minimum(parts * middle, parts - 1).astype(np.int64)
            bins += parts
    places[places < 0] = bins
    return places


@dataclass(frozen=True, slots=True)
class _Binned:
    """Distances of shares on places; without places the cells are categories, the rare ones pooled."""

    places: Counts | None
    largest: float = 1.0

    def _shares(self, reference: Counts, current: Counts) -> tuple[Floats, Floats]:
        if self.places is None:
            return pooled_shares(reference, current)
        return shares(reference), shares(current)


@dataclass(frozen=True, slots=True)
class PopulationStability(_Binned):
    """PSI, the sum of both Kullback-Leibler divergences in nats; half a value stands in for none."""

    largest: float = math.inf

    def between(self, reference: Counts, current: Counts) -> Floats:
        before, now = self._shares(reference, current)
        halves = [0.5 / one.sum(axis=-1, keepdims=True) for one in (reference, current)]
        return population_stability(before, now, halves[0], halves[1])


@dataclass(frozen=True, slots=True)
class JensenShannon(_Binned):
    """Jensen-Shannon distance: the square root of the divergence to base 2."""

    def between(self, reference: Counts, current: Counts) -> Floats:
        found: Floats = np.sqrt(jensen_shannon(*self._shares(reference, current)))
        return found


@dataclass(frozen=True, slots=True)
class Hellinger(_Binned):
    """Hellinger distance: the square root of 1 less the Bhattacharyya coefficient."""

    def between(self, reference: Counts, current: Counts) -> Floats:
        found: Floats = np.sqrt(hellinger_squared(*self._shares(reference, current)))
        return found


def population_stability(p: Floats, q: Floats, half_p: Floats | float, half_q: Floats | float) -> Floats:
    """Return the PSI of each row of shares; the halves stand in for a share of 0 beside another that is not.

    >>> round(float(population_stability(np.array([0.85, 0.05, 0.05, 0.05]), np.full(4, 0.25), 0, 0)), 7)
    1.699928
    """
    empty = (p == 0) & (q == 0)
    p = np.where(empty, 1.0, np.where(p == 0, half_p, p))
    q = np.where(empty, 1.0, np.where(q == 0, half_q, q))
    found: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return found


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Return the Jensen-Shannon divergence to base 2 of each row of shares, from 0 to 1.

    >>> round(float(jensen_shannon(np.array([0.5, 0.5, 0, 0]), np.array([0, 0.25, 0.25, 0.5]))), 8)
    0.65563906
    """
    middle = np.where(p + q > 0, (p + q) / 2, 1.0)
    terms = sum(one * np.log2(np.where(one > 0, one, middle) / middle) for one in (p, q))
    found: Floats = np.clip(np.sum(terms, axis=-1) / 2, 0, 1)
    return found


def hellinger_squared(p: Floats, q: Floats) -> Floats:
    """Return the squared Hellinger distance of each row of shares, from 0 to 1.

    >>> float(hellinger_squared(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])))
    0.5
    """
    found: Floats = np.clip(1 - np.sqrt(p * q).sum(axis=-1), 0, 1)
    return found
