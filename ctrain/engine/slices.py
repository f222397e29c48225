"""Slices of rows, named by a column and one of its values: ``carrier=AA``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.stats.columns import boolean_values
from ctrain.stats.segments import NULL
from ctrain.stats.sequential import ComparisonState

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.domain import Json

MOST_VALUES = 20
"""So many values of a column are slices, those with most held-out rows; its other rows are in none."""

Texts = npt.NDArray[np.object_]


def column_texts(rows: pa.Table, column: str) -> Texts:
    """The values of a categorical or boolean column as text; a missing one is ``null``."""
    import pyarrow.compute as pc

    values: Any = boolean_values(rows, column)
    texts: Any = pc.fill_null(values, NULL)
    return np.asarray(texts.to_numpy(zero_copy_only=False), dtype=np.object_)


def begin_slices(rows: pa.Table, columns: Sequence[str]) -> dict[str, Any]:
    """An empty comparison for each slice that the held-out rows know: named before anything is compared."""
    found: dict[str, Any] = {}
    for column in columns:
        for value, _ in Counter(column_texts(rows, column).tolist()).most_common(MOST_VALUES):
            found[f"{column}={value}"] = ComparisonState().to_json()
    return found


def slice_masks(rows: pa.Table, slices: Mapping[str, Any]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which rows belong to each slice."""
    texts: dict[str, Texts] = {}
    masks = {}
    for name in slices:
        column, _, value = name.partition("=")
        if column not in texts:
            texts[column] = column_texts(rows, column)
        masks[name] = np.asarray(texts[column] == value, dtype=np.bool_)
    return masks


def with_block(slices: Json, means: Mapping[str, tuple[float, int]]) -> dict[str, Any]:
    """The comparisons after one more block: mean difference and rows of the slices that it has rows of."""
    return {
        name: ComparisonState.from_json(state).with_block(*means[name]).to_json() if name in means else state
        for name, state in slices.items()
    }


def slice_states(slices: Json) -> dict[str, ComparisonState]:
    return {name: ComparisonState.from_json(state) for name, state in slices.items()}
