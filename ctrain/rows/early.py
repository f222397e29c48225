"""Rows from the near future: they wait in the row log until they have happened.

What seems to lie in the future may have happened, and the clock be wrong: a machine that slept, a snapshot
that was restored. So rows of the next ``WAITS`` are not only counted, but kept and read again in their time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import CLOCK_SKEW, FUTURE, PENDING, Segment, SegmentKind, SourceBatch
from ctrain.rows.casting import ArrowArray, Mask, as_mask
from ctrain.rows.instants import INSTANT, as_microseconds, microseconds_of
from ctrain.rows.manifest import Manifest
from ctrain.rows.segments import SegmentFolder

WAITS = timedelta(days=2)
"""So far ahead a row may lie and wait; one beyond it is set aside for good."""


@dataclass(frozen=True, slots=True)
class Due:
    """Rows whose time has come, and what becomes of the segments in which they waited."""

    batches: tuple[SourceBatch, ...] = ()
    segments: tuple[Segment, ...] = ()
    """Those that are replaced."""
    still_early: tuple[pa.Table, ...] = ()
    """What waits on, of the same segments."""


def waiting_rows(source: pa.Table, origin: pa.Table, instants: ArrowArray, now: datetime) -> pa.Table:
    """Return those source rows, of some that cannot be used, that lie near enough in the future to wait for.

    ``origin`` says why, and where each was found. Columns: ``event_at``, those of ``origin``, and ``row``
    with the source's columns as its fields: so none of theirs is mistaken for one of ours.
    """
    table = origin.add_column(0, "event_at", instants).append_column("row", source.to_struct_array())
    early = as_mask(pc.equal(origin["reason"], pa.scalar(FUTURE))) & ~_after(
        instants, now + CLOCK_SKEW + WAITS
    )
    return table.filter(pa.array(early))


class EarlyRows:
    """The rows of one policy that wait."""

    def __init__(self, files: SegmentFolder, manifest: Manifest) -> None:
        self._files = files
        self._manifest = manifest
        self._first: dict[str, int] = {}
        """The earliest event of a segment, by its id."""

    def has_due(self, now: datetime) -> bool:
        """True when the time of any has come."""
        return any(self._is_due(one, now) for one in self._waiting())

    def due(self, now: datetime) -> Due:
        """Return the rows whose time has come."""
        segments = tuple(one for one in self._waiting() if self._is_due(one, now))
        batches: list[SourceBatch] = []
        still_early: list[pa.Table] = []
        for segment in segments:
            table = self._files.read(segment)
            early = _after(table["event_at"], now + CLOCK_SKEW)
            batches += _batches(table.filter(pa.array(~early)))
            still_early += [table.filter(pa.array(early))] if early.any() else []
        return Due(tuple(batches), segments, tuple(still_early))

    def _waiting(self) -> list[Segment]:
        return self._manifest.of(SegmentKind.ROWS, PENDING)

    def _is_due(self, segment: Segment, now: datetime) -> bool:
        if segment.id not in self._first:
            table = self._files.read(segment, ["event_at"])
            self._first[segment.id] = int(microseconds_of(table["event_at"].combine_chunks()).min())
        return self._first[segment.id] <= as_microseconds(now + CLOCK_SKEW)


def _batches(table: pa.Table) -> list[SourceBatch]:
    """Return the rows as a source would give them: a batch for each stretch of one file."""
    rows = pa.Table.from_struct_array(table["row"])
    paths = [str(one) for one in table["source_path"].to_pylist()]
    places = table["source_row"].to_numpy()
    lines = table["source_line"].to_pylist()
    starts = [
        at
        for at in range(len(paths))
        if at == 0 or (paths[at - 1], places[at - 1] + 1) != (paths[at], places[at])
    ]
    return [
        SourceBatch(
            rows.slice(start, end - start),
            paths[start],
            int(places[start]),
            lines=None if lines[start] is None else np.array(lines[start:end], dtype=np.int64),
        )
        for start, end in pairwise([*starts, len(paths)])
    ]


def _after(instants: ArrowArray, end: datetime) -> Mask:
    return as_mask(pc.greater(instants, pa.scalar(end, INSTANT)))
