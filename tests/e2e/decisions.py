"""A policy that judges five models one after the other, with real children and a real MLflow.

``y`` depends on ``x``, a tenth of which is missing, and on ``kind``. The column ``w`` knows the answer too,
until an hour at which it turns round. Each training is told by a parameter which model to make. A window
that lags leaves matured rows to the shadow, so that most challengers are judged at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.app.wiring import Shell, close_shell, open_quiet_telemetry, open_shell, watch_policy
from ctrain.clocks import RealTimer, StreamClockFile
from ctrain.domain import Request, RequestKind, Run
from ctrain.engine.tick import tick
from ctrain.engine.watch import Watch
from ctrain.policy.fleet import load_fleet
from ctrain.scoring.pool import ScorerPool
from ctrain.settings import Settings
from tests.e2e.warm_launcher import WarmLauncher
from tests.waiting import wait_until

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS_PER_HOUR = 60
FIRST_HOURS = 48
TURNS_AT_HOUR = 48
SETTLE_SECONDS = 120.0
FEATURES = ("x", "w", "kind")

POLICY = """\
version: 1
policy: judged
model: {name: judged, task: binary, metric: brier}
data:
  source: {type: files, path: rows/*.parquet}
  labels: {source: {type: files, path: labels/*.parquet}, id: id, label: y, matures_after: 0h}
  id: id
  event_time: {column: at}
  features: {numeric: [x, w], categorical: [kind]}
  pane: 1h
  allowed_lateness: 0h
train: {entrypoint: "models:train", window: {last: 24h, lag: 24h}, timeout: 5m, retries: 0}
gates:
  - {metric: roc_auc, min: 0.55}
shadow:
  {alpha: 0.05, margin: 0.02, block: 1h, min_rows: 200, min_duration: 20h, max_duration: 4d, slices: [kind]}
probation: {duration: 20h, alpha: 0.05, margin: 0.02, min_rows: 200}
"""

TRAINING = '''\
"""A model by its name; what prepares the columns is part of each."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(rows, context):
    X, y = rows[list(context.feature_names)], rows[context.label].astype(int)
    return MODELS[context.params["model"]](X, y)


def first(X, y):
    """Knows little, and takes a missing x for the median."""
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepared = make_column_transformer((scaled, ["x"]))
    return make_pipeline(prepared, LogisticRegression(C=0.002)).fit(X, y)


def harmful(X, y):
    """Ranks as the others do, and is far too sure: the gate does not see it."""
    model = first(X, y)
    model[-1].coef_ *= 10
    model[-1].intercept_ += 6
    return model


class Blind(ClassifierMixin, BaseEstimator):
    """Sure of the wrong answer on the rows of one kind, and good on all others."""

    def fit(self, X, y):
        self.classes_, self.model_ = [0, 1], clean(X, y)
        return self

    def predict_proba(self, X):
        good = self.model_.predict_proba(X)
        wrong = (X["kind"] == "c").to_numpy()[:, None]
        return np.where(wrong, good[:, ::-1] * 0.2 + 0.4, good)

    def predict(self, X):
        return self.predict_proba(X)[:, 1] > 0.5


def blind(X, y):
    return Blind().fit(X, y)


def fragile(X, y):
    """Believes in w."""
    prepared = make_column_transformer(("passthrough", ["w"]))
    return make_pipeline(prepared, LogisticRegression(C=10.0)).fit(X, y)


def clean(X, y):
    """Takes a missing x for one far away, which it learns to know, and knows kinds."""
    prepared = make_column_transformer(
        (SimpleImputer(strategy="constant", fill_value=-9.0, add_indicator=True), ["x"]),
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
    )
    return make_pipeline(prepared, LogisticRegression(C=10.0, max_iter=500)).fit(X, y)


MODELS = {one.__name__: one for one in (first, harmful, blind, fragile, clean)}
'''


@dataclass
class Judged:
    """The policy, its rows and its home in ``folder``; ``tell`` has the models judged."""

    folder: Path
    tracking_uri: str
    rows: pa.Table | None = None
    """All that has landed."""
    runs: dict[str, Run] = field(default_factory=dict)
    """How each training ended, by the model that it made."""
    aliases: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """After each of them."""

    def tell(self) -> Judged:
        self._set_up()
        try:
            self._land(FIRST_HOURS)
            for model in ("first", "harmful", "blind", "fragile"):
                self._train(model)
            self.aliases["promoted"] = self.aliases["fragile"]
            self._watch_on("fragile")
            self._train("clean")
            self._watch_on("clean")
        finally:
            self.launcher.close()
            close_shell(self.shell)
        return self

    def _set_up(self) -> None:
        for part in ("rows", "labels"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "policy.yaml").write_text(POLICY)
        (self.folder / "models.py").write_text(TRAINING)
        home = self.folder / "home"
        self.clock = StreamClockFile(home)
        self.clock.set(START)
        self.hour = 0
        settings = Settings(home, f"sqlite:///{home / 'state.db'}", self.tracking_uri)
        self.launcher = WarmLauncher(self.tracking_uri, RealTimer(), threads=1)
        scorer = ScorerPool(self.tracking_uri, RealTimer(), max_children=1)
        shell = open_shell(settings, open_quiet_telemetry({}))
        self.shell: Shell = replace(shell, launcher=self.launcher, scorer=scorer)
        (loaded,) = load_fleet([self.folder / "policy.yaml"], {})
        self.watch: Watch = watch_policy(self.shell, loaded, None)

    def _train(self, model: str) -> None:
        """Ask for a training; go on until nothing is left to do at this instant."""
        arguments = {"reason": f"try {model}", "params": {"model": model}}
        request = Request(0, self.watch.name, RequestKind.TRIGGER, "ann", self.shell.clock.now(), arguments)
        with self.shell.store.write() as tx:
            tx.add_request(request)
        self._settle(model)

    def _watch_on(self, model: str) -> None:
        """A day of rows later."""
        self._land(24)
        self._settle(model)

    def _settle(self, model: str) -> None:
        wait_until(lambda: tick(self.watch).quiet, SETTLE_SECONDS, f"the end of what {model} brings about")
        with self.shell.store.read() as tx:
            self.runs[model] = tx.runs(self.watch.name, limit=1)[0]
        registry, name = self.shell.registry, self.watch.policy.model.name
        found = {alias: registry.alias(name, alias) for alias in ("champion", "previous_champion")}
        self.aliases[model] = {alias: version for alias, version in found.items() if version}

    def _land(self, hours: int) -> None:
        rows = make_rows(self.hour, self.hour + hours)
        self.hour += hours
        pq.write_table(rows.drop_columns("y"), self.folder / "rows" / f"{self.hour:04d}.parquet")
        pq.write_table(rows.select(["id", "y"]), self.folder / "labels" / f"{self.hour:04d}.parquet")
        self.rows = rows if self.rows is None else pa.concat_tables([self.rows, rows])
        self.clock.set(START + HOUR * self.hour)


def make_rows(first_hour: int, end_hour: int) -> pa.Table:
    """Hours of rows with their answers."""
    random = np.random.default_rng([23, first_hour])
    n = (end_hour - first_hour) * ROWS_PER_HOUR
    hours = first_hour + np.arange(n) / ROWS_PER_HOUR
    x, kind = random.normal(size=n), random.choice(["a", "b", "c"], n)
    y = random.random(n) < 1 / (1 + np.exp(-3 * x - np.where(kind == "a", 1.0, 0.0)))
    w = np.where(y, 1.0, -1.0) * np.where(hours < TURNS_AT_HOUR, 1.0, -1.0) + random.normal(0, 0.4, n)
    shown: Any = pa.array(x, mask=random.random(n) < 0.1)
    return pa.table(
        {
            "id": [f"{first_hour}-{number}" for number in range(n)],
            "at": pa.array([START + HOUR * float(one) for one in hours], pa.timestamp("us", "UTC")),
            "x": shown,
            "w": pa.array(w),
            "kind": pa.array(kind),
            "y": pa.array(y.astype(float)),
        }
    )
