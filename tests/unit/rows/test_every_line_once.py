"""However a log of text grows, rotates and is interrupted, each of its rows is in the row log once."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.parquet_rows import START, build_rows, open_files
from tests.row_logs import NOW, POLICY, RowLogHarness
from tests.text_rows import packed, text_of, zstd

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 6)),
        st.tuples(st.just("append part"), st.integers(1, 6)),
        st.tuples(st.just("rotate"), st.sampled_from(["rename", "copy", "gzip", "zstd"])),
        st.tuples(st.just("rewrite"), st.integers(1, 4)),
        st.tuples(st.just("tick"), st.integers(1, 5)),
        st.tuples(st.just("lost"), st.integers(1, 5)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=16,
)


class Log:
    """A program that writes rows into one file, and ctrain that reads them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / "rows" / name
        self.path.parent.mkdir(parents=True)
        self.folder = folder
        self.harness = RowLogHarness(folder / "log")
        self.source = open_files(folder)
        self.written = 0
        self.pending = b""
        self.handed_on = 0

    def _rows(self, count: int) -> pa.Table:
        ids = [f"row-{at}" for at in range(self.written, self.written + count)]
        self.written += count
        return build_rows(ids, start=START + timedelta(minutes=10 * self.written))

    def _write(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)

    def append(self, count: int) -> None:
        self.finish()
        header = not self.path.exists() or not self.path.stat().st_size
        self._write(packed(self.path.name, text_of(self.path.name, self._rows(count), header=header)))

    def append_part(self, count: int) -> None:
        """Only a part reaches the file; the rest comes with whatever is written next."""
        self.finish()
        header = not self.path.exists() or not self.path.stat().st_size
        content = packed(self.path.name, text_of(self.path.name, self._rows(count), header=header))
        half = len(content) * 2 // 3
        self._write(content[:half])
        self.pending = content[half:]

    def finish(self) -> None:
        self._write(self.pending)
        self.pending = b""

    def rotate(self, how: str) -> None:
        if not self.path.exists():
            return
        self.finish()
        for number in range(len(list(self.path.parent.iterdir())), 0, -1):
            for old in self.path.parent.glob(f"{self.path.name}.{number}*"):
                ending = old.name.removeprefix(f"{self.path.name}.{number}")
                old.rename(old.with_name(f"{self.path.name}.{number + 1}{ending}"))
        first = self.path.with_name(f"{self.path.name}.1")
        if how == "copy":
            shutil.copy(self.path, first)
            os.truncate(self.path, 0)
        elif how == "rename" or self.path.suffix in (".gz", ".zst"):
            self.path.rename(first)
        else:
            compress = gzip.compress if how == "gzip" else zstd
            ending = ".gz" if how == "gzip" else ".zst"
            first.with_name(first.name + ending).write_bytes(compress(self.path.read_bytes()))
            self.path.unlink()

    def rewrite(self, count: int) -> None:
        """Another program replaces the file by new rows, once all that was in it has been read."""
        self.finish()
        while self.tick(100):
            pass
        self.path.write_bytes(packed(self.path.name, text_of(self.path.name, self._rows(count))))

    def tick(self, limit: int) -> bool:
        state = self.harness.state
        read = self.source.read(state.rows_cursor, limit)
        assert read.rejected == ()
        assert read.lines == ()
        ingested = self.harness.log.write_rows(read, state, NOW)
        following = replace(
            state,
            sequence=state.sequence + 1,
            rows_total=state.rows_total + ingested.accepted,
            rows_cursor=read.cursor,
        )
        with self.harness.store.write() as tx:
            tx.save_ingest_state(POLICY, following)
            tx.add_segments(ingested.segments)
            tx.remove_segments(POLICY, ingested.replaced)
        self.harness.log.adopt(ingested)
        self.handed_on += sum(batch.table.num_rows for batch in read.batches)
        return read.more

    def lose(self, limit: int) -> None:
        """A tick whose transaction is lost."""
        self.harness.store.fails = True
        with pytest.raises(OSError, match="lost"):
            self.tick(limit)
        self.harness.store.fails = False

    def restart(self) -> None:
        self.harness.restart()
        self.harness.log.sweep()
        self.source = open_files(self.folder)


def run(log: Log, steps: list[tuple[str, Any]]) -> None:
    actions: dict[str, Callable[[Any], object]] = {
        "append": log.append,
        "append part": log.append_part,
        "rotate": log.rotate,
        "rewrite": log.rewrite,
        "tick": log.tick,
        "lost": log.lose,
        "restart": lambda _: log.restart(),
    }
    for kind, argument in steps:
        actions[kind](argument)
    log.finish()
    while log.tick(7):
        pass


@pytest.mark.parametrize("name", ["app.csv", "app.jsonl", "app.csv.gz", "app.jsonl.zst"])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
@example([("append", 1), ("rotate", "rename"), ("rewrite", 1), ("tick", 1), ("rotate", "rename")])
@example([("append", 1), ("rotate", "rename"), ("rewrite", 1), ("lost", 1)])
def test_any_way_a_log_is_kept_gives_each_row_once(name: str, steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), name)
        run(log, steps)
        expected = [f"row-{at}" for at in range(log.written)]
        assert sorted(log.harness.read("row_id")) == sorted((one,) for one in expected)
        assert log.handed_on == log.written, "no row is handed on twice, even before ids are looked at"
