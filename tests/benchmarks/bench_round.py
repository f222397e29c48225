"""What a round of fresh rows costs the daemon: CPU, commits, flushes to the disk and queries.

A round is one new file of each policy, taken in and judged; the daemon's own wiring does it, in one
thread. Registry, launcher and scorer are fakes that answer at once, and writing the files is not counted.
Run as ``python -m tests.benchmarks.bench_round``; the disk flushes of the database are its commits.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app.wiring import Shell, watch_policy
from ctrain.domain import PolicyName
from ctrain.domain.leases import policy_lease
from ctrain.engine.tick import tick
from ctrain.engine.watch import Watch
from ctrain.policy.files import parse_policy
from ctrain.rows import ParquetRowLogs
from ctrain.rows.workspace import FolderWorkspace
from ctrain.settings import Settings
from ctrain.sources.opening import FileSources
from ctrain.store import SqlStore, open_store
from ctrain.store.database import READ_ONLY
from ctrain.telemetry import PrometheusTelemetry, open_log
from tests.benchmarks.load_policies import BUSY
from tests.benchmarks.measuring import markdown
from tests.support.fakes import FakeAnalyst, FakeClock, FakeLauncher, FakeRegistry, FakeScorer, unremarkable
from tests.support.postgres import running_cluster
from tests.support.slopes import fit_slope, sigmoid, slope_model

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(seconds=10)
WARM_UP = 30
"""Rounds before it is measured: references exist, every monitor has enough rows."""
COUNTED = 12


class Timer:
    """Real time that goes with the clock of the data."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return (self._clock.now() - START).total_seconds()


@dataclass
class Counts:
    """What happened since it was made: commits of writes, reading transactions, queries, flushed files."""

    numbers: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def watching(self, store: SqlStore) -> Iterator[None]:
        engine = store._engine
        synced = os.fsync

        def fsync(descriptor: Any) -> None:
            self.numbers["fsyncs"] += 1
            synced(descriptor)

        def commit(connection: Any) -> None:
            reading = connection.get_execution_options().get(READ_ONLY)
            self.numbers["reads" if reading else "commits"] += 1

        def query(*_: Any) -> None:
            self.numbers["queries"] += 1

        listeners = (("commit", commit), ("before_cursor_execute", query))
        for name, listener in listeners:
            event.listen(engine, name, listener)
        with mock.patch("os.fsync", fsync):
            yield
        for name, listener in listeners:
            event.remove(engine, name, listener)


