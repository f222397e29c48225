"""Rows with labels and scores as arrays: what losses and metrics are computed from.

Several classes: whatever order each model has, the scores of all versions stand in one order, the
classes of the first version before those that only later ones know. A class that a version does not
know has probability 0 there, and a label that none of them knows is a class of its own: either is
certain loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task, Version
from ctrain.stats.losses import UNKNOWN_CLASS

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with the scores of every version asked for, or why there are none yet.

    ``table`` holds the rows in (event_at, row_id) order; ``labels`` and ``scores`` are float64
    arrays of the same length, NaN where absent or unusable. Of several classes labels are positions
    in ``classes`` (-1: in none), and scores have a column for each of them.
    """

    state: Literal["ready", "pending", "failed"]
    message: str = ""
    table: Any = None
    labels: Floats | None = None
    scores: dict[Version, Floats] | None = None
    classes: tuple[str, ...] = ()
    passing: bool = False
    """Of a failure: it says nothing of the model, and may pass."""


def judged_rows(task: Task, table: pa.Table, columns: Mapping[Version, Any]) -> Scored:
    """The rows of ``table`` with their labels, and the score columns of each version beside them."""
    if task is not Task.MULTICLASS:
        scores = {version: as_floats(column) for version, column in columns.items()}
        return Scored("ready", table=table, labels=as_floats(table["label"]), scores=scores)
    fields = {version: _by_class(column) for version, column in columns.items()}
    classes = tuple(dict.fromkeys(name for found in fields.values() for name in found)) or ("",)
    return Scored(
        "ready",
        table=table,
        labels=_codes(table["label"], classes),
        scores={version: _matrix(found, classes, table.num_rows) for version, found in fields.items()},
        classes=classes,
    )


def classes_apart(labels: Any, column: Any) -> tuple[list[str], list[str]] | None:
    """The classes that a model knows and those of the labels, where no label is one that it knows.

    None where they meet, or where there are no labels or no scores that could.
    """
    import pyarrow.compute as pc

    known: set[str] = set(_by_class(column))
    found: set[str] = set(pc.unique(labels.drop_null()).to_pylist())
    return (sorted(known), sorted(found)) if known and found and not known & found else None


def as_floats(column: Any) -> Floats:
    """A numeric Arrow column as float64, nulls as NaN."""
    import pyarrow as pa

    return np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _by_class(column: Any) -> dict[str, Floats]:
    """The probabilities of each class that got any, NaN where a row has none."""
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        return {}
    whole = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    named = {field.name: as_floats(values) for field, values in zip(whole.type, whole.flatten(), strict=True)}
    return {name: values for name, values in named.items() if not np.isnan(values).all()}


def _matrix(found: Mapping[str, Floats], classes: tuple[str, ...], rows: int) -> Floats:
    matrix: Floats = np.zeros((rows, len(classes)))
    scored = np.zeros(rows, dtype=np.bool_)
    for position, name in enumerate(classes):
        values = found.get(name)
        if values is not None:
            scored |= ~np.isnan(values)
            matrix[:, position] = np.nan_to_num(values)
    matrix[~scored] = np.nan
    return matrix


def _codes(labels: Any, classes: tuple[str, ...]) -> Floats:
    """The position of each label in ``classes``; -1 for one that is not there, NaN for none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    positions = pc.fill_null(
        pc.index_in(labels, value_set=pa.array(classes, labels.type)), int(UNKNOWN_CLASS)
    )
    return as_floats(pc.if_else(pc.is_valid(labels), positions, None))
