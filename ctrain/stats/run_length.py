"""Threshold of Page-Hinkley and CUSUM for a wanted run length, from out-of-sample losses alone.

The losses are cut into overlapping blocks and put together anew at random, which keeps their
distribution and their correlation inside blocks. On these stationary streams the statistic rises
and falls back to zero again and again; each excursion's maximum is an independent draw, and the
tail of maxima is exponential (Lundberg's inequality is sharp in the exponent). With N(h) the number
of excursions above h in T steps, the run length at threshold h is T / N(h); beyond the ``TAIL``
largest maxima it is extrapolated with the exponential fitted to them.

References
----------
Kunsch, H. R. (1989). The jackknife and the bootstrap for general stationary observations. Annals
of Statistics 17(3), 1217-1241.
Siegmund, D. (1985). Sequential Analysis. Springer, chapter II.
Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals
of Statistics 3(5), 1163-1174 (the mean excess over an order statistic).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ctrain.stats.blocks import LENGTHS_PER_BLOCK, correlation_length
from ctrain.stats.detectors.detection import CLIP, Direction
from ctrain.stats.detectors.page_hinkley import DELTA

Floats = npt.NDArray[np.float64]

BLOCKS = 20
"""Consecutive blocks for the error of the mean, and the fewest that the bootstrap draws from."""
CONFIDENCE_FACTOR = 2.093
"""97.5 % quantile of Student's t with ``BLOCKS - 1`` degrees of freedom."""
STREAMS, STREAM_ROWS, ROUNDS = 8, 32_768, 16
TAIL = 200


def mean_slack(losses: Floats) -> float:
    """Return by how many standard deviations of a row the mean may be too low or too high.

    The half-width of the 95 % interval of the mean, from the means of 20 consecutive blocks so
    that correlated rows are not taken for independent ones. Added to ``delta``, it keeps the run
    length also where the baseline's mean is wrong by that much; with few rows that error would
    otherwise decide the rate of false alarms. It is never less than that of independent rows: blocks
    of few rows may miss what is rare.

    Parameters
    ----------
    losses
        out-of-sample losses in event-time order, at least 20 of them, that are not all equal.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=10_000)
    >>> round(mean_slack(rows), 2)
    0.02

    References
    ----------
    Batch means: Law, A. M. and Kelton, W. D. (2000). Simulation Modeling and Analysis, 9.5.3.
    """
    size = losses.size // BLOCKS
    means = losses[-size * BLOCKS :].reshape(BLOCKS, size).mean(axis=1)
    error = float(means.std(ddof=1) / math.sqrt(BLOCKS) / losses.std())
    return CONFIDENCE_FACTOR * max(error, 1 / math.sqrt(losses.size))


def calibrate(
    losses: Floats, run_length: int, seed: int, delta: float = DELTA, direction: Direction = "up"
) -> float:
    """Return the threshold at which stationary losses raise one false alarm in ``run_length`` rows.

    Parameters
    ----------
    losses
        finite out-of-sample losses in event-time order, at least 20, not all equal.
    run_length
        wanted mean number of rows between false alarms.
    seed
        of the bootstrap; the same losses and seed give the same threshold.
    delta
        tolerated change in standard deviations, as the detector will be given (without the slack
        for the error of the mean).
    direction
        which changes are detected; alarms of either side count for ``both``.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=10_000)
    >>> 30 < calibrate(rows, 100_000, seed=0) < 42  # Siegmund's approximation gives 36.9
    True

    References
    ----------
    See the module.
    """
    values = np.clip((losses - losses.mean()) / losses.std(), -CLIP, CLIP)
    values -= values.mean()
    sides = {"up": (values,), "down": (-values,), "both": (values, -values)}[direction]
    steps = STREAMS * STREAM_ROWS * ROUNDS
    rank = max(TAIL, math.ceil(steps / run_length))
    size = _block_rows(values)
    blocks = [_blocks(side - delta, size) for side in sides]
    rng = np.random.default_rng(seed)
    maxima = np.empty(0)
    for _ in range(ROUNDS):
        starts = rng.integers(0, values.size, (STREAMS, math.ceil(STREAM_ROWS / size)))
        found = [
            _excursion_maxima(side[stream].ravel()[:STREAM_ROWS]) for side in blocks for stream in starts
        ]
        maxima = np.sort(np.concatenate([maxima, *found]))[::-1][:rank]
    return _threshold(maxima, steps / run_length)


def _block_rows(losses: Floats) -> int:
    """Rows of a bootstrapped block: long against the correlation, and at least n^(1/3).

    Longer ones would only make the variance of the streams, and with it the threshold, uncertain.
    """
    wanted = max(float(np.cbrt(losses.size)), LENGTHS_PER_BLOCK * correlation_length(losses))
    return max(1, min(math.ceil(wanted), losses.size // BLOCKS))


def _blocks(losses: Floats, size: int) -> Floats:
    """The block that starts at each row, the end joined to the beginning; a view, shape (rows, size)."""
    return sliding_window_view(np.concatenate([losses, losses[: size - 1]]), size)


def _excursion_maxima(steps: Floats) -> Floats:
    """Largest statistic between two returns to zero, of every excursion of a stream."""
    statistic = steps.cumsum()
    statistic -= np.minimum.accumulate(statistic)
    maxima: Floats = np.maximum.reduceat(statistic, np.flatnonzero(statistic == 0))
    return maxima[maxima > 0]


def _threshold(maxima: Floats, alarms: float) -> float:
    """Level that ``alarms`` excursions exceed, given the largest ``maxima`` in falling order."""
    tail = min(TAIL, maxima.size)
    if alarms >= tail:
        return float(maxima[min(math.ceil(alarms), maxima.size) - 1])
    level = float(maxima[tail - 1])
    excess = float(maxima[:tail].mean()) - level
    return level + excess * math.log(tail / alarms)
