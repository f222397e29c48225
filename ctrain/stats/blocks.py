"""How long a block of rows must be so that the means of blocks are nearly independent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LENGTHS_PER_BLOCK = 5
MIN_PANES = 20
"""With fewer panes that hold rows the correlation cannot be estimated."""
MIN_PAIRS = 8
"""A lag with fewer pairs of panes ends the sum."""
MAX_PANES = 2**20


@dataclass(frozen=True, slots=True)
class BlockLength:
    """How long blocks are, and how long they should be."""

    used: timedelta
    wanted: timedelta | None = None
    """A whole number of panes, at least five correlation lengths; None where too little is known."""

    @property
    def short(self) -> bool:
        """Whether blocks are shorter than wanted, so that their means depend on each other."""
        return self.wanted is not None and self.used < self.wanted


def block_length(
    event_at: npt.NDArray[np.generic], differences: npt.ArrayLike, pane: timedelta, longest: timedelta
) -> timedelta:
    """Return a whole number of panes, at least five correlation lengths where these fit into ``longest``.

    Parameters
    ----------
    event_at
        instants of the rows, ``datetime64`` or seconds; any order.
    differences
        loss of one model minus loss of the other on each row; rows with NaN are left out.
    pane
        the shortest block, and the unit of every other.
    longest
        the longest block; a pane is returned when even that is longer.

    Returns
    -------
    timedelta
        ``pane`` when the pane means do not correlate or do not vary; the most panes that fit into
        ``longest`` when fewer than 20 panes hold rows, because too little is known then.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=2000)
    >>> hours = np.arange(2000) * 3600
    >>> block_length(hours, noise, timedelta(hours=1), timedelta(days=2))
    datetime.timedelta(seconds=3600)
    >>> slow = np.convolve(noise, np.ones(4), mode="same")
    >>> block_length(hours, slow, timedelta(hours=1), timedelta(days=2)) / timedelta(
    ...     hours=1
    ... )  # theory: 20 * 2.5 / 4
    13.0

    References
    ----------
    See ``correlation_length``.
    """
    return choose_block(event_at, differences, pane, longest).used


def choose_block(
    event_at: npt.NDArray[np.generic], differences: npt.ArrayLike, pane: timedelta, longest: timedelta
) -> BlockLength:
    """Return the length of ``block_length``, and beside it the one that was wanted, however long.

    Parameters
    ----------
    event_at, differences, pane, longest
        as of ``block_length``.

    Examples
    --------
    >>> slow = np.convolve(np.random.default_rng(0).normal(size=2000), np.ones(4), mode="same")
    >>> found = choose_block(np.arange(2000) * 3600, slow, timedelta(hours=1), timedelta(hours=3))
    >>> found.used / timedelta(hours=1), found.wanted / timedelta(hours=1), found.short
    (3.0, 13.0, True)

    References
    ----------
    See ``correlation_length``.
    """
    most = max(1, longest // pane)
    means = pane_means(event_at, np.asarray(differences, dtype=np.float64), pane)
    if int(np.isfinite(means).sum()) < MIN_PANES:
        return BlockLength(most * pane)
    wanted = max(1, math.ceil(LENGTHS_PER_BLOCK * correlation_length(means)))
    return BlockLength(min(wanted, most) * pane, wanted * pane)


def pane_means(event_at: npt.NDArray[np.generic], values: Floats, pane: timedelta) -> Floats:
    """Return the mean of every consecutive pane from the first row to the last; NaN without a row.

    Of more than ``MAX_PANES`` panes the most recent are returned.

    >>> pane_means(np.array([0, 30, 200]), np.array([1.0, 2.0, 5.0]), timedelta(minutes=1))
    array([1.5, nan, nan, 5. ])
    """
    usable = np.isfinite(values)
    if not usable.any():
        return np.empty(0)
    index = np.floor(_seconds(event_at)[usable] / pane.total_seconds()).astype(np.int64)
    kept = index > index.max() - MAX_PANES
    index, values = index[kept] - index[kept].min(), values[usable][kept]
    rows = np.bincount(index).astype(np.float64)
    sums = np.bincount(index, weights=values)
    means: Floats = np.divide(sums, rows, out=np.full(rows.size, np.nan), where=rows > 0)
    return means


def _seconds(event_at: npt.NDArray[np.generic]) -> Floats:
    if event_at.dtype.kind == "M":
        microseconds = event_at.astype("datetime64[us]").astype(np.int64)
        return microseconds / 1e6
    return event_at.astype(np.float64)


def correlation_length(series: Floats) -> float:
    """Return the length, in steps, of which five in a block leave at most a tenth of the noise out.

    With autocorrelations r_k the variance of the mean of b steps is about
    (1 + 2 sum r_k - 2 sum k r_k / b) / b, and of a long series (1 + 2 sum r_k) / b. The length is::

        4 * sum(k * r_k) / (1 + 2 * sum(r_k))

    so that the means of blocks of five lengths show nine tenths of the long series' variance or
    more. It is 0 for independent steps and 4 w / (1 - w^2) where r_k = w^k; unlike the integrated
    autocorrelation time it does not shrink when independent noise lies over a slow wave.

    The sums are cut as in Geyer's initial positive sequence, at the first pair of lags (2, 3),
    (4, 5), ... whose autocorrelations sum to no more than one standard error under independence
    (zero would let noise at long lags, which weigh most, into the sums). Missing steps (NaN) take
    part in no pair.

    Parameters
    ----------
    series
        equally spaced values; NaN where there is none.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> series = np.zeros(20_000)
    >>> for step in range(1, series.size):
    ...     series[step] = 0.5 * series[step - 1] + rng.normal()
    >>> round(correlation_length(series), 1)  # theory: 4 * 0.5 / (1 - 0.25) = 2.67
    2.5

    References
    ----------
    Geyer, C. J. (1992). Practical Markov chain Monte Carlo. Statistical Science 7(4), 473-483.
    Lahiri, S. N. (2003). Resampling Methods for Dependent Data. Springer, section 3.2 (bias of the
    variance of block means).
    """
    correlations = _above_noise(_autocorrelations(series), int(np.isfinite(series).sum()))
    lags = np.arange(1, correlations.size + 1)
    noise = 1.0 + 2.0 * float(correlations.sum())
    return max(0.0, 4.0 * float((lags * correlations).sum()) / max(noise, 1.0))


def _above_noise(correlations: Floats, steps: int) -> Floats:
    """The first autocorrelations, up to the first pair whose sum is within its standard error."""
    pairs = correlations[1 : 1 + (correlations.size - 1) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= math.sqrt(2 / max(steps, 1)))
    return correlations[: 1 + 2 * int(ends[0] if ends.size else pairs.size)]


def _autocorrelations(series: Floats) -> Floats:
    """Autocorrelation at lags 1, 2, ... while there are pairs enough; by FFT."""
    present = np.isfinite(series)
    if int(present.sum()) < 2:
        return np.empty(0)
    centred = np.where(present, series - series[present].mean(), 0.0)
    variance = float((centred**2).sum() / present.sum())
    if variance <= np.finfo(np.float64).eps * float((series[present] ** 2).mean()):
        return np.empty(0)
    size = 1 << (2 * series.size - 1).bit_length()
    pairs = np.rint(_lagged_products(present.astype(np.float64), size))[1 : series.size]
    products = _lagged_products(centred, size)[1 : series.size]
    short = np.flatnonzero(pairs < MIN_PAIRS)
    end = short[0] if short.size else pairs.size
    correlations: Floats = products[:end] / pairs[:end] / variance
    return correlations


def _lagged_products(values: Floats, size: int) -> Floats:
    spectrum = np.fft.rfft(values, size)
    products: Floats = np.fft.irfft(np.abs(spectrum) ** 2, size)
    return products
