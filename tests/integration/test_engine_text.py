"""The engine over logs of text: a log that grows and rotates is as good as Parquet files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from ctrain.domain import Phase, RequestKind
from tests.support.world import POLICY, Produced, World

TEXT_POLICY = POLICY.replace("path: rows/*.parquet", "path: rows").replace(
    "path: labels/*.parquet", "path: labels/labels.csv, types: {y: number}"
)


class TextWorld(World):
    """Production appends rows to JSON lines that rotate twice a day, and labels to one CSV file."""

    def put_rows(self, produced: Produced) -> None:
        log = self.folder / "rows/app.jsonl"
        if produced.hour % 12 == 0 and log.exists():
            log.rename(log.with_name(f"app.jsonl-{produced.hour:05d}"))
        times = [str(one).replace(" ", "T") for one in produced.rows["at"].to_pylist()]
        rows = produced.rows.set_column(1, "at", pa.array(times)).to_pylist()
        with log.open("a") as file:
            file.writelines(json.dumps(one) + "\n" for one in rows)
            file.write("{broken\n")
        while self.pending and self.pending[0][0] < produced.hour:
            _, labels = self.pending.pop(0)
            self._append_labels(labels)

    def _append_labels(self, labels: pa.Table) -> None:
        path = self.folder / "labels/labels.csv"
        header = not path.exists()
        with path.open("ab") as file:
            csv.write_csv(labels, file, csv.WriteOptions(include_header=header))


def live(world: World) -> World:
    world.live(48, step=24)
    world.ask(RequestKind.TRIGGER, reason="first model")
    world.live(12, step=4)
    return world


def test_verdicts_are_those_of_the_same_rows_in_parquet(tmp_path: Path) -> None:
    tables = live(World(tmp_path / "tables", rows_per_hour=30))
    texts = live(TextWorld(tmp_path / "texts", TEXT_POLICY, rows_per_hour=30))
    assert [run.phase for run in texts.runs()] == [run.phase for run in tables.runs()] == [Phase.ACCEPTED]
    seen = [
        [(one.monitor, one.status, one.value, one.n, one.as_of) for one in world.verdicts()]
        for world in (tables, texts)
    ]
    assert seen[0] == seen[1]
    assert len(seen[0]) > 50
    with texts.store.read() as tx:
        state = tx.ingest_state(texts.name)
    assert (state.rows_total, state.labels_total, state.duplicates_total) == (60 * 30, 59 * 30, 0)
    assert dict(state.rejected_total) == {"bad_json": 60}
