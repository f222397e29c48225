"""Days of the row log in memory: rows with their labels and scores, the recently used ones kept.

A day that is kept takes in what is committed for it; any other is read from its segments on demand. Of a
day that outgrows its log's share of the memory the end stays; what comes before is read when it is asked for.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import Segment, SegmentKind, Version
from ctrain.rows.casting import ArrowArray
from ctrain.rows.finding import Found, find_ids, overlaid_at, rows_before
from ctrain.rows.instants import microseconds_of
from ctrain.rows.memory import Day, DayMemory, Place, packed

if TYPE_CHECKING:
    from ctrain.rows.manifest import Manifest
    from ctrain.rows.segments import SegmentFolder

RECENT_DAYS = 2
_MOST_CHUNKS = 32
_LOOKED_UP = ("row_id", "label")
_MOST_ENDS = 1000
_UNPACKED = 4
"""Bytes in memory of a byte on disk, about."""


class Days:
    """Days by ISO date, kept in a memory that other row logs may share."""

    def __init__(
        self, files: SegmentFolder, manifest: Manifest, schema: pa.Schema, memory: DayMemory | None = None
    ) -> None:
        self._files = files
        self._manifest = manifest
        self._schema = schema
        self._memory = memory or DayMemory()
        self._owner = self._memory.join()
        self._ends: dict[str, int] = {}
        """Last instants of segments by id."""
        weakref.finalize(self, self._memory.leave, self._owner).atexit = False

    def load(self, day: str, since: int | None = None) -> Day:
        """Return a day as committed, at least its rows from ``since`` (microseconds) on."""
        found = self._memory.get(self._place(day))
        if found is None or not found.reaches(since):
            if found is None and self._has_room(day):
                since = None
            found = Day(packed(self._read(day, self._schema, since)), since=since)
            self._keep(day, found)
        return found

    def rows(self, day: str, since: int, versions: Sequence[Version] = ()) -> pa.Table:
        """Return at least the rows from ``since`` on, with ``score:VERSION`` for each version."""
        found = self.load(day, since)
        table = found.table
        for version in versions:
            if version not in found.scores:
                found.scores[version] = self._scores(day, version, table)
                self._keep(day, found)
            table = table.append_column(f"score:{version}", found.scores[version])
        return table

    def find(self, day: str, ids: ArrowArray) -> tuple[pa.Table, Found]:
        """Return which rows of a day have one of ``ids``, and the table that they are rows of."""
        kept = self._memory.get(self._place(day))
        if kept is not None:
            found = find_ids(kept.table, ids)
            if kept.reaches(None) or len(found.rows) == len(ids) or len(found.rows) == len(pc.unique(ids)):
                return kept.table, found
        elif self._has_room(day) or self._is_recent(day):
            table = self.load(day).table
            return table, find_ids(table, ids)
        table = self._read(day, pa.schema([self._schema.field(name) for name in _LOOKED_UP]))
        return table, find_ids(table, ids)

    def _scores(self, day: str, version: Version, table: pa.Table) -> ArrowArray:
        column: ArrowArray = pa.nulls(table.num_rows, score_type(self._schema))
        for segment in self._manifest.of(SegmentKind.SCORES, day, version):
            column = _overlaid(table, column, self._files.read(segment), "score")
        return column

    def add_rows(self, day: str, fresh: pa.Table) -> None:
        """Take in rows that were committed; ``fresh`` is in order and has no labels."""
        known = self._memory.get(self._place(day))
        if known is None:
            if sum(one.rows for one in self._manifest.of(SegmentKind.ROWS, day)) == fresh.num_rows:
                self._keep(day, Day(packed(conform(fresh, self._schema))))
            return
        if known.since is not None:
            fresh = fresh.slice(rows_before(fresh, known.since))
        if fresh.num_rows:
            size = self._memory.size(self._place(day)) or known.bytes
            self._keep(day, _with_rows(known, packed(conform(fresh, self._schema))), size + fresh.nbytes)

    def add_labels(self, day: str, labels: pa.Table) -> None:
        found = self._memory.get(self._place(day))
        if found is not None:
            found.table = with_recent_labels(found.table, labels)

    def add_scores(self, day: str, version: Version, scores: pa.Table) -> None:
        found = self._memory.get(self._place(day))
        if found is not None and version in found.scores:
            found.scores[version] = _overlaid(found.table, found.scores[version], scores, "score")

    def forget(self, day: str) -> None:
        """Drop a day from memory."""
        self._memory.drop(self._place(day))

    def _place(self, day: str) -> Place:
        return Place(self._owner, day)

    def _is_recent(self, day: str) -> bool:
        return day in self._manifest.newest_days(RECENT_DAYS)

    def _has_room(self, day: str) -> bool:
        on_disk = sum(one.bytes for one in self._manifest.of(SegmentKind.ROWS, day))
        return self._memory.has_room(_UNPACKED * on_disk)

    def _keep(self, day: str, found: Day, size: int | None = None) -> None:
        size = found.bytes if size is None else size
        excess = self._memory.put(self._place(day), found, size, recent=self._is_recent(day))
        if excess:
            self._give_back(excess)

    def _give_back(self, excess: int) -> None:
        """Keep less of the recent days, of the earliest first."""
        for day in self._manifest.newest_days(RECENT_DAYS):
            kept, size = self._memory.get(self._place(day)), self._memory.size(self._place(day))
            if kept is None or excess <= 0:
                continue
            if size <= excess:
                self._memory.drop(self._place(day))
            else:
                end = kept.end(1 - excess / size)
                self._memory.put(self._place(day), end, end.bytes, recent=True)
            excess -= size

    def _read(self, day: str, schema: pa.Schema, since: int | None = None) -> pa.Table:
        """Read columns of a day, in order where they have the time; ``since`` cuts off what comes before."""
        segments = self._manifest.of(SegmentKind.ROWS, day)
        wanted = [one for one in segments if since is None or self._end_of(one) >= since]
        names = None if schema is self._schema else [one for one in schema.names if one != "label"]
        tables = [conform(self._files.read(segment, names), schema) for segment in wanted]
        if not tables:
            return schema.empty_table()
        table = pa.concat_tables(tables).combine_chunks()
        if len(tables) > 1 and "event_at" in schema.names:
            table = in_order(table)
        if since is not None:
            table = table.slice(rows_before(table, since)).combine_chunks()
        for segment in self._manifest.of(SegmentKind.LABELS, day):
            if segment.sequence > _committed_before(segments, wanted[0]):
                table = with_labels(table, self._files.read(segment))
        return table

    def _end_of(self, segment: Segment) -> int:
        """The last instant of a segment of rows, which are in order."""
        found = self._ends.get(segment.id)
        if found is None:
            if len(self._ends) >= _MOST_ENDS:
                self._ends.clear()
            column = self._files.read(segment, ["event_at"])["event_at"]
            found = self._ends[segment.id] = int(microseconds_of(column.slice(len(column) - 1))[0])
        return found


def _committed_before(segments: Sequence[Segment], first: Segment) -> int:
    """The last commit before any row of a segment: a segment takes in its newest neighbours only.

    Labels and scores of a row are never committed before it.
    """
    place = segments.index(first)
    return segments[place - 1].sequence if place else -1


def _with_rows(known: Day, fresh: pa.Table) -> Day:
    before = known.table
    if _follows(before, fresh):
        merged = pa.concat_tables([before, fresh])
        scores = {version: _longer(one, fresh.num_rows) for version, one in known.scores.items()}
    else:
        head = rows_before(before, int(microseconds_of(fresh["event_at"].slice(0, 1))[0]))
        tail = in_order(pa.concat_tables([before.slice(head), fresh]))
        merged = pa.concat_tables([before.slice(0, head), tail])
        scores = {}
    if merged.column(0).num_chunks > _MOST_CHUNKS:
        merged = packed(merged)
    return Day(merged, scores, known.since)


def in_order(table: pa.Table) -> pa.Table:
    """Return the rows in the order in which the row log shows them."""
    instants = microseconds_of(table["event_at"])
    if (instants[1:] > instants[:-1]).all():
        return table
    return table.sort_by([("event_at", "ascending"), ("row_id", "ascending")])


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of ``schema``: null where it has none, cast where it can be."""
    columns = []
    for field_ in schema:
        column = table[field_.name] if field_.name in table.column_names else None
        if column is not None and column.type != field_.type:
            column = _recast(column, field_.type)
        columns.append(pa.nulls(table.num_rows, field_.type) if column is None else column)
    return pa.table(columns, schema=schema)


