"""The row log: our own copy of a policy's rows, in segments by event date.

A write puts segments on disk and remembers what they would change; ``adopt``, after the commit, makes
it so. What was not committed is forgotten by the next write, and its files are swept at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import (
    Arrived,
    Ingested,
    IngestState,
    PolicyName,
    Segment,
    SegmentKind,
    SourceRead,
    Version,
)
from ctrain.engine.retired_days import days_of_rows, load_retired, with_days
from ctrain.errors import StateConflict
from ctrain.rows.arrivals import UNKNOWN, KnownDays, NewRows, is_late, new_labels, new_rows, rows_of
from ctrain.rows.by_id import ById
from ctrain.rows.casting import ArrowArray
from ctrain.rows.counting import DayCounts
from ctrain.rows.days import Days, score_type
from ctrain.rows.early import EarlyRows
from ctrain.rows.finding import rows_between
from ctrain.rows.instants import as_microseconds, days_of, microseconds_of
from ctrain.rows.manifest import Manifest
from ctrain.rows.memory import RowMemory
from ctrain.rows.normalise import (
    Normalised,
    label_schema,
    normalise_labels,
    normalise_rows,
    row_schema,
    with_lines,
)
from ctrain.rows.pending import waits_since
from ctrain.rows.retired import without_retired
from ctrain.rows.segments import SegmentFolder, SegmentLost
from ctrain.rows.staging import SegmentWriter, Staged

if TYPE_CHECKING:
    from ctrain.policy.models import DataSpec
    from ctrain.ports import RowCount, Store


class ParquetRowLog:
    """The row log of one policy. Used by one thread of one process at a time; others may read."""

    def __init__(
        self,
        files: SegmentFolder,
        store: Store,
        policy: PolicyName,
        data: DataSpec,
        task: str,
        memory: RowMemory | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._data = data
        self._task = task
        self._files = files
        schema = row_schema(data, task)
        self._schema = schema.insert(2, pa.field("late", pa.bool_()))
        self._staged: Staged | None = None
        self._memory = memory or RowMemory()
        self._load()

    def _load(self) -> None:
        """See what is committed, and forget everything else."""
        with self._store.read() as tx:
            self._manifest = Manifest(tx.segments(self._policy))
            self._retired = load_retired(tx, self._policy)
        self._days = Days(self._files, self._manifest, self._schema, self._memory.days)
        self._early = EarlyRows(self._files, self._manifest)
        self._counts = DayCounts(self.read)
        labels = label_schema(self._task)
        self._by_id = ById(self._files, self._manifest, self._days, labels, self._memory.index)

    def write_rows(
        self, read: SourceRead, state: IngestState, now: datetime, *, after: Ingested | None = None
    ) -> Ingested:
        due = self._early.due(now)
        batches = (*due.batches, *read.batches)
        normalised = with_lines(normalise_rows(batches, self._data, self._task, now), read.lines)
        held = self._take_in_held(after)
        staged, writer = self._begin(state.sequence + 1, normalised, "rows", now, held)
        known = self._by_id.rows
        normalised, retired = without_retired(normalised, self._retired, known.locate)
        arrived = new_rows(normalised.table, known.locate, known.labels)
        closed_until = None if state.watermark is None else as_microseconds(state.watermark)
        late = is_late(arrived.table, self._data.pane // timedelta(microseconds=1), closed_until)
        writer.write_rows(arrived.table.add_column(2, "late", pa.array(late)), arrived.days)
        staged.hashes, staged.days = arrived.hashes, arrived.days
        writer.write_labels(*self._with_those_that_waited(arrived, writer, waits_since(state, now)))
        writer.write_early((*due.still_early, *normalised.early), due.segments)
        writer.gather_scores()
        self._files.flush()
        if held is not None:
            staged.join(held)
        newest_at = pc.max(arrived.table["event_at"]).as_py()
        return self._ingested(
            staged,
            normalised,
            accepted=arrived.table.num_rows,
            late=int(np.count_nonzero(late)),
            duplicates=arrived.duplicates + retired,
            came_due=sum(batch.table.num_rows for batch in due.batches),
            labels=arrived.labels.num_rows,
            arrived=Arrived(
                rows=arrived.table,
                wrong={name: mask[arrived.fresh] for name, mask in normalised.wrong.items()},
                absent={name: mask[arrived.fresh] for name, mask in normalised.absent.items()},
                repeated_at=microseconds_of(normalised.table["event_at"])[arrived.repeated].tolist(),
                received=normalised.table,
                repeated=arrived.repeated,
                new_columns=normalised.new_columns,
            ),
            newest_event_at=min(newest_at.astimezone(UTC), now) if newest_at is not None else None,
        )

    def has_due(self, now: datetime) -> bool:
        return self._early.has_due(now)

    def write_labels(
        self, read: SourceRead, state: IngestState, now: datetime, *, held: bool = False
    ) -> Ingested:
        normalised = with_lines(normalise_labels(read.batches, self._data, self._task), read.lines)
        staged, writer = self._begin(state.sequence + 1, normalised, "labels", now)
        known, pending = self._by_id.rows, self._by_id.pending
        arrived = new_labels(normalised.table, known.locate, known.labels, pending.of)
        has_row = arrived.days != UNKNOWN
        writer.write_labels(rows_of(arrived.table, has_row), arrived.days[has_row])
        if not has_row.all():
            writer.write_pending(pending, arrived.table.filter(pa.array(~has_row)), waits_since(state, now))
        if not held:
            self._files.flush()
        return self._ingested(
            staged, normalised, labels=arrived.table.num_rows, duplicates=arrived.duplicates
        )

    def write_scores(self, version: Version, scores: pa.Table, sequence: int) -> Ingested:
        staged, writer = self._begin(sequence, Normalised(scores), "scores", None)
        days = days_of(scores["event_at"].combine_chunks()) if scores.num_rows else np.empty(0, np.uint16)
        writer.write_scores(version, scores.select(["row_id", "score"]), days)
        self._files.flush()
        return self._ingested(staged, Normalised(scores))

    def adopt(self, ingested: Ingested) -> None:
        staged, self._staged = self._staged, None
        if staged is None or not staged.matches(ingested.segments):
            self._load()
            return
        self._files.delete([*staged.gone, *self._show(staged)])

    def _take_in_held(self, after: Ingested | None) -> Staged | None:
        """Show the labels that were held for rows, which may be theirs; the disk stays as it is."""
        if after is None:
            return None
        held = self._staged
        if held is None or not held.matches(after.segments):
            raise StateConflict(f"{self._policy}: labels were to be committed with rows, and are not there")
        held.gone = self._show(held)
        return held

    def _show(self, staged: Staged) -> list[Segment]:
        """Let reads show what was staged; return the segments that are replaced by it."""
        self._manifest.add(staged.segments)
        gone = self._manifest.remove([one.id for one in staged.replaced])
        self._by_id.add(staged)
        self._counts.forget((*staged.rows, *staged.labels))
        for day, rows in staged.rows.items():
            self._days.add_rows(day, rows)
        for day, labels in staged.labels.items():
            self._days.add_labels(day, labels)
        for (version, day), scores in staged.scores.items():
            self._days.add_scores(day, version, scores)
        return gone

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        scores_of: Sequence[Version] = (),
        include_late: bool = True,
    ) -> pa.Table:
        try:
            return self._read(start, end, scores_of, include_late)
        except SegmentLost:
            # Another process has put small segments together since the manifest was read.
            self._load()
            return self._read(start, end, scores_of, include_late)

    def _read(
        self, start: datetime, end: datetime, versions: Sequence[Version], include_late: bool
    ) -> pa.Table:
        first, last = as_microseconds(start), as_microseconds(end)
        days = self._manifest.days_between(start, end)
        tables = [rows_between(self._days.rows(day, first, versions), first, last) for day in days]
        if not tables:
            fields = [pa.field(f"score:{version}", score_type(self._schema)) for version in versions]
            return pa.schema([*self._schema, *fields]).empty_table()
        whole = pa.concat_tables(tables, promote_options="permissive")
        if include_late or not pc.any(whole["late"]).as_py():
            return whole
        return whole.filter(pc.invert(whole["late"]))

    def count(self, start: datetime, end: datetime) -> RowCount:
        return self._counts.of(self._manifest.days_between(start, end), start, end)

    def rows_a_day(self, first: str, last: str) -> dict[str, int]:
        days = self._manifest.days(first, last)
        return {day: sum(one.rows for one in self._manifest.of(SegmentKind.ROWS, day)) for day in days}

    def sweep(self, confirm: Callable[[], None] = lambda: None) -> int:
        return self._files.sweep(self._confirmed(confirm))

    def _confirmed(self, confirm: Callable[[], None]) -> Iterator[Segment]:
        """What is committed, read only when it is asked for, and only when ``confirm`` does not raise."""
        self._load()
        confirm()
        yield from self._manifest

    def retire(self, before: datetime) -> Sequence[Segment]:
        return self._manifest.before(before.astimezone(UTC).date().isoformat())

    def forget_set_aside(self, before: datetime) -> None:
        self._files.delete_set_aside(before.astimezone(UTC).date().isoformat())

    def delete(self, segments: Iterable[Segment]) -> None:
        gone = list(segments)
        self._retired = with_days(self._retired, days_of_rows(gone))
        self._manifest.remove([one.id for one in gone])
        self._files.delete(gone)
        self._by_id.forget(gone)
        self._counts.forget(one.event_date for one in gone)
        for day in {one.event_date for one in gone}:
            self._days.forget(day)

    def _begin(
        self,
        sequence: int,
        normalised: Normalised,
        kind: str,
        now: datetime | None,
        held: Staged | None = None,
    ) -> tuple[Staged, SegmentWriter]:
        """Forget what was not committed and is not held, and keep the rows that cannot be used."""
        self._staged = Staged(sequence)
        aside = sum(table.nbytes for table in normalised.set_aside)
        self._files.begin(2 * (normalised.table.nbytes + aside), held=held is not None)
        for number, table in enumerate(normalised.set_aside):
            assert now is not None
            self._files.set_aside(table, now.date().isoformat(), f"{sequence:09}-{kind}-{number}")
        return self._staged, SegmentWriter(self._files, self._manifest, self._staged)

    def _ingested(self, staged: Staged, normalised: Normalised, **counts: Any) -> Ingested:
        return Ingested(
            segments=tuple(staged.segments),
            replaced=tuple(one.id for one in (*staged.gone, *staged.replaced) if one.id not in staged.passed),
            rejected=normalised.rejected,
            **counts,
        )

    def _with_those_that_waited(
        self, arrived: NewRows, writer: SegmentWriter, now: datetime
    ) -> tuple[pa.Table, KnownDays]:
        """Return the labels that came with the rows, and those that waited for them, with their days."""
        pending = self._by_id.pending
        ids = arrived.table["row_id"].combine_chunks()
        found = pending.of(ids, arrived.hashes)
        if not found.num_rows:
            return arrived.labels, arrived.label_days
        writer.resolve_pending(pending, found, now)
        places: ArrowArray = pc.index_in(found["row_id"].combine_chunks(), value_set=ids)
        days = arrived.days[places.to_numpy(zero_copy_only=False)].astype(np.int32)
        return pa.concat_tables([found, arrived.labels]), np.concatenate([days, arrived.label_days])
