"""The Wasserstein distance: how far values have moved on average, in standard deviations.

It is the area between two distribution functions. Values far outside the reference, and outliers
inside it, count as at a fence: as far beyond the central 99.8 % of the reference as that is wide. So no
single value decides, neither by its own distance nor by what it adds to the standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats
from ctrain.stats.distance import differences
from ctrain.stats.grid import Counts, NumericGrid
from ctrain.stats.tails import gamma_tail

_TAIL = 0.001
_TAIL_POWER = 0.9
"""The area under the absolute value of a Brownian bridge is beyond quantiles of the gamma distribution of
equal mean and variance with about this power of the probability (simulated down to 1e-4)."""
_GROUPS = 128
"""Stretches of the line between which the variance of the distance is summed up."""


class _Ends(NamedTuple):
    """Where values before the first and after the last grid value are taken to be."""

    low: float
    high: float


@dataclass(frozen=True)
class Wasserstein:
    """Area between the distribution functions, divided by the reference's standard deviation.

    A reference without one (a single value, or hardly another) has the share of values elsewhere.
    """

    points: Floats
    """Grid values, those beyond a fence at the fence."""
    fence: _Ends
    scale: float
    places: None = None
    largest: float = math.inf

    @classmethod
    def of(cls, grid: NumericGrid, reference: ColumnProfile) -> Wasserstein:
        """Return the distance that a reference with values measures."""
        values, counts = grid.points, reference.distribution(grid)
        if not len(values) or not counts[1:-1].any():
            return cls(values, _Ends(0.0, 0.0), 0.0)
        fence = _fence(values, counts)
        points = np.clip(values, fence.low, fence.high)
        inside = np.array_equal(points, values) and not reference.infinities
        scale = math.sqrt(reference.variance) if inside and reference.finite > 1 else _spread(points, counts)
        return cls(points, fence, scale if np.isfinite(scale) else 0.0)

    @cached_property
    def widths(self) -> Floats:
        return np.diff(self.points)

    def between(self, reference: Counts, current: Counts) -> Floats:
        """Return the distance of each row, values before and after the grid being at the fences."""
        difference = differences(reference, current)
        if not self.scale:
            return _share_elsewhere(difference)
        found: Floats = self.areas(difference, self.fence).sum(axis=-1) / self.scale
        return found

    def ends(self, current: ColumnProfile, counts: Counts) -> _Ends:
        """Return the mean of the values before and after the grid, within the fences."""
        low = current.below / counts[1] if counts[1] else self.points[0]
        high = current.above / counts[-2] if counts[-2] else self.points[-1]
        return _Ends(
            float(np.clip(low, self.fence.low, self.points[0])),
            float(np.clip(high, self.points[-1], self.fence.high)),
        )

    def areas(self, difference: Floats, ends: _Ends) -> Floats:
        """Return the areas of lower fence to low end, to the grid, its gaps, to high end, to upper fence."""
        start, end = difference[..., 2:-3:2], difference[..., 3:-2:2]
        gaps = self.widths * _mean_of_line(start, end)
        outer = np.abs(difference[..., [0, 1, -3, -2]]) * np.array(
            [
                ends.low - self.fence.low,
                self.points[0] - ends.low,
                ends.high - self.points[-1],
                self.fence.high - ends.high,
            ]
        )
        return np.concatenate([outer[..., :2], gaps, outer[..., 2:]], axis=-1)


def wasserstein(
    distance: Wasserstein, grid: NumericGrid, reference: ColumnProfile, current: ColumnProfile
) -> tuple[float, float, float]:
    """Return the distance, its p-value and its error bound.

    The p-value is that of a gamma distribution with the mean and the variance which the area under the
    absolute value of the limiting Brownian bridge has. The bridge's variance is the larger of those by
    either sample: few values of one sample in a tail of the other prove little.

    References
    ----------
    del Barrio, Gine, Matran (1999). Central limit theorems for the Wasserstein distance between the
    empirical and the true distributions. Annals of Probability 27(2).
    """
    before, now = reference.distribution(grid), current.distribution(grid)
    n, m = int(before.sum()), int(now.sum())
    difference = differences(before, now)
    if not distance.scale:
        share = float(_share_elsewhere(difference))
        return share, _share_p_value(share, n, m), 0.0
    ends = distance.ends(current, now)
    areas = distance.areas(difference, ends)
    first, second = np.cumsum(before) / n, np.cumsum(now) / m
    weights, noise, level = _noise(distance, ends, first, second, m)
    area = float(areas.sum())
    p_value = _gamma_p_value(math.sqrt(n / (n + m) * m) * area, weights * noise, level)
    inside = (before[3:-2:2] / n + now[3:-2:2] / m) / 2
    return area / distance.scale, p_value, float((inside * distance.widths).sum()) / distance.scale


def _fence(values: Floats, counts: Counts) -> _Ends:
    """Return the fences: the central 99.8 % and as much again to either side."""
    finite = counts[1:-1].cumsum()
    low, high = np.searchsorted(finite, [_TAIL * finite[-1], (1 - _TAIL) * finite[-1]], side="left")
    # cell 2i + 1 of these is grid value i, cell 2i the gap before it
    first, last = values[min(low // 2, len(values) - 1)], values[min(high // 2, len(values) - 1)]
    if first == last:
        first, last = values[0], values[-1]
    with np.errstate(over="ignore"):
        width = last - first
        return _Ends(float(first - width), float(last + width))


def _spread(points: Floats, counts: Counts) -> float:
    """Return the standard deviation by the counts, values between points being in the middle."""
    places = np.empty(len(counts))
    places[[0, 1]], places[[-2, -1]] = points[0], points[-1]
    places[2:-2:2] = points
    places[3:-3:2] = (points[1:] + points[:-1]) / 2
    share = counts / counts.sum()
    mean = share @ places
    return float(math.sqrt(share @ (places - mean) ** 2))


def _mean_of_line(start: Floats, end: Floats) -> Floats:
    """Return the mean absolute value along lines from ``start`` to ``end``."""
    size = np.abs(start) + np.abs(end)
    crossing = start * end < 0
    found: Floats = size / 2
    if crossing.any():
        found = np.where(crossing, (start**2 + end**2) / (2 * np.where(size > 0, size, 1)), found)
    return found


def _share_elsewhere(difference: Floats) -> Floats:
    steps = np.diff(difference, axis=-1, prepend=0.0)
    found: Floats = np.abs(steps).sum(axis=-1) / 2
    return found


def _share_p_value(share: float, n: int, m: int) -> float:
    """Return the probability that a share of the current sample is new if the samples are alike."""
    return (m / (n + m)) ** round(share * m)


def _noise(
    distance: Wasserstein, ends: _Ends, first: Floats, second: Floats, m: int
) -> tuple[Floats, Floats, Floats]:
    """Return width, standard deviation and level of the limiting bridge on each stretch of the line."""
    gaps = slice(2, -3, 2)
    cells = [0, 1], [-3, -2]
    f, g = (np.concatenate([one[cells[0]], one[gaps], one[cells[1]]]) for one in (first, second))
    weights = np.concatenate(
        [
            [ends.low - distance.fence.low, distance.points[0] - ends.low],
            distance.widths,
            [ends.high - distance.points[-1], distance.fence.high - ends.high],
        ]
    )
    variance = np.maximum(f * (1 - f), g * (1 - g))
    apart = np.abs(f - g) == 1
    variance[apart] = (m + 1) / (m + 2) ** 2
    return weights, np.sqrt(variance), (f + g) / 2


def _gamma_p_value(statistic: float, parts: Floats, level: Floats) -> float:
    """Return the p-value of an area whose stretches have these standard deviations of their areas."""
    if statistic <= 0:
        return 1.0
    mean = math.sqrt(2 / math.pi) * float(parts.sum())
    if mean <= 0:
        return 0.0
    variance = _variance(parts, level)
    return float(gamma_tail(mean**2 / variance, statistic * mean / variance) ** _TAIL_POWER)


def _variance(parts: Floats, level: Floats) -> float:
    """Return the variance of the summed absolute values of a bridge, on groups of stretches."""
    so_far = np.cumsum(parts)
    group = np.minimum(_GROUPS * (so_far - parts / 2) / so_far[-1], _GROUPS - 1).astype(np.int64)
    _, group = np.unique(group, return_inverse=True)
    size = np.bincount(group, parts)
    middle = np.bincount(group, parts * level) / np.where(size > 0, size, 1)
    odds = np.clip(middle, 1e-12, 1 - 1e-12)
    odds = np.sqrt(odds / (1 - odds))
    correlation = np.minimum(odds[:, None], odds) / np.maximum(odds[:, None], odds)
    joint = correlation * np.arcsin(correlation) + np.sqrt(1 - correlation**2) - 1
    return 2 / math.pi * float(size @ joint @ size)
