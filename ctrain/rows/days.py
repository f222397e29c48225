"""Whole days of the row log in memory: rows with their labels and scores, the recently used ones kept.

A day that is kept takes in what is committed for it; any other is read from its segments on demand.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import SegmentKind, Version
from ctrain.rows.casting import ArrowArray, microseconds_of
from ctrain.rows.finding import find_ids, overlaid_at, rows_before

if TYPE_CHECKING:
    from ctrain.rows.manifest import Manifest
    from ctrain.rows.segments import SegmentFolder

KEPT_BYTES = 256 * 2**20
_MOST_CHUNKS = 32


@dataclass(slots=True)
class Day:
    """The rows of one day in (event_at, row_id) order, with ``late`` and ``label``."""

    table: pa.Table
    scores: dict[Version, ArrowArray] = field(default_factory=dict)
    """In the order of the rows."""

    @property
    def bytes(self) -> int:
        return self.table.nbytes + sum(int(column.nbytes) for column in self.scores.values())


class Days:
    """Days by ISO date, at most ``kept_bytes`` of them kept."""

    def __init__(
        self, files: SegmentFolder, manifest: Manifest, schema: pa.Schema, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._files = files
        self._manifest = manifest
        self._schema = schema
        self._kept_bytes = kept_bytes
        self._days: OrderedDict[str, Day] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def load(self, day: str) -> Day:
        """Return a day as committed; the table is empty when it has no rows."""
        found = self._days.get(day)
        if found is None:
            found = Day(self._read(day))
            self._keep(day, found)
        self._days.move_to_end(day)
        return found

    def scores(self, day: str, version: Version) -> ArrowArray:
        """Return a version's scores of a day in the order of its rows, null where there are none."""
        found = self.load(day)
        if version not in found.scores:
            column: ArrowArray = pa.nulls(found.table.num_rows, score_type(self._schema))
            for segment in self._manifest.of(SegmentKind.SCORES, day, version):
                column = _overlaid(found.table, column, self._files.read(segment), "score")
            found.scores[version] = column
            self._keep(day, found)
        return found.scores[version]

    def add_rows(self, day: str, fresh: pa.Table) -> None:
        """Take in rows that were committed; ``fresh`` is in order and has no labels."""
        if day not in self._days:
            if sum(one.rows for one in self._manifest.of(SegmentKind.ROWS, day)) == fresh.num_rows:
                self._keep(day, Day(conform(fresh, self._schema)))
            return
        known = self._days[day]
        before, scores, news = known.table, {}, conform(fresh, self._schema)
        if _follows(before, fresh):
            merged = pa.concat_tables([before, news])
            scores = {version: _longer(one, fresh.num_rows) for version, one in known.scores.items()}
        else:
            head = rows_before(before, int(microseconds_of(news["event_at"].slice(0, 1))[0]))
            merged = pa.concat_tables(
                [before.slice(0, head), in_order(pa.concat_tables([before.slice(head), news]))]
            )
        if merged.column(0).num_chunks > _MOST_CHUNKS:
            merged = merged.combine_chunks()
        self._keep(day, Day(merged, scores), self._sizes[day] + fresh.nbytes)

    def add_labels(self, day: str, labels: pa.Table) -> None:
        found = self._days.get(day)
        if found is not None:
            found.table = with_recent_labels(found.table, labels)

    def add_scores(self, day: str, version: Version, scores: pa.Table) -> None:
        found = self._days.get(day)
        if found is not None and version in found.scores:
            found.scores[version] = _overlaid(found.table, found.scores[version], scores, "score")

    def forget(self, day: str | None = None) -> None:
        """Drop a day, or all of them, from memory."""
        for one in [day] if day is not None else list(self._days):
            self._days.pop(one, None)
            self._sizes.pop(one, None)

    def _keep(self, day: str, found: Day, size: int | None = None) -> None:
        self._days[day] = found
        self._sizes[day] = found.bytes if size is None else size
        total = sum(self._sizes.values())
        while total > self._kept_bytes and len(self._days) > 1:
            oldest = next(one for one in self._days if one != day)
            del self._days[oldest]
            total -= self._sizes.pop(oldest)

    def _read(self, day: str) -> pa.Table:
        tables = [
            conform(self._files.read(segment), self._schema)
            for segment in self._manifest.of(SegmentKind.ROWS, day)
        ]
        if not tables:
            return self._schema.empty_table()
        table = pa.concat_tables(tables).combine_chunks()
        if len(tables) > 1:
            table = in_order(table)
        for segment in self._manifest.of(SegmentKind.LABELS, day):
            table = with_labels(table, self._files.read(segment))
        return table


def in_order(table: pa.Table) -> pa.Table:
    """Return the rows in the order in which the row log shows them."""
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
