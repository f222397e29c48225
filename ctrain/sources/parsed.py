"""What a parser has made of the records of a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.rows.casting import ArrowArray


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that is no row: its place in the block, and why."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """Columns by their paths, the record that each row came from, and the records that are no rows."""

    columns: Mapping[str, ArrowArray]
    rows: npt.NDArray[np.int64]
    rejected: Sequence[BadRecord] = ()


def as_texts(
    columns: Mapping[str, ArrowArray], rows: npt.NDArray[np.int64], rejected: list[BadRecord]
) -> Parsed:
    """Return columns of bytes as texts; rows with bytes that are no UTF-8 are rejected."""
    bad: dict[int, str] = {}
    for path, values in columns.items():
        if not _is_utf8(values):
            bad |= dict.fromkeys(_undecodable(values), path)
    rejected += [
        BadRecord(int(rows[at]), "not_utf8", f"column {path!r} is not UTF-8 text") for at, path in bad.items()
    ]
    kept = np.ones(len(rows), np.bool_)
    kept[list(bad)] = False
    chosen = pa.array(kept)
    return Parsed(
        {path: values.filter(chosen).cast(pa.string()) for path, values in columns.items()},
        rows[kept],
        sorted(rejected, key=lambda one: one.index),
    )


def _is_utf8(values: ArrowArray) -> bool:
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _undecodable(values: ArrowArray) -> list[int]:
    found = []
    for at, value in enumerate(values.to_pylist()):
        try:
            value.decode()
        except UnicodeDecodeError:
            found.append(at)
    return found
