"""Rows that come again after retention has removed them: nothing else knows that they were there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ctrain.rows.arrivals import UNKNOWN, Locate
from ctrain.rows.casting import Mask
from ctrain.rows.identity import hash_ids
from ctrain.rows.instants import days_of
from ctrain.rows.manifest import day_number
from ctrain.rows.normalise import Normalised
from ctrain.rows.spill import DayNumbers

if TYPE_CHECKING:
    from ctrain.engine.retired_days import Stretch


def without_retired(
    normalised: Normalised, retired: Sequence[Stretch], locate: Locate
) -> tuple[Normalised, int]:
    """Return the read without the rows of retired days, and how many those are.

    A row whose id is known on another day stays: it may bring the label of that one.
    """
    table = normalised.table
    if not retired or not table.num_rows:
        return normalised, 0
    old = np.flatnonzero(_lie_in(days_of(table["event_at"].combine_chunks()), retired))
    if not len(old):
        return normalised, 0
    ids = table["row_id"].combine_chunks().take(old)
    gone = old[locate(ids, hash_ids(ids)) == UNKNOWN]
    kept = np.ones(table.num_rows, dtype=np.bool_)
    kept[gone] = False
    left = replace(
        normalised,
        table=table.filter(pa.array(kept)),
        wrong={name: mask[kept] for name, mask in normalised.wrong.items()},
        absent={name: mask[kept] for name, mask in normalised.absent.items()},
    )
    return left, len(gone)


def _lie_in(days: DayNumbers, stretches: Sequence[Stretch]) -> Mask:
    found = np.zeros(len(days), dtype=np.bool_)
    for first, last in stretches:
        found |= (days >= day_number(first)) & (days <= day_number(last))
    return found
