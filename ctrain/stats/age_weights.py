"""Weights of rows by their age: what is recent counts more in a training."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt


def age_weights(instants: npt.NDArray[np.datetime64], half_life: timedelta) -> npt.NDArray[np.float64]:
    """Return a weight for each row: half as much for each ``half_life`` that it is older, 1 on average.

    Parameters
    ----------
    instants
        event times, in any order; the age of a row is its distance from the newest of them.
    half_life
        age at which a row counts half of what the newest counts; more than nothing.

    Returns
    -------
    ndarray
        Weights in the order of ``instants``. Their mean is 1, so that penalties and learning rates that
        go with the number of rows keep their meaning. A weight that is too small for a float is 0.

    Examples
    --------
    >>> days = np.array(["2026-01-01", "2026-01-03"], dtype="datetime64[us]")
    >>> age_weights(days, timedelta(days=2)).round(3).tolist()
    [0.667, 1.333]

    References
    ----------
    Exponential forgetting: Klinkenberg, R. (2004). Learning drifting concepts: example selection vs.
    example weighting. *Intelligent Data Analysis*, 8(3), 281-300.
    """
    if instants.size == 0:
        return np.empty(0)
    age = (instants.max() - instants) / np.timedelta64(half_life)
    weights = np.exp2(-age.astype(np.float64))
    return np.asarray(weights / weights.mean(), dtype=np.float64)
