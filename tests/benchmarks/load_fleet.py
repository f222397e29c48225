"""What a load is put on: a folder of policies with champions in an embedded MLflow, and real daemons."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import func, select

from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from ctrain.policy.files import load_policy
from ctrain.registry.embedded import prepare_embedded
from ctrain.rows import ParquetRowLogs
from ctrain.store import SqlStore, open_store
from ctrain.store.schema.observations import ingest_states
from ctrain.telemetry.merged import PROCESS
from tests.benchmarks.load_policies import BUSY, PROBE
from tests.benchmarks.measuring import ROOT
from tests.support.live import environment
from tests.support.ports import free_port
from tests.waiting import wait_until

TICK_SECONDS = 10
MATURE_SECONDS = 10.0
"""After the labels of a file have come, which is with the next file."""
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
PATIENCE_SECONDS = 1800.0
N = TypeVar("N", int, float)


@dataclass
class LoadedDaemon:
    """One real ``ctrain run``."""

    process: subprocess.Popen[bytes]
    listen: str
    log: Path
    seen: psutil.Process = field(init=False)

    def __post_init__(self) -> None:
        self.seen = psutil.Process(self.process.pid)

    def scrape(self) -> str:
        """The text of ``/metrics``, as Prometheus asks for it."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        request = urllib.request.Request(f"http://{self.listen}/metrics", headers=OPENMETRICS)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample of ticks by its name and the values of its labels; workers count together.

        Those of each policy are left out: to read a million lines takes the time that ticks need.
        """
        wanted = ("# TYPE ctrain_tick", "ctrain_tick", "# EOF")
        text = "".join(line for line in self.scrape().splitlines(keepends=True) if line.startswith(wanted))
        families: Any = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # no types there
        found: dict[tuple[str, ...], float] = defaultdict(float)
        for family in families:
            for sample in family.samples:
                labels = [value for name, value in sample.labels.items() if name != PROCESS]
                found[sample.name, *labels] += sample.value
        return found

    def answers(self) -> bool:
        """It says that it is ready."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://{self.listen}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def memory(self) -> tuple[int, int]:
        """Resident bytes of the daemon with its workers, and of their children."""
        return self._of_both(lambda one: one.memory_info().rss)

    def proportional(self) -> int:
        """The same of the daemon with its workers, where pages that processes share count once."""
        return self._of_both(lambda one: one.memory_full_info().pss)[0]

    def cpu_seconds(self) -> tuple[float, float]:
        """Time of the processor that the daemon has had with its workers, and their children."""
        return self._of_both(lambda one: sum(one.cpu_times()[:2]))

    def _of_both(self, measure: Callable[[psutil.Process], N]) -> tuple[N, N]:
        """The sum over the daemon and its workers, and over the processes that they have started."""
        own = measure(self.seen)
        children = own - own
        with suppress(psutil.NoSuchProcess):
            for one in self.seen.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "--worker" in one.cmdline():
                        own += measure(one)
                    else:
                        children += measure(one)
        return own, children

    def failures(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("level") in ("warning", "error")]