def with_labels(table: pa.Table, labels: pa.Table) -> pa.Table:
    """Return the rows with these labels in the place of those that they had."""
    position = table.schema.get_field_index("label")
    column = _overlaid(table, table.column(position), labels, "label")
    return table.set_column(position, table.schema.field(position), column)


def with_recent_labels(table: pa.Table, labels: pa.Table) -> pa.Table:
    """Return the same as ``with_labels``, at the cost of the rows behind the earliest that has one."""
    position = table.schema.get_field_index("label")
    column = table.column(position)
    if column.type != labels["label"].type or column.num_chunks > 2 * _MOST_CHUNKS:
        return with_labels(table, labels)
    found = find_ids(table, labels["row_id"].combine_chunks())
    overlaid = overlaid_at(column, labels["label"].combine_chunks(), found)
    return table.set_column(position, table.schema.field(position), overlaid)


def _overlaid(table: pa.Table, column: ArrowArray, news: pa.Table, name: str) -> ArrowArray:
    """Return ``column`` with the values of ``news`` for the rows that it has."""
    positions = pc.index_in(table["row_id"], value_set=news["row_id"].combine_chunks())
    values = news[name].combine_chunks().take(_one(positions))
    old = _one(column)
    if pa.types.is_struct(values.type):
        old, values = _with_all_classes(old, values)
    elif old.type != values.type:
        if old.null_count == len(old):
            old = pa.array([None] * len(old), values.type)
        values = values.cast(old.type)
    if pa.types.is_nested(values.type):
        return pc.coalesce(values, old)
    return pc.if_else(pc.is_valid(_one(positions)), values, old)


