"""The real program: ``ctrain run`` as a process over a folder of files, on a clock that tests move.

One feature decides: ``y`` is 1 with probability ``sigmoid(slope * x)``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.clocks import StreamClockFile
from tests.support.ports import free_port
from tests.support.prepared import lay_out_mlflow
from tests.waiting import wait_until

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
  features: {numeric: [x, z]}
  pane: 1h
  allowed_lateness: 1h
monitors:
  inputs: {type: drift, window: 6h, min_rows: 100, fdr: 0.01, min_effect: 0.15}
  brier: {type: performance, metric: brier, window: 12h, above: 0.01, min_rows: 100}
triggers:
  degraded: {any: [brier]}
limits: {cooldown: 6h, budget: {runs: 10, training_time: 10h, per: 30d}, min_new_labels: 50}
train: {entrypoint: "clicks:train", window: {all: true}, timeout: 5m, retries: 0}
gates:
  - {metric: roc_auc, min: 0.55}
shadow: {alpha: 0.05, margin: 0.1, block: 1h, min_rows: 200, min_duration: 6h, max_duration: 8d}
probation: {duration: 30d, alpha: 0.05, margin: 0.1, min_rows: 200}
"""

TRAINING = """
from sklearn.linear_model import LogisticRegression


def train(rows, context):
    return LogisticRegression().fit(rows[list(context.feature_names)], rows[context.label].astype(int))
"""


@dataclass
class LiveClicks:
    """A folder that production writes to, and the daemon that watches it."""

    folder: Path
    listen: str
    policy_text: str = POLICY
    slope: float = 2.0
    rows_per_hour: int = 40
    hour: int = 0
    alive: Any = None
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __post_init__(self) -> None:
        for name in ("rows", "labels", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "clicks.yaml").write_text(self.policy_text)
        (self.folder / "clicks.py").write_text(TRAINING)
        lay_out_mlflow(self.home)
        self.clock = StreamClockFile(self.home)
        self.clock.set(START)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def land(self, hours: int, step: int = 6) -> None:
        """Production serves ``hours`` more hours, ``step`` at a time; labels come with their rows."""
        for _ in range(0, hours, step):
            rows, labels = self._serve(step)
            pq.write_table(rows, self.folder / "rows" / f"{self.hour:05d}.parquet")
            pq.write_table(labels, self.folder / "labels" / f"{self.hour:05d}.parquet")
            self.hour += step
            self.clock.set(self.now)
            self.clock.wait_until_quiet(self.now, 120.0, lambda: self.alive is None or self.alive())

    @property
    def now(self) -> datetime:
        return START + HOUR * self.hour

    def _serve(self, hours: int) -> tuple[pa.Table, pa.Table]:
        n = self.rows_per_hour * hours
        seconds = np.sort(self.random.uniform(0, 3600 * hours, n))
        at = [self.now + timedelta(seconds=float(one)) for one in seconds]
        x, z = self.random.normal(size=n), self.random.normal(size=n)
        y = (self.random.random(n) < 1 / (1 + np.exp(-self.slope * x))).astype(float)
        ids = [f"{self.hour}-{number}" for number in range(n)]
        instants = pa.array(at, pa.timestamp("us", "UTC"))
        rows = pa.table({"id": ids, "at": instants, "x": pa.array(x), "z": pa.array(z)})
        return rows, pa.table({"id": ids, "y": pa.array(y)})

    def ask(self, *words: str) -> Any:
        """A command as a person types it, answered as JSON; AssertionError with its words when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "ctrain", *words, "--home", str(self.home), "--json"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def answers(self) -> bool:
        """The daemon says that it is ready."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """``ctrain run`` from ready to a clean stop; its log is ``daemon.log`` in the home."""
        log_path = self.home / "daemon.log"
        command = ["run", str(self.folder / "clicks.yaml"), "--home", str(self.home), "--listen", self.listen]
        with log_path.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "ctrain", *command],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            self.alive = lambda: child.poll() is None
            try:
                wait_until(lambda: self.answers() or child.poll() is not None, 60, "the daemon is ready")
                assert child.poll() is None, log_path.read_text()
                yield child
            finally:
                child.terminate()
                child.wait(timeout=60)


def environment() -> Mapping[str, str]:
    """The environment without addresses of somebody's own services."""
    foreign = {"MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"}
    return {
        **{name: value for name, value in os.environ.items() if name not in foreign},
        "CTRAIN_ACTOR": "ann",
        "CTRAIN_CONSOLE": "0",
    }


def open_live(folder: Path, **changes: Any) -> LiveClicks:
    """A folder with a policy, a home on stream time and a free port for the daemon."""
    return LiveClicks(folder, f"127.0.0.1:{free_port()}", **changes)
