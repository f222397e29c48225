"""Production as the daemon sees it: rows of a small seeded stream, served by the champion of the alias.

One feature decides: ``y`` is 1 with probability ``sigmoid(slope * x)``. The slope turns round after the
first day, so the first model becomes useless and the next one better by far. The last rows of every
file stand in the following file again, as an export that was run twice leaves them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import Version

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEED = 11
ROWS_PER_HOUR = 60
TURNS_AT_HOUR = 24
REPEATED = 7

POLICY = """\
version: 1
policy: {name}
model: {{name: {name}, task: binary, metric: brier}}
data:
  source: {{type: files, path: rows/*.parquet}}
  labels: {{source: {{type: files, path: labels/*.parquet}}, id: id, label: y, matures_after: 2h}}
  id: id
  event_time: {{column: at}}
  prediction: score
  model_version: version
  features: {{numeric: [x, z]}}
  pane: 1h
  allowed_lateness: 1h
monitors:
  inputs: {{type: drift, window: 2h, min_rows: 100, fdr: 0.01, min_effect: 0.15}}
  error: {{type: change, detector: page_hinkley, hold: 6h, run_length: 100000, min_rows: 60}}
  brier: {{type: performance, metric: brier, window: 6h, above: 0.3, min_rows: 100}}
  fresh: {{type: freshness, max_age: 6h}}
triggers:
  volume: {{new_labels: 900}}
  degraded: {{any: [brier], for: 2h}}
limits: {{budget: {{runs: 2, per: 30d}}, min_new_labels: 50}}
train: {{entrypoint: "tree:train", window: {{last: 8h}}, timeout: 5m, retries: 1}}
gates:
  - {{metric: roc_auc, min: 0.55}}
  - {{metric: brier, not_worse_than_champion_by: 0.01}}
shadow: {{alpha: 0.05, margin: 0.002, block: 1h, min_rows: 200, min_duration: 20h, max_duration: 8d}}
probation: {{duration: 20h, alpha: 0.05, margin: 0.02, min_rows: 200}}
"""

TRAINING = '''\
from sklearn.tree import DecisionTreeClassifier


def train(rows, context):
    """A tree: what it predicts does not depend on how many rows it is asked about at once."""
    tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=20, random_state=context.seed)
    return tree.fit(rows[list(context.feature_names)], rows[context.label].astype(int))
'''

Predict = Callable[[pd.DataFrame], np.ndarray]


@dataclass
class Production:
    """Lands what happened hour by hour; ``rows`` and ``labels`` remember what landed, by id."""

    folder: Path
    load: Callable[[Version], Predict]
    models: dict[Version, Predict] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)
    """The feature ``x`` of every row."""
    labels: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    last: pa.Table | None = None

    def land(self, first_hour: int, end_hour: int, champion: Version | None) -> None:
        """Serve the hours, in one file; labels of an hour land an hour after it."""
        hours = [_hour(hour) for hour in range(first_hour, end_hour)]
        known = [_hour(hour) for hour in range(max(first_hour - 1, 0), end_hour - 1)]
        served = self._served(pa.concat_tables(hours), champion)
        again = [] if self.last is None else [self.last]
        self.repeated += sum(one.num_rows for one in again)
        self.last = served.slice(served.num_rows - REPEATED)
        self.rows.update(by_id(served, "id", "x"))
        answers = pa.concat_tables(known).select(["id", "y"])
        self.labels.update(by_id(answers, "id", "y"))
        _land(pa.concat_tables([*again, served]), self.folder / "rows" / f"{end_hour:04d}.parquet")
        _land(answers, self.folder / "labels" / f"{end_hour:04d}.parquet")

    def _served(self, rows: pa.Table, champion: Version | None) -> pa.Table:
        n = rows.num_rows
        scores = pa.nulls(n, pa.float64()) if champion is None else pa.array(self._score(champion, rows))
        versions = pa.array([champion] * n, pa.string())
        return rows.drop_columns("y").append_column("score", scores).append_column("version", versions)

    def _score(self, champion: Version, rows: pa.Table) -> np.ndarray:
        if champion not in self.models:
            self.models[champion] = self.load(champion)
        return self.models[champion](rows.select(["x", "z"]).to_pandas())


def by_id(table: pa.Table, key: str, value: str) -> dict[str, float]:
    """One column by another."""
    keys: list[Any] = table[key].to_pylist()
    values: list[Any] = table[value].to_pylist()
    return dict(zip(keys, values, strict=True))


def write_policy(folder: Path, name: str) -> Path:
    """The policy and its training code; the folders of the stream beside them."""
    for part in ("rows", "labels"):
        (folder / part).mkdir(parents=True)
    (folder / "tree.py").write_text(TRAINING)
    path = folder / "policy.yaml"
    path.write_text(POLICY.format(name=name))
    return path


def _hour(hour: int) -> pa.Table:
    """The same rows whoever asks."""
    random = np.random.default_rng([SEED, hour])
    seconds = np.sort(random.uniform(0, 3600, ROWS_PER_HOUR))
    at = [START + HOUR * hour + timedelta(seconds=float(one)) for one in seconds]
    x = random.normal(size=ROWS_PER_HOUR)
    slope = 2.5 if hour < TURNS_AT_HOUR else -2.5
    y = random.random(ROWS_PER_HOUR) < 1 / (1 + np.exp(-slope * x))
    return pa.table(
        {
            "id": [f"{hour:04d}-{number:03d}" for number in range(ROWS_PER_HOUR)],
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "x": pa.array(x),
            "z": pa.array(random.normal(size=ROWS_PER_HOUR)),
            "y": pa.array(y.astype(float)),
        }
    )


def _land(table: pa.Table, path: Path) -> None:
    """A file that appears under its name only when it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    os.replace(partial, path)