def score_type(schema: pa.Schema) -> Any:
    """The Arrow type of scores before there are any: a number, or what takes any classes in."""
    return pa.null() if pa.types.is_string(schema.field("label").type) else pa.float64()


def _with_all_classes(old: ArrowArray, values: ArrowArray) -> tuple[ArrowArray, ArrowArray]:
    """Return both with a field for each class of either, null in those that did not have it."""
    tables = [pa.table({"score": column}) for column in (old, values)]
    both = pa.concat_tables(tables, promote_options="permissive")["score"]
    return _one(both.slice(0, len(old))), _one(both.slice(len(old)))


def _longer(column: ArrowArray, rows: int) -> ArrowArray:
    """Return ``column`` with so many nulls after it."""
    return pa.concat_arrays([_one(column), pa.nulls(rows, column.type)])


def _one(column: ArrowArray) -> ArrowArray:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _recast(column: ArrowArray, kind: pa.DataType) -> ArrowArray | None:
    """Cast a column whose kind the policy has changed; None when its values mean nothing there."""
    try:
        return column.cast(kind)
    except pa.ArrowException:
        return None


def _follows(before: pa.Table, fresh: pa.Table) -> bool:
    """True when all of ``fresh`` comes after ``before`` in time, so that nothing need be sorted."""
    if not before.num_rows or not fresh.num_rows:
        return True
    last = microseconds_of(before["event_at"].slice(before.num_rows - 1))[0]
    first = microseconds_of(fresh["event_at"].slice(0, 1))[0]
    return bool(last < first)
