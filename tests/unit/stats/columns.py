"""Profiles of single columns, for tests of what compares them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ctrain.stats.catalogue import TwoSampleResult, TwoSampleTest, two_sample
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.grid import ColumnGrid, build_grid
from ctrain.stats.profile import profile_table

TESTS: tuple[TwoSampleTest, ...] = (
    "ks",
    "kuiper",
    "cramer_von_mises",
    "wasserstein",
    "psi",
    "jensen_shannon",
    "hellinger",
)


def profiled(before: Any, now: Any, size: int = 1024) -> tuple[ColumnGrid, ColumnProfile, ColumnProfile]:
    """Return a grid of the first sample, numbers or texts, and the profiles of both on it."""
    first, second = (pa.table({"x": pa.array(one, from_pandas=True)}) for one in (before, now))
    text = pa.types.is_string(first.schema.field("x").type)
    grid = build_grid(first, [] if text else ["x"], ["x"] if text else [], size=size)
    profiles = [profile_table(one, grid).columns["x"] for one in (first, second)]
    return grid.columns["x"], profiles[0], profiles[1]


def compared(test: TwoSampleTest, before: Any, now: Any, size: int = 1024) -> TwoSampleResult:
    return two_sample(test, *profiled(before, now, size))


def union(before: Any, now: Any) -> int:
    """A size of grids on which both samples are exact."""
    return len(np.unique(np.concatenate([before, now]))) + 1
