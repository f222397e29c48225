"""Two samples of rows as one matrix that a classifier can be fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.stats.columns import numeric_values, text_values
from ctrain.stats.free_text import TextStatistic, measure_text

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
MOST_CATEGORIES = 250
"""Of one column; the rarer ones are one together. The classifier takes at most 255."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Encoded:
    """``values`` has a row for each row of the samples, one after the other; NaN is missing."""

    names: tuple[str, ...]
    """Of the columns; statistics of free text are ``FEATURE.STATISTIC``."""
    features: tuple[str, ...]
    """The feature that each column comes from."""
    categorical: tuple[bool, ...]
    values: Floats

    def rows(self, chosen: npt.NDArray[Any]) -> Floats:
        return np.asarray(self.values[chosen])


def encode(table: pa.Table, features: Mapping[str, Sequence[str]]) -> Encoded:
    """The rows of ``table`` with a column for each number and category, and several for free text."""
    names: list[str] = []
    origins: list[str] = []
    categorical: list[bool] = []
    columns: list[Floats] = []
    for kind, members in features.items():
        for feature in members:
            for name, values in _columns(table, feature, kind):
                names.append(name)
                origins.append(feature)
                categorical.append(kind == "categorical")
                columns.append(values)
    matrix = np.column_stack(columns) if columns else np.empty((table.num_rows, 0))
    return Encoded(tuple(names), tuple(origins), tuple(categorical), matrix)


def _columns(table: pa.Table, feature: str, kind: str) -> list[tuple[str, Floats]]:
    if kind == "categorical":
        return [(feature, _codes(table, feature))]
    if kind == "text":
        texts = text_values(table, feature)
        return [(f"{feature}.{one.value}", measure_text(texts, one)) for one in TextStatistic]
    return [(feature, np.clip(numeric_values(table, feature), -LARGEST, LARGEST))]


def _codes(table: pa.Table, feature: str) -> Floats:
    """Categories by frequency, the rarer ones under one number, NaN for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = text_values(table, feature)
    counted = pc.value_counts(pc.drop_null(values))
    names = [str(name) for name in counted.field("values").to_pylist()]
    counts = [int(count) for count in counted.field("counts").to_numpy()]
    ranked = sorted(zip(names, counts, strict=True), key=lambda one: (-one[1], one[0]))[:MOST_CATEGORIES]
    known = pa.array([name for name, _ in ranked], pa.string())
    places = pc.index_in(values, value_set=known).cast(pa.float64()).to_numpy(zero_copy_only=False)
    rare = np.isnan(places) & pc.is_valid(values).to_numpy(zero_copy_only=False)
    return np.where(rare, float(MOST_CATEGORIES), places)
