"""Samples of the row log that depend on the rows alone: neither on when they are taken nor on how often.

Every row of a day gets a number from a generator that is seeded with the day, and the rows with the
smallest numbers (of each segment, where segments are wanted) are the sample. So a day is read at a time,
whatever the length of a window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ctrain.engine.instants import DAY, EPOCH, floor_to

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.segment_counts import Segments
    from ctrain.engine.watch import Watch

SEGMENT = "number of the segment"
"""Column of a sample by segments: the place of the row's segment among their names."""
_ORDER = "order of the sample"


def seed_of(key: str) -> int:
    """A seed that belongs to a key.

    >>> seed_of("clicks/joint/1")
    1585297386
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


def read_days(watch: Watch, start: datetime, end: datetime) -> Iterator[tuple[int, pa.Table]]:
    """The punctual rows of ``[start, end)`` a day at a time, with the number of the day."""
    day = floor_to(start, DAY)
    while day < end:
        rows = watch.row_log.read(max(day, start), min(day + DAY, end), include_late=False)
        yield (day - EPOCH) // DAY, rows
        day += DAY


def sample_rows(
    watch: Watch,
    start: datetime,
    end: datetime,
    most: int,
    seed: int,
    columns: Sequence[str],
    segments: Segments | None = None,
) -> pa.Table:
    """At most ``most`` punctual rows of ``[start, end)`` in their order: event_at and ``columns``.

    With ``segments`` as many of each, and the column ``SEGMENT``.
    """
    import pyarrow as pa

    names = ["event_at", *columns]
    room = most * (len(segments.names) if segments is not None else 1)
    nothing = watch.row_log.read(start, start)
    kept = [_numbered(nothing, names, seed, 0, segments)]
    for day, rows in read_days(watch, start, end):
        kept.append(_first(_numbered(rows, names, seed, day, segments), most))
        if sum(one.num_rows for one in kept) > room + 3 * most:
            kept = [_first(pa.concat_tables(kept), most)]
    return _first(pa.concat_tables(kept), most).drop_columns([_ORDER])


def _numbered(
    rows: pa.Table, names: Sequence[str], seed: int, day: int, segments: Segments | None
) -> pa.Table:
    import pyarrow as pa

    numbers = np.random.default_rng([seed, day]).random(rows.num_rows)
    table = rows.select(names).append_column(_ORDER, pa.array(numbers))
    if segments is None:
        return table
    return table.append_column(SEGMENT, pa.array(segments.codes(rows)))


def _first(table: pa.Table, most: int) -> pa.Table:
    """The rows with the smallest numbers, of each segment if there are any, as they followed each other."""
    if table.num_rows <= most:
        return table
    numbers = table[_ORDER].to_numpy()
    if SEGMENT not in table.column_names:
        return table.take(np.sort(np.argpartition(numbers, most)[:most]))
    codes = table[SEGMENT].to_numpy()
    ranked = np.lexsort((numbers, codes))
    begins = np.searchsorted(codes[ranked], codes[ranked])
    chosen = ranked[np.arange(len(ranked)) - begins < most]
    return table.take(np.sort(chosen))