class Fleet:
    """Watched policies that all get a file of rows, and one of earlier rows' labels, every ten seconds."""

    def __init__(self, folder: Path, address: str, policies: int, rows: int, pane: int) -> None:
        self.folder, self.rows = folder, rows
        self.random = np.random.default_rng(7)
        self.clock = FakeClock(START)
        self.registry = FakeRegistry()
        self.registry.aliases["champion"] = self.registry.register(slope_model(2.0), {}, recorded=False)
        self.store = open_store(address)
        self.round = 0
        self.labels: dict[PolicyName, pa.Table] = {}
        shell = self._shell(Settings.load(folder / "home", {}))
        self.watches = [self._watch(shell, f"p{number}", pane) for number in range(policies)]

    def _shell(self, settings: Settings) -> Shell:
        registry: Any = self.registry
        log = open_log(environ={}, stream=io.StringIO())
        return Shell(
            settings=settings,
            store=self.store,
            registry=registry,
            launcher=FakeLauncher(self.registry, fit_slope),
            scorer=FakeScorer(self.registry),
            analyst=FakeAnalyst(settings.runs_folder, unremarkable),
            workspace=FolderWorkspace(settings.runs_folder),
            row_logs=ParquetRowLogs(settings.rows_folder, self.store),
            sources=FileSources(),
            telemetry=PrometheusTelemetry(log, "bench"),
            clock=self.clock,
            timer=Timer(self.clock),
        )

    def _watch(self, shell: Shell, name: str, pane: int) -> Watch:
        for kind in ("rows", "labels"):
            (self.folder / name / kind).mkdir(parents=True)
        loaded = parse_policy(
            BUSY.format(name=name, data=name, pane=pane, matures="20s"), self.folder / f"{name}.yaml", {}
        )
        lease = policy_lease(PolicyName(name))
        with self.store.write() as tx:
            token = tx.acquire_lease(lease, "bench", tx.database_now(), timedelta(days=1))
        assert token is not None
        return watch_policy(shell, loaded, (lease, token))

    def land(self) -> None:
        """A new file for each policy; labels land one round after their rows."""
        for watch in self.watches:
            rows, labels = self._produced()
            name = f"{self.round:06d}.parquet"
            pq.write_table(rows, self.folder / watch.name / "rows" / name)
            if watch.name in self.labels:
                pq.write_table(self.labels[watch.name], self.folder / watch.name / "labels" / name)
            self.labels[watch.name] = labels
        self.round += 1
        self.clock.instant = START + self.round * TICK

    def _produced(self) -> tuple[pa.Table, pa.Table]:
        n, first = self.rows, int((START + self.round * TICK).timestamp() * 1e6)
        x = self.random.normal(size=n)
        ids = [f"{self.round}-{number}" for number in range(n)]
        at = np.sort(self.random.integers(0, 10**7, n)) + first
        columns: dict[str, Any] = {
            "id": ids,
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            **{"x": x, "z": self.random.normal(size=n), "w": self.random.normal(size=n)},
            "kind": self.random.choice(list("abcd"), n),
            "place": self.random.choice(list("uvw"), n),
            "score": sigmoid(2 * x),
            "version": ["1"] * n,
        }
        answers = (self.random.random(n) < sigmoid(2 * x)).astype(float)
        return pa.table(columns), pa.table({"id": pa.array(ids), "y": pa.array(answers)})

    def tick(self) -> int:
        """Tick every policy until nothing moves; how many ticks that took."""
        ticks = 0
        for watch in self.watches:
            busy = True
            while busy:
                ticked, ticks = tick(watch), ticks + 1
                busy = ticked.moved and not ticked.rests
        return ticks


def measure(fleet: Fleet, rounds: int) -> list[str]:
    """CPU milliseconds (the median of rounds) and the counts of a round of one policy."""
    for _ in range(WARM_UP):
        fleet.land()
        fleet.tick()
    counts, cpu, ticks = Counts(), [], 0
    for _ in range(rounds):
        fleet.land()
        started = time.process_time()
        fleet.tick()
        cpu.append((time.process_time() - started) / len(fleet.watches))
    with counts.watching(fleet.store):  # to count takes time
        for _ in range(COUNTED):
            fleet.land()
            ticks += fleet.tick()
    taken = COUNTED * len(fleet.watches)
    each = [f"{counts.numbers[name] / taken:.1f}" for name in ("commits", "reads", "queries", "fsyncs")]
    return [f"{1000 * median(cpu):.1f}", *each, f"{ticks / taken:.1f}"]


def table(policies: int, rounds: int, rows: int, stores: list[str]) -> str:
    headings = ("store", "policies", "a pane", "CPU ms", "commits", "reads", "queries", "fsyncs", "ticks")
    lines = []
    for store in stores:
        with running_cluster() if store == "postgresql" else nullcontext() as cluster:
            for amount in (1, policies):
                for pane in (10, 60):
                    with tempfile.TemporaryDirectory(prefix="ctrain-round-") as name:
                        address = cluster.create() if cluster else f"sqlite:///{name}/state.db"
                        fleet = Fleet(Path(name), address, amount, rows, pane)
                        cells = measure(fleet, max(rounds * policies // amount // 10, 12))
                        fleet.store.close()
                        lines.append([store, str(amount), f"{pane} s", *cells])
    return markdown(headings, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--policies", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    asked = parser.parse_args()
    print(table(asked.policies, asked.rounds, asked.rows, asked.store or ["sqlite", "postgresql"]))
