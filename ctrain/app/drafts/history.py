"""The rows of a file as a policy reads them: rows and labels apart, in event-time order, with ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.app.drafts.instants import NO_TIME, ROW_SECOND, EventTimes
from ctrain.app.drafts.labels import Label, in_words
from ctrain.app.drafts.sample import batch_rows
from ctrain.rows.instants import INSTANT
from ctrain.sources.tables import BATCH_ROWS
from ctrain.sources.texts import without_views
from ctrain.stats.columns import plain

SORTED_TOGETHER = 1_000_000
"""Rows that are put in order together; for each so many, the row groups that hold any are read."""
ROW_ID = "row_number"
ROW_TIME = "event_time"
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class History:
    """What is written of a file, and how."""

    source: Path
    """The file that was named."""
    table: Path
    """The Parquet file that is read for it."""
    columns: tuple[str, ...]
    """Columns of the rows, as they are in the file."""
    label: Label
    times: EventTimes
    id: str | None
    """None: rows are numbered."""
    id_column: str
    """Name of the ids in what is written."""
    time_column: str
    """Name of the event time in what is written."""

    def parts(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield rows, and ids with labels, in event-time order, in parts."""
        for table in self._ordered():
            yield table.drop_columns([self.label.name]), self._labelled(table)

    def write(self, rows: Path, labels: Path) -> None:
        """Write both files, whole or not at all."""
        unfinished = [path.with_name(f".{path.name}.unfinished") for path in (rows, labels)]
        try:
            self._write_parts(unfinished)
            for path, target in zip(unfinished, (rows, labels), strict=True):
                os.replace(path, target)
        finally:
            for path in unfinished:
                path.unlink(missing_ok=True)

    def _write_parts(self, paths: Sequence[Path]) -> None:
        import pyarrow.parquet as pq

        writers: list[Any] = []
        try:
            for parts in self.parts():
                if not writers:
                    writers += [
                        pq.ParquetWriter(path, part.schema) for path, part in zip(paths, parts, strict=True)
                    ]
                for writer, part in zip(writers, parts, strict=True):
                    writer.write_table(part, row_group_size=BATCH_ROWS)
        finally:
            for writer in writers:
                writer.close()

    def _labelled(self, table: pa.Table) -> pa.Table:
        """Ids and labels of the rows that have one; two classes as 0 and 1."""
        part = table.select([self.id_column, self.label.name])
        part = part.filter(_known(plain(part[self.label.name])))
        if self.label.codes is None:
            return part
        return part.set_column(1, self.label.name, pa.array(_coded(part[self.label.name], self.label.codes)))

    def _ordered(self) -> Iterator[pa.Table]:
        """The rows that have an event time, in its order, in parts."""
        if self.times.column is None or self.times.ordered:
            yield from (table for table, _ in self._read())
            return
        usable = self.times.usable
        edges = [*usable[::SORTED_TOGETHER].tolist(), None]
        for first, after in pairwise(edges):
            yield from self._sorted_between(first, after)

    def _sorted_between(self, first: int, after: int | None) -> Iterator[pa.Table]:
        parts, instants = [], []
        for table, times in self._read(first, after):
            inside = _within(times, first, after)
            if inside.any():
                parts.append(table.filter(pa.array(inside)))
                instants.append(times[inside])
        if parts:
            order = np.argsort(np.concatenate(instants), kind="stable")
            yield pa.concat_tables(parts).take(order)

    def _read(self, first: int = NO_TIME, after: int | None = None) -> Iterator[tuple[pa.Table, Places]]:
        """The rows as they stand in the file, and their event times; without those that have none.

        Row groups with no row in ``[first, after)`` are left out.
        """
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.table)
        start = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if (
                self.times.column is None
                or _within(self.times.instants[start : start + rows], first, after).any()
            ):
                yield from self._read_group(file, group, start)
            start += rows

    def _read_group(self, file: Any, group: int, start: int) -> Iterator[tuple[pa.Table, Places]]:
        names = [*self.columns, self.label.name]
        for batch in file.iter_batches(batch_rows(len(names)), row_groups=[group], columns=names):
            table = without_views(pa.Table.from_batches([batch]).select(names))
            numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
            start += table.num_rows
            times = numbers * ROW_SECOND
            if self.id is None:
                table = table.add_column(0, self.id_column, pa.array(numbers))
            if self.times.column is None:
                at = pa.array(times).cast(pa.timestamp("us")).cast(INSTANT)
                table = table.add_column(0, self.time_column, at)
            else:
                times = self.times.instants[numbers]
                known = times != NO_TIME
                table, times = table.filter(pa.array(known)), times[known]
            if table.num_rows:
                yield table, times


def _within(times: Places, first: int, after: int | None) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (times >= first) & (times != NO_TIME)
    return inside if after is None else inside & (times < after)


def _known(values: pa.ChunkedArray[Any]) -> Any:
    """Where there is a label: NaN and infinities are none."""
    if not pa.types.is_floating(values.type):
        return pc.is_valid(values)
    finite: Any = pc.is_finite(values)
    return pc.fill_null(finite, False)


def _coded(values: pa.ChunkedArray[Any], codes: Mapping[str, int]) -> Sequence[int]:
    return [codes[word] for word in in_words(values)]