@dataclass
class LoadFleet:
    """Policies ``p0...``, of which the last ``probes`` close a pane with each file."""

    folder: Path
    address: str
    policies: int
    probes: int
    pane: int
    every: float
    daemons: list[LoadedDaemon] = field(default_factory=list)
    store: SqlStore = field(init=False)

    def __post_init__(self) -> None:
        for name in ("policies", "home", "data"):
            (self.folder / name).mkdir()
        (self.folder / "policies" / "clicks.py").write_text("def train(rows, context): ...\n")
        matures = f"{self.every + MATURE_SECONDS:g}s"
        for name in (*self.names, *self.probe_names):
            for kind in ("rows", "labels"):
                (self.folder / "data" / name / kind).mkdir(parents=True)
            text = PROBE if name in self.probe_names else BUSY
            text = text.format(name=name, data=f"../data/{name}", pane=self.pane, matures=matures)
            (self.folder / "policies" / f"{name}.yaml").write_text(text)
        self._install_champions(prepare_embedded(self.folder / "home"))
        self.store = open_store(self.address)

    @property
    def names(self) -> list[PolicyName]:
        return [PolicyName(f"p{number}") for number in range(self.policies)]

    @property
    def probe_names(self) -> list[PolicyName]:
        return [PolicyName(f"probe{number}") for number in range(self.probes)]

    def _install_champions(self, tracking_uri: str) -> None:
        """One small model, registered under every name."""
        import mlflow.sklearn
        import numpy as np
        from mlflow.tracking import MlflowClient
        from sklearn.linear_model import LogisticRegression

        random = np.random.default_rng(3)
        x = random.normal(size=(200, 3))
        place = self.folder / "model"
        fitted = LogisticRegression().fit(x, x[:, 0] > 0)
        mlflow.sklearn.save_model(fitted, place, pip_requirements=["scikit-learn"])
        first, *others = (*self.names, *self.probe_names)
        client = MlflowClient(tracking_uri, tracking_uri)
        client.create_registered_model(first)
        client.create_model_version(first, place.as_uri())
        client.set_registered_model_alias(first, "champion", "1")
        _register_like(self.folder / "home" / "mlflow.db", first, others)

    def start(self, daemons: int, workers: int) -> None:
        """Start the daemons, each so many processes, and wait until they have ticked everything."""
        for number in range(daemons):
            listen, log = f"127.0.0.1:{free_port()}", self.folder / f"daemon{number}.log"
            command = ["run", str(self.folder / "policies"), "--home", str(self.folder / "home")]
            command += ["--workers", str(workers)]
            settings = {
                "CTRAIN_DATABASE_URL": self.address,
                "CTRAIN_TICK_SECONDS": str(TICK_SECONDS),
                "CTRAIN_LOG_FORMAT": "json",
                "PYTHONPATH": str(ROOT),
            }
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "ctrain", *command, "--listen", listen],
                    env={**environment(), **settings},
                    stdout=output,
                    stderr=output,
                )
            self.daemons.append(LoadedDaemon(process, listen, log))
        for one in self.daemons:
            wait_until(one.answers, PATIENCE_SECONDS, "the daemon is ready")

    def ingested(self) -> int:
        """Rows that the daemons say they have read."""
        table = ingest_states.c
        asked = select(func.sum(table.rows_total)).where(table.policy.not_in(self.probe_names))
        with self.store._engine.connect() as connection:
            return int(connection.execute(asked).scalar() or 0)

    def stop(self) -> None:
        for one in self.daemons:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGTERM)
        for one in self.daemons:
            one.process.wait(timeout=120)

    def close(self) -> None:
        """End whatever is left."""
        for one in self.daemons:
            one.process.kill()
            one.process.wait()
        self.store.close()

    def logged(self) -> tuple[int, int]:
        """Rows in the row logs, and of these with an id that occurs twice."""
        logs = ParquetRowLogs(self.folder / "home" / "rows", self.store)
        rows = repeated = 0
        now = RealTimer().now()
        for name in self.names:
            loaded = load_policy(self.folder / "policies" / f"{name}.yaml", os.environ)
            table = logs.open(name, loaded.policy.data, loaded.policy.model.task).read(
                now - timedelta(days=2), now + timedelta(days=1)
            )
            rows += table.num_rows
            repeated += table.num_rows - len(set(table["row_id"].to_pylist()))
        return rows, repeated


def _register_like(database: Path, first: str, others: Sequence[str]) -> None:
    """Repeat what MLflow has written of one model for others: by its client thousands take half an hour."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in ("registered_models", "model_versions", "registered_model_aliases"):
            found = connection.execute(f"SELECT * FROM {table} WHERE name = ?", [first])
            columns = [one[0] for one in found.description]
            row, at = list(found.fetchone()), columns.index("name")
            marks = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                [[*row[:at], name, *row[at + 1 :]] for name in others],
            )
