"""A small world for the engine: real store, row log and files; the registry, training and scoring are fakes.

The truth is one feature: ``y`` is 1 with probability ``sigmoid(slope * x)``, and the slope or the
mean of ``x`` can be changed as time passes. Models are slopes too, so which of two is better is known.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctrain.domain import (
    AnalysisJob,
    Decision,
    Json,
    Phase,
    PolicyName,
    Request,
    RequestKind,
    Run,
    Verdict,
    Version,
)
from ctrain.engine.condition_meanings import note_conditions
from ctrain.engine.tick import Ticked, tick
from ctrain.engine.watch import Watch
from ctrain.policy.files import LoadedPolicy, parse_policy
from ctrain.rows import ParquetRowLogs
from ctrain.rows.workspace import FolderWorkspace
from ctrain.sources.opening import FileSources
from ctrain.store import open_store
from tests.support.fakes import (
    FakeAnalyst,
    FakeClock,
    FakeLauncher,
    FakeMetricServer,
    FakeRegistry,
    FakeScorer,
    FakeTimer,
    Model,
    QuietTelemetry,
    unremarkable,
)
from tests.support.slopes import fit_slope, sigmoid, slope_model
from tests.support.wires import Listener, Wired, WiredStore

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

POLICY = """
version: 1
policy: clicks
model: {name: clicks, task: binary, metric: brier}
data:
  source: {type: files, path: rows/*.parquet}
  labels: {source: {type: files, path: labels/*.parquet}, id: id, label: y, matures_after: 2h}
  id: id
  event_time: {column: at}
  prediction: score
  model_version: version
  features: {numeric: [x, z], categorical: [kind]}
  pane: 1h
  allowed_lateness: 1h
monitors:
  inputs: {type: drift, window: 6h, min_rows: 100, fdr: 0.01, min_effect: 0.15}
  error: {type: change, detector: page_hinkley, hold: 6h, run_length: 100000, min_rows: 100}
  brier: {type: performance, metric: brier, window: 12h, above: 0.24, min_rows: 100}
  fresh: {type: freshness, max_age: 6h}
triggers:
  degraded: {any: [brier], for: 2h}
limits: {cooldown: 1d, min_new_labels: 50}
train:
  entrypoint: clicks:train
  window: {last: 36h}
  timeout: 1h
  retries: 1
gates:
  - {metric: roc_auc, min: 0.55}
  - {metric: brier, not_worse_than_champion_by: 0.01}
shadow: {alpha: 0.05, margin: 0.002, block: 1h, min_rows: 200, min_duration: 1d, max_duration: 8d}
probation: {duration: 2d, alpha: 0.05, margin: 0.02, min_rows: 200}
"""


@cache
def _parsed(text: str) -> LoadedPolicy:
    """Parsing takes longer than opening all the rest."""
    return parse_policy(text, Path("clicks.yaml"), {})


class Produced(NamedTuple):
    """The rows of an hour on their way from production."""

    hour: int
    rows: pa.Table


@dataclass
class World:
    """Production, its data and one watched policy."""

    folder: Path
    policy_text: str = POLICY
    seed: int = 7
    slope: float = 2.0
    shift: float = 0.0
    correlation: float = 0.0
    """Of ``z`` with ``x``; whatever it is, each by itself looks the same."""
    rows_per_hour: int = 40
    logs_scores: bool = True
    more: tuple[str, ...] = ()
    """Further columns, of noise."""
    train: Callable[[pa.Table, Mapping[str, object]], Model] = fit_slope
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    telemetry: QuietTelemetry = field(default_factory=QuietTelemetry)
    answers: Callable[[AnalysisJob], Json] = unremarkable
    """What an analyst finds."""
    address: str = ""
    """Of the database; a file in the home unless told."""
    listener: Listener | None = None
    """Hears of every call of the engine to the world outside it, and of every commit."""

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.hour = 0
        self.pending: list[tuple[int, pa.Table]] = []
        (self.folder / "rows").mkdir(parents=True, exist_ok=True)
        (self.folder / "labels").mkdir(exist_ok=True)
        (self.folder / "clicks.yaml").write_text(self.policy_text)
        self.launcher = FakeLauncher(self.registry, self.train)
        self.metrics = FakeMetricServer()
        self._open_store()
        self.open()

    def branch(self, folder: Path) -> World:
        """A world of its own that stands where this one stands."""
        self.store.close()
        shutil.copytree(self.folder, folder)
        twin = copy.copy(self)
        twin.folder = folder
        state = (self.random, self.pending, self.clock, self.registry, self.launcher, self.telemetry)
        twin.random, twin.pending, twin.clock, twin.registry, twin.launcher, twin.telemetry = copy.deepcopy(
            state
        )
        twin.listener = None
        twin._open_store()
        twin.open()
        return twin

    def _open_store(self) -> None:
        """Once for every world: it holds nothing but statements that it need not compile again."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        self.store = open_store(self.address or f"sqlite:///{home / 'state.db'}")

    def edit(self, policy_text: str) -> None:
        """Change the policy's file, and start anew with it, as a daemon does."""
        before = self.watch.policy
        self.policy_text = policy_text
        (self.folder / "clicks.yaml").write_text(policy_text)
        self.open()
        for policy in (before, self.watch.policy):
            with self.store.write() as tx:
                note_conditions(tx, policy)

    def open(self) -> None:
        """Start the engine's side anew, as after a crash: only files and the database remain."""
        home = self.folder / "home"
        self.scorer = FakeScorer(self.registry)
        self.analyst = FakeAnalyst(home / "runs", self.answers)
        path = self.folder / "clicks.yaml"
        loaded = replace(_parsed(path.read_text()), path=path)
        self.name = PolicyName(loaded.policy.policy)
        row_logs = ParquetRowLogs(home / "rows", self.store)
        row_log = row_logs.open(self.name, loaded.policy.data, loaded.policy.model.task)
        row_log.sweep()
        sources = FileSources()
        self.watch = Watch(
            loaded=loaded,
            store=WiredStore(self.store, self._tell),
            registry=self._wired(self.registry, "registry"),
            launcher=self._wired(self.launcher, "launcher"),
            scorer=self._wired(self.scorer, "scorer"),
            analyst=self._wired(self.analyst, "analyst"),
            workspace=self._wired(FolderWorkspace(home / "runs"), "workspace"),
            telemetry=self.telemetry,
            clock=self.clock,
            timer=FakeTimer(),
            row_log=self._wired(row_log, "row_log"),
            rows_source=self._wired(sources.open_rows(loaded.policy, self.folder), "rows_source"),
            labels_source=self._wired(sources.open_labels(loaded.policy, self.folder), "labels_source"),
            reference_file=sources.open_reference(loaded.policy, self.folder),
            metric_server=self.metrics,
            parse_snapshot=lambda text, path: replace(_parsed(text), path=Path(path)),
            registry_poll_seconds=0.0,
            watched_since=START,
        )

    def _wired(self, port: Any, name: str) -> Any:
        return Wired(port, name, self._tell)

    def _tell(self, call: str, moment: str, arguments: tuple[Any, ...]) -> None:
        if self.listener is not None:
            self.listener(call, moment, arguments)

    def install(self, slope: float, tags: Mapping[str, str] | None = None) -> Version:
        """Let a model that ctrain did not train serve from now on."""
        version = self.registry.register(slope_model(slope), tags or {}, recorded=False)
        self.registry.aliases["champion"] = version
        return version

    def land(self, hours: int = 1) -> None:
        """Production serves ``hours`` more hours; each hour's labels land an hour after it."""
        for _ in range(hours):
            self.put_rows(self.produce())

    def land_together(self, hours: int) -> None:
        """Production serves ``hours`` more hours; rows and labels, but for the last, land in one file."""
        produced = [self.produce() for _ in range(hours)]
        labels = pa.concat_tables([table for _, table in self.pending[:-1]])
        self.pending = [(produced[0].hour, labels), self.pending[-1]]
        self.put_rows(Produced(produced[-1].hour, pa.concat_tables([one.rows for one in produced])))

    def produce(self) -> Produced:
        """Serve an hour whose rows have not landed yet; its labels land when later rows do."""
        rows, labels = self._hour()
        self.pending.append((self.hour, labels))
        produced = Produced(self.hour, rows)
        self.hour += 1
        self.clock.instant = START + HOUR * self.hour
        return produced

    def put_rows(self, produced: Produced) -> None:
        """Let rows land, and the labels of all hours before them."""
        pq.write_table(produced.rows, self.folder / "rows" / f"{produced.hour:05d}.parquet")
        while self.pending and self.pending[0][0] < produced.hour:
            number, labels = self.pending.pop(0)
            pq.write_table(labels, self.folder / "labels" / f"{number:05d}.parquet")

    def _answers(self, x: np.ndarray) -> np.ndarray:
        return (self.random.random(len(x)) < sigmoid(self.slope * x)).astype(float)

    def _correlated(self, x: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return np.asarray(self.correlation * x + np.sqrt(1 - self.correlation**2) * noise)

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        n = self.rows_per_hour
        minutes = np.sort(self.random.uniform(0, 3600, n))
        at = [START + HOUR * self.hour + timedelta(seconds=float(second)) for second in minutes]
        x = self.random.normal(self.shift, 1.0, n)
        y = self._answers(x)
        ids = [f"{self.hour}-{number}" for number in range(n)]
        rows = pa.table(
            {
                "id": ids,
                "at": pa.array(at, pa.timestamp("us", "UTC")),
                "x": pa.array(x),
                "z": pa.array(self._correlated(x - self.shift, self.random.normal(0, 1, n))),
                "kind": pa.array(self.random.choice(["a", "b", "c"], n)),
            }
        )
        for name in self.more:
            rows = rows.append_column(name, pa.array(self.random.normal(0, 1, n)))
        version = self.registry.aliases.get("champion")
        logged = version is not None and self.logs_scores
        scores = self.registry.models[version](rows) if version and logged else np.full(n, np.nan)
        rows = rows.append_column("score", pc.if_else(pc.is_nan(pa.array(scores)), None, pa.array(scores)))
        rows = rows.append_column("version", pa.array([version] * n, pa.string()))
        return rows, pa.table({"id": ids, "y": pa.array(y)})

    def tick(self) -> Ticked:
        return tick(self.watch)

    def settle(self, limit: int = 200) -> int:
        """Tick until nothing is left to do; how many ticks it took."""
        for count in range(limit):
            if self.tick().quiet:
                return count
        raise AssertionError("the engine never comes to rest")

    def settle_but_wait(self, limit: int = 50) -> None:
        """Tick until nothing moves, although something may be waited for."""
        for _ in range(limit):
            if not self.tick().moved:
                return
        raise AssertionError("the engine never comes to rest")

    def live(self, hours: int, step: int = 1) -> None:
        """Land and settle ``step`` hours at a time."""
        for _ in range(0, hours, step):
            self.land(step)
            self.settle()

    def ask(self, kind: RequestKind, **arguments: object) -> Request:
        """Put a person's request on record and let the engine answer it."""
        with self.store.write() as tx:
            number = tx.add_request(Request(0, self.name, kind, "ada", self.clock.now(), arguments))
        self.settle()
        with self.store.read() as tx:
            answered = tx.request(number)
        assert answered is not None
        return answered

    def reach(self, phase: Phase, hours: int = 200) -> World:
        """Land an hour at a time until the newest run stands in ``phase``, just arrived there."""
        for _ in range(hours):
            self.land()
            for _ in range(100):
                ticked = self.tick()
                if self.runs() and self.runs()[-1].phase is phase:
                    return self
                if ticked.quiet:
                    break
        raise AssertionError(f"{phase} is not reached: {[run.phase for run in self.runs()]}")

    def runs(self) -> list[Run]:
        """Oldest first."""
        with self.store.read() as tx:
            return tx.runs(self.name)[::-1]

    def verdicts(self) -> list[Verdict]:
        """Oldest first."""
        with self.store.read() as tx:
            return tx.verdicts(self.name, limit=100_000)[::-1]

    def decisions(self) -> list[Decision]:
        with self.store.read() as tx:
            return [decision for decision, *_ in tx.decisions(self.name, limit=1000)][::-1]

    def kinds(self) -> list[str]:
        """Kinds of the events, oldest first."""
        with self.store.read() as tx:
            return [event.kind for event in tx.events(self.name, limit=10_000)][::-1]
