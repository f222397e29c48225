"""Segments of one read on their way to the disk, and what becomes visible when they are committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import PENDING, Segment, SegmentKind, Version
from ctrain.rows.days import in_order
from ctrain.rows.manifest import Manifest, day_text, retires_by
from ctrain.rows.pending import PendingLabels
from ctrain.rows.segments import SegmentFolder
from ctrain.rows.spill import DayNumbers as Days
from ctrain.rows.spill import Hashes


@dataclass(slots=True)
class Staged:
    """What was written and is not committed yet; nothing of it shows in reads."""

    sequence: int
    segments: list[Segment] = field(default_factory=list)
    replaced: list[Segment] = field(default_factory=list)
    rows: dict[str, pa.Table] = field(default_factory=dict)
    labels: dict[str, pa.Table] = field(default_factory=dict)
    scores: dict[tuple[Version, str], pa.Table] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    days: Days = field(default_factory=lambda: np.empty(0, dtype=np.uint16))
    pending: PendingLabels | None = None
    """What waits after the commit; None: as before."""
    gone: list[Segment] = field(default_factory=list)
    """What labels before these rows, in the same commit, have replaced: it is still on the disk."""

    passed: frozenset[str] = frozenset()
    """Segments of those labels that these rows have replaced at once: they are never committed."""

    def join(self, held: Staged) -> None:
        """Let the labels that were held be committed with these."""
        written, replaced = {one.id for one in held.segments}, {one.id for one in self.replaced}
        self.passed = frozenset(written & replaced)
        self.gone = held.gone
        self.segments[:0] = [one for one in held.segments if one.id not in self.passed]

    def matches(self, segments: tuple[Segment, ...]) -> bool:
        return [one.id for one in self.segments] == [one.id for one in segments]


class SegmentWriter:
    """Writes the tables of one read as segments by day; a day with many takes small ones in."""

    def __init__(self, files: SegmentFolder, manifest: Manifest, staged: Staged) -> None:
        self._files = files
        self._manifest = manifest
        self._staged = staged

    def write_rows(self, table: pa.Table, days: Days) -> None:
        for day, rows in by_day(table, days.astype(np.int64)):
            ordered = in_order(rows)
            self._staged.rows[day] = ordered
            absorbed = self._manifest.absorbable(SegmentKind.ROWS, day, rows.num_rows)
            older = self._joined([self._files.read(one) for one in absorbed], ordered)
            if older is None:
                absorbed, whole = [], ordered
            else:
                whole = in_order(older) if absorbed else ordered
            self._add(self._files.write(SegmentKind.ROWS, day, whole, self._staged.sequence), absorbed)

    def write_labels(self, table: pa.Table, days: npt.NDArray[np.int32]) -> None:
        for day, labels in by_day(table, days):
            self._staged.labels[day] = labels
            absorbed = self._manifest.absorbable(SegmentKind.LABELS, day, labels.num_rows)
            whole = newest([*(self._files.read(one) for one in absorbed), labels])
            self._add(self._files.write(SegmentKind.LABELS, day, whole, self._staged.sequence), absorbed)

    def write_scores(self, version: Version, table: pa.Table, days: Days) -> None:
        for day, scores in by_day(table, days.astype(np.int64)):
            self._staged.scores[version, day] = scores
            segment = self._files.write(
                SegmentKind.SCORES, day, scores, self._staged.sequence, version=version
            )
            self._add(segment, [])

    def gather_scores(self) -> None:
        """Put the scores of one crowded day into one segment; what reads show does not change."""
        crowded = self._manifest.crowded_scores()
        if crowded is None:
            return
        version, day = crowded
        absorbed = self._manifest.of(SegmentKind.SCORES, day, version)
        whole = newest([self._files.read(one) for one in absorbed])
        segment = self._files.write(SegmentKind.SCORES, day, whole, self._staged.sequence, version=version)
        self._add(segment, absorbed)

    def write_early(self, tables: Sequence[pa.Table], due: Sequence[Segment]) -> None:
        """Let rows of the near future wait; ``due`` are the segments of which they are what waits on.

        They retire by their newest event: by the day of arrival they might go before they have happened.
        """
        self._staged.segments += [
            self._files.write(
                SegmentKind.ROWS, PENDING, table, self._staged.sequence, folder=_day_of_newest(table)
            )
            for table in tables
        ]
        self._staged.replaced += due

    def write_pending(self, before: PendingLabels, labels: pa.Table, now: datetime) -> None:
        """Let ``labels`` wait, too."""
        after = before.with_labels(labels)
        absorbed = self._manifest.absorbable(SegmentKind.LABELS, PENDING, labels.num_rows)
        older = [self._files.read(one) for one in absorbed]
        whole = after.among(newest([*older, labels])["row_id"].combine_chunks())
        self._add_pending(whole, absorbed, now)
        self._staged.pending = after

    def resolve_pending(self, before: PendingLabels, found: pa.Table, now: datetime) -> None:
        """Let the labels that found their row wait no more; rewrite the rest when it is the smaller part."""
        after = before.without(found["row_id"].combine_chunks())
        present = self._manifest.of(SegmentKind.LABELS, PENDING)
        if 2 * len(after) <= sum(one.rows for one in present):
            if len(after):
                self._add_pending(after.table, present, now)
            else:
                self._staged.replaced += present
        self._staged.pending = after

    def _add_pending(self, table: pa.Table, absorbed: list[Segment], now: datetime) -> None:
        """Let labels wait, no shorter than those they take in: ``now`` may be of a clock that is behind."""
        day = max([now.astimezone(UTC).date().isoformat(), *(retires_by(one) for one in absorbed)])
        segment = self._files.write(SegmentKind.LABELS, PENDING, table, self._staged.sequence, folder=day)
        self._add(segment, absorbed)

    def _add(self, segment: Segment, absorbed: list[Segment]) -> None:
        self._staged.segments.append(segment)
        self._staged.replaced += absorbed

    @staticmethod
    def _joined(older: list[pa.Table], rows: pa.Table) -> pa.Table | None:
        """Return all rows; None when the kind of a feature has changed and they do not fit together."""
        try:
            return pa.concat_tables([*older, rows], promote_options="default")
        except pa.ArrowException:
            return None


def _day_of_newest(table: pa.Table) -> str:
    newest_at: datetime = pc.max(table["event_at"]).as_py()
    return newest_at.astimezone(UTC).date().isoformat()


def by_day(table: pa.Table, days: npt.NDArray[np.signedinteger]) -> Iterator[tuple[str, pa.Table]]:
    """Return the rows of each day, days ascending, rows in their order."""
    if len(days) and (days == days[0]).all():
        yield day_text(int(days[0])), table
        return
    order = np.argsort(days, kind="stable")
    edges = np.flatnonzero(np.diff(days[order], prepend=-1)) if len(days) else np.empty(0, dtype=np.intp)
    ordered = table.take(order)
    for first, end in zip(edges, np.append(edges[1:], len(days)), strict=False):
        yield day_text(int(days[order[first]])), ordered.slice(int(first), int(end - first))


def newest(tables: list[pa.Table]) -> pa.Table:
    """Return one table with the last row of every id."""
    table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    if len(tables) == 1:
        return table
    codes = table["row_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, last = np.unique(codes[::-1], return_index=True)
    return table.take(np.sort(table.num_rows - 1 - last))
