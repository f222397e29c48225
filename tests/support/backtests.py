"""History for backtests, and a crew that works at once: trainings and scores are those of slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctrain.backtest.history import History, load_history
from ctrain.backtest.perform import Choices, Room, perform
from ctrain.backtest.result import Backtest
from ctrain.backtest.stage import Crew
from ctrain.backtest.trainer import Trained
from ctrain.domain import RunId, ScoreJob, ScoreStatus, TrainingJob
from ctrain.policy.files import LoadedPolicy, parse_policy
from ctrain.ports import Store
from ctrain.store import open_store
from tests.support.fakes import FakeAnalyst, Model
from tests.support.slopes import fit_slope, sigmoid

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

POLICY = """
version: 1
policy: clicks
model: {name: clicks, task: binary, metric: brier}
data:
  source: {type: files, path: rows.parquet}
  labels: {label: y, matures_after: 2h}
  id: id
  event_time: {column: at}
  prediction: score
  features: {numeric: [x, t], categorical: [kind]}
  pane: 1h
  allowed_lateness: 0h
monitors:
  inputs: {type: drift, columns: [x, kind], window: 8h, min_rows: 100, min_effect: 0.15}
  brier: {type: performance, metric: brier, window: 12h, above: 0.2, min_rows: 100}
triggers:
  degraded: {any: [brier], for: 2h}
limits: {cooldown: 2h, min_new_labels: 50}
train:
  entrypoint: clicks:train
  window: {last: 12h}
  timeout: 1h
gates:
  - {metric: roc_auc, min: 0.55}
shadow: {margin: 0.01, block: 1h, min_rows: 100, min_duration: 8h, max_duration: 2d}
probation: {duration: 8h, margin: 0.05, min_rows: 100}
"""


def make_rows(hours: int, turn_at: int, *, per_hour: int = 20, seed: int = 3) -> pa.Table:
    """Rows of ``hours`` hours; from the hour ``turn_at`` on, ``x`` means the opposite.

    ``t`` is the hour of the row, so that it shows which rows somebody has seen.
    """
    random = np.random.default_rng(seed)
    n = hours * per_hour
    t = np.arange(n) / per_hour
    x = random.normal(0, 1, n)
    slope = np.where(t < turn_at, 2.0, -2.0)
    at = [START + timedelta(hours=float(hour)) for hour in t]
    return pa.table(
        {
            "id": [str(number) for number in range(n)],
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "x": pa.array(x),
            "t": pa.array(t),
            "kind": pa.array(random.choice(["a", "b"], n)),
            "score": pa.array(np.full(n, 0.123)),
            "y": pa.array((random.random(n) < sigmoid(slope * x)).astype(float)),
        }
    )


def write_history(
    folder: Path, rows: pa.Table, text: str = POLICY, environ: Mapping[str, str] | None = None
) -> LoadedPolicy:
    """The policy beside its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / "rows.parquet")
    path = folder / "clicks.yaml"
    path.write_text(text)
    return parse_policy(text, path, environ or {})


@dataclass
class SlopeTrainer:
    """Fits at once; ``seconds`` is what each training takes."""

    seconds: float = 60.0
    fit: Callable[[pa.Table, Mapping[str, object]], Model] = fit_slope
    seen: dict[RunId, tuple[float, float]] = field(default_factory=dict)
    """First and last hour of the rows that each run was given."""
    models: dict[str, Model] = field(default_factory=dict)
    trained: dict[str, Trained] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def total_seconds(self) -> float:
        return self.seconds * len(self.trained)

    def submit(self, job: TrainingJob) -> str:
        rows = pq.read_table(Path(job.folder) / "rows.parquet")
        hours = rows["t"].to_numpy()
        self.seen[job.run_id] = (float(hours.min()), float(hours.max()))
        key = f"model-{next(self._numbers)}"
        self.models[key] = self.fit(rows, self.params)
        self.trained[key] = Trained(
            folder=key, seconds=self.seconds, rows=rows.num_rows, digest=key, content_digest=key
        )
        return key

    def result(self, key: str) -> Trained | None:
        return self.trained[key]


@dataclass
class SlopeScorer:
    """Scores at once with the trainer's models; remembers the latest hour that each model was shown."""

    trainer: SlopeTrainer
    latest: dict[str, float] = field(default_factory=dict)
    states: dict[str, ScoreStatus] = field(default_factory=dict)

    def submit(self, job: ScoreJob) -> None:
        rows = pq.read_table(job.rows_path)
        source = job.version.source
        scores = self.trainer.models[source](rows)
        self.latest[source] = max(self.latest.get(source, 0.0), float(pc.max(rows["t"]).as_py()))
        pq.write_table(rows.select(["row_id"]).append_column("score", pa.array(scores)), job.output_path)
        self.states[job.key] = ScoreStatus("done")

    def poll(self, key: str) -> ScoreStatus:
        return self.states.get(key, ScoreStatus("absent"))

    def forget(self, key: str) -> None:
        self.states.pop(key, None)


@dataclass
class Played:
    """A backtest and who took part in it."""

    found: Backtest
    trainer: SlopeTrainer
    history: History
    folder: Path

    def state(self) -> Store:
        """What the policy's own store holds at the end."""
        return open_store(f"sqlite:///{self.folder / 'policy' / 'state.db'}")


def play(
    folder: Path,
    loaded: LoadedPolicy,
    choices: Choices | None = None,
    seconds: float = 60.0,
    fit: Callable[[pa.Table, Mapping[str, object]], Model] = fit_slope,
    progress: Callable[[str, float], None] = lambda _name, _share: None,
    side_by_side: int = 1,
    redact: Callable[[str], str] = str,
) -> Played:
    """Backtest a policy over the history beside it, without a child."""
    trainer = SlopeTrainer(seconds, fit)
    crew = Crew(trainer, SlopeScorer(trainer), FakeAnalyst, redact)
    room = Room(
        folder, lambda path: open_store(f"sqlite:///{path}", durable=False), crew, progress, side_by_side
    )
    history = load_history(loaded.policy, loaded.folder)
    found = perform(loaded, history, room, choices or Choices(baselines=(), step=2 * HOUR))
    return Played(found, trainer, history, folder)
