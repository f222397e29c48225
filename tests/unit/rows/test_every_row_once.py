"""However rows and labels are split, ordered, limited and interrupted, the row log ends up the same."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrain.domain import Ingested, SourceRead
from ctrain.rows.columns import label_columns
from ctrain.sources.files import FilesSource
from tests.parquet_rows import START, build_labels, build_rows, open_files, write_parquet
from tests.row_logs import NOW, POLICY, RowLogHarness

ROWS = [f"row-{at}" for at in range(24)]
IDS = st.sampled_from(ROWS)
LABELS = st.lists(st.tuples(IDS, st.sampled_from([0.0, 1.0])), max_size=12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.lists(IDS, max_size=8)),
        st.tuples(st.just("labels"), LABELS),
        st.tuples(st.just("tick"), st.integers(1, 9)),
        st.tuples(st.just("lost"), st.integers(1, 9)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=14,
)


class Loop:
    """Files on one side, the row log on the other, and the engine's way of taking rows in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.harness = RowLogHarness(folder / "log")
        self.files = 0
        self.open()

    def open(self) -> None:
        self.harness.restart()
        self.harness.log.sweep()
        self.rows_source = open_files(self.folder)
        columns = label_columns(self.harness.data, "binary")
        self.labels_source = FilesSource("labels", self.folder, columns)

    def add_rows(self, ids: list[str]) -> None:
        table = build_rows(ids)
        # The same id always has the same event, some days apart from the others.
        at = [START + timedelta(hours=7 * ROWS.index(one)) for one in ids]
        table = table.set_column(1, table.schema.field(1), pa.array(at, pa.timestamp("us", tz="UTC")))
        self._write("rows", table)

    def add_labels(self, labels: list[tuple[str, float]]) -> None:
        self._write("labels", build_labels(dict(labels)))

    def _write(self, kind: str, table: Any) -> None:
        self.files += 1
        write_parquet(self.folder / f"{kind}/{self.files:03}.parquet", table, row_group_size=3)

    def tick(self, limit: int) -> bool:
        log, state = self.harness.log, self.harness.state
        labels = self.labels_source.read(state.labels_cursor, limit)
        self._commit(log.write_labels(labels, state, NOW), labels, labels=True)
        state = self.harness.state
        rows = self.rows_source.read(state.rows_cursor, limit)
        self._commit(log.write_rows(rows, state, NOW), rows, labels=False)
        return labels.more or rows.more

    def _commit(self, ingested: Ingested, read: SourceRead, *, labels: bool) -> None:
        state = self.harness.state
        following = replace(
            state,
            sequence=state.sequence + 1,
            rows_total=state.rows_total + ingested.accepted,
            labels_cursor=read.cursor if labels else state.labels_cursor,
            rows_cursor=state.rows_cursor if labels else read.cursor,
        )
        with self.harness.store.write() as tx:
            tx.save_ingest_state(POLICY, following)
            tx.add_segments(ingested.segments)
            tx.remove_segments(POLICY, ingested.replaced)
        self.harness.log.adopt(ingested)

    def lose(self, limit: int) -> None:
        """A tick whose first transaction is lost."""
        self.harness.store.fails = True
        with pytest.raises(OSError, match="lost"):
            self.tick(limit)
        self.harness.store.fails = False


def run(loop: Loop, steps: list[tuple[str, Any]]) -> dict[str, float | None]:
    """Take the steps, then tick until nothing moves; return what the row log must hold."""
    rows: set[str] = set()
    labels: dict[str, float] = {}
    for kind, argument in steps:
        if kind == "rows":
            loop.add_rows(argument)
            rows |= set(argument)
        elif kind == "labels":
            while loop.tick(100):
                pass
            loop.add_labels(argument)
            labels |= dict(argument)
        elif kind == "tick":
            loop.tick(argument)
        elif kind == "lost":
            loop.lose(argument)
        else:
            loop.open()
    while loop.tick(5):
        pass
    return {one: labels.get(one) for one in rows}


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_any_way_of_arrival_gives_each_row_once_with_its_latest_label(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(Path(folder))
        expected = run(loop, steps)
        found = loop.harness.read("row_id", "label")
        assert dict(found) == expected
        assert len(found) == len(expected)
        assert [one for one, _ in found] == sorted(expected, key=ROWS.index)
        assert loop.harness.state.rows_total == len(expected)
        loop.open()
        assert loop.harness.read("row_id", "label") == found
        assert loop.harness.files() == {one.path for one in loop.harness.store.tables.rows.values()} | {
            path.relative_to(loop.harness.folder).as_posix()
            for path in (loop.harness.folder / "flights/rejected").rglob("*.parquet")
        }
