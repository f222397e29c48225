"""Streams that change detectors are tested on."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def binary_losses(rng: np.random.Generator, rows: int) -> Floats:
    return (rng.uniform(size=rows) < 0.2).astype(np.float64)


def rare_errors(rng: np.random.Generator, rows: int) -> Floats:
    return (rng.uniform(size=rows) < 0.03).astype(np.float64)


def brier_losses(rng: np.random.Generator, rows: int) -> Floats:
    return rng.beta(0.5, 2, rows)


def absolute_errors(rng: np.random.Generator, rows: int) -> Floats:
    return np.abs(rng.standard_t(3, rows)) * 40


def hourly_losses(rng: np.random.Generator, rows: int) -> Floats:
    """Rows of the same hour share a part of their loss: 20 rows an hour, correlation 0.2."""
    return rng.normal(0, 0.5, rows // 20).repeat(20) + rng.normal(0, 1, rows)


def wandering_losses(rng: np.random.Generator, rows: int) -> Floats:
    """Autoregressive of first order with coefficient 0.8."""
    walk: Floats = lfilter([1], [1, -0.8], rng.normal(size=rows))
    return walk


def river_integers() -> Floats:
    """The stream of river's own tests."""
    rng = np.random.RandomState(12345)
    return np.concatenate([rng.randint(2, size=1000), rng.randint(8, size=1000)]).astype(np.float64)


def river_choices() -> Floats:
    """The stream of the example in river's documentation."""
    rng = random.Random(12345)
    return np.array(rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000), dtype=np.float64)
