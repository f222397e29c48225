"""Models of the small world: each is a slope, so which of two is better is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tests.support.fakes import Model


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


@dataclass(frozen=True, slots=True)
class SlopeModel:
    """A model that knows the truth when ``slope`` is the world's."""

    slope: float

    def __call__(self, rows: pa.Table) -> np.ndarray:
        return sigmoid(self.slope * rows["x"].to_numpy(zero_copy_only=False))


def slope_model(slope: float) -> Model:
    return SlopeModel(slope)


def fit_slope(rows: pa.Table, params: Mapping[str, object]) -> Model:
    """A training function: the least-squares slope on a small grid; ``slope`` in params breaks it."""
    if "fail" in params:
        raise ValueError("the training function raised" + ", and again" * int(str(params.get("again", 0))))
    if "slope" in params:
        return slope_model(float(str(params["slope"])))
    x = rows["x"].to_numpy(zero_copy_only=False)
    y = np.asarray(rows["y"].to_numpy(zero_copy_only=False), dtype=float)
    slopes = np.linspace(-3, 3, 25)
    losses = [float(((sigmoid(slope * x) - y) ** 2).mean()) for slope in slopes]
    return slope_model(float(slopes[int(np.argmin(losses))]))
