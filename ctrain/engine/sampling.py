"""Samples of the row log that depend on the rows alone: neither on when they are taken nor on how often.

Every row of a day gets a number from a generator that is seeded with the day, and the rows with the
smallest numbers are the sample. So a day is read at a time, whatever the length of a window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ctrain.engine.matured import EPOCH_START, floor_to

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

DAY = timedelta(days=1)
_ORDER = "order of the sample"


def seed_of(key: str) -> int:
    """A seed that belongs to a key.

    >>> seed_of("clicks/joint/1")
    1585297386
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


def sample_rows(
    watch: Watch, start: datetime, end: datetime, most: int, seed: int, columns: Sequence[str]
) -> pa.Table:
    """At most ``most`` punctual rows of ``[start, end)`` in their order: event_at and ``columns``."""
    import pyarrow as pa

    names = ["event_at", *columns]
    kept: list[pa.Table] = []
    rows = 0
    day = floor_to(start, DAY)
    while day < end:
        table = watch.row_log.read(max(day, start), min(day + DAY, end), include_late=False).select(names)
        kept.append(_numbered(table, most, seed, (day - EPOCH_START) // DAY))
        rows += kept[-1].num_rows
        if rows > 4 * most:
            kept = [_first(pa.concat_tables(kept), most)]
            rows = most
        day += DAY
    if not kept:
        return watch.row_log.read(start, start).select(names)
    return _first(pa.concat_tables(kept), most).drop_columns([_ORDER])


def _numbered(table: pa.Table, most: int, seed: int, day: int) -> pa.Table:
    import pyarrow as pa

    numbers = np.random.default_rng([seed, day]).random(table.num_rows)
    return _first(table.append_column(_ORDER, pa.array(numbers)), most)


def _first(table: pa.Table, most: int) -> pa.Table:
    """The rows with the smallest numbers, as they followed each other."""
    if table.num_rows <= most:
        return table
    chosen = np.argpartition(table[_ORDER].to_numpy(), most)[:most]
    return table.take(np.sort(chosen))
