"""Training jobs for tests: rows, the policy's code beside them, and a builder with defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.clocks import RealTimer
from ctrain.domain import JobState, JobStatus, RunId, TrainingContext, TrainingJob
from ctrain.launchers.process import ProcessLauncher
from tests.waiting import wait_until

NEIGHBOUR = "class Shift:\n    amount = 0.25\n"

CODE = '''
import threading

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

import neighbour


class Rate(neighbour.Shift, ClassifierMixin, BaseEstimator):
    """Probability by category, shifted by what the neighbouring module says."""

    def __init__(self, strength=1.0):
        self.strength = strength

    def fit(self, X, y):
        self.classes_ = np.array([0.0, 1.0])
        self.rates_ = y.groupby(X["carrier"].to_numpy()).mean().to_dict()
        return self

    def predict_proba(self, X):
        rates = [self.rates_.get(one, 0.5) for one in X["carrier"]]
        p = np.clip(np.array(rates, dtype=float) * 0.5 + self.amount, 0, 1)
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > 0.5).astype(float)


def train(rows, context):
    print("features:", context.feature_names, "params:", dict(context.params))
    return Rate().fit(rows[list(context.feature_names)], rows[context.label])


class Nearest(ClassifierMixin, BaseEstimator):
    """Carriers by their mean distance: the nearer, the likelier."""

    def fit(self, X, y):
        means = X["distance"].groupby(y.to_numpy()).mean()
        self.classes_, self.means_ = means.index.to_numpy(), means.to_numpy()
        return self

    def predict_proba(self, X):
        nearness = np.exp(-np.abs(X["distance"].to_numpy()[:, np.newaxis] - self.means_))
        return nearness / nearness.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def kinds(rows, context):
    return Nearest().fit(rows, rows["carrier"].fillna("none"))


class Slope(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.slope_ = float(np.nansum(X["distance"] * y) / np.nansum(X["distance"] ** 2))
        return self

    def predict(self, X):
        return X["distance"].to_numpy() * self.slope_


def regress(rows, context):
    return Slope().fit(rows, rows["distance"] * 3.0)


def fail(rows, context):
    raise ValueError("no such luck")


def allocate(rows, context):
    return np.ones(10**10)


def hang(rows, context):
    threading.Event().wait()


def own_runs(rows, context):
    import mlflow

    mlflow.end_run()
    mlflow.set_tracking_uri("sqlite:///elsewhere.db")
    return train(rows, context)


def own_model(rows, context):
    import mlflow

    class Constant(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return np.where(model_input["distance"] > 0, 0.75, 0.25)

    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(inputs=Schema([ColSpec("double", "distance"), ColSpec("string", "carrier")]))
    info = mlflow.pyfunc.log_model(
        name="own", python_model=Constant(), signature=signature, pip_requirements=["mlflow"]
    )
    return info.model_uri
'''


PIPELINE = """
import json
import os
import sys

import mlflow
import pyarrow.parquet as pq

sys.path.insert(0, os.getcwd())
import training

rows = pq.read_table(os.environ["CTRAIN_ROWS"]).to_pandas()
columns = [name for names in json.loads(os.environ["CTRAIN_FEATURES"]).values() for name in names]
model = training.Rate().fit(rows[columns], rows[os.environ["CTRAIN_LABEL"]])
with mlflow.start_run():
    mlflow.log_metric("pipeline_rows", len(rows))
    mlflow.sklearn.log_model(
        model, name="model", serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba",
        pip_requirements=["mlflow"], code_paths=["training.py", "neighbour.py"],
        input_example=rows[columns][1:4],
    )
print("pipeline done", os.environ["CTRAIN_PARAMS"])
"""


def write_code(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.py").write_text(PIPELINE)
    (folder / "training.py").write_text(CODE)
    (folder / "neighbour.py").write_text(NEIGHBOUR)
    return folder


def some_rows(n: int = 200) -> pa.Table:
    """Rows as the contract gives them: numbers as doubles, categories as strings, both with gaps."""
    rng = np.random.default_rng(7)
    distance = rng.normal(size=n)
    carrier = rng.choice(np.array(["AA", "UA", "WN"], dtype=object), size=n)
    carrier[::17] = None
    late = (rng.random(n) < np.where(carrier == "AA", 0.8, 0.2)).astype(float)
    return pa.table(
        {"distance": pa.array(distance), "carrier": pa.array(carrier, pa.string()), "late": pa.array(late)}
    )


def training_job(
    folder: Path, code_folder: Path, run_id: str, function: str = "train", **changes: Any
) -> TrainingJob:
    attempt = changes.pop("attempt", 1)
    place = folder / run_id / f"attempt-{attempt}"
    place.mkdir(parents=True, exist_ok=True)
    pq.write_table(some_rows(), place / "rows.parquet")
    context = TrainingContext(
        policy="flights",
        run_id=run_id,
        task=changes.pop("task", "binary"),
        label="late",
        features={"numeric": ("distance",), "categorical": changes.pop("categorical", ("carrier",))},
        window_start="2013-01-01T00:00:00+00:00",
        window_end="2013-02-01T00:00:00+00:00",
        params={"depth": 3},
    )
    given: dict[str, Any] = {
        "run_id": RunId(run_id),
        "attempt": attempt,
        "folder": str(place),
        "entrypoint": f"training:{function}",
        "code_folder": str(code_folder),
        "python": "",
        "timeout": timedelta(minutes=5),
        "memory_limit_bytes": 4 * 10**9,
        "context": context,
        "registration": {
            "model": changes.pop("model", "flights"),
            "experiment": "flights",
            "run_name": f"flights 2013-02-01 {run_id}",
            "dataset": "flights 2013-01-01 to 2013-02-01",
            "policy_text": "version: 1\npolicy: flights\n",
            "reason": "degraded: brier rose to 0.21",
            "params": {"holdout": "0.2"},
            "tags": {
                "ctrain.run_id": run_id,
                "ctrain.policy": "flights",
                "ctrain.trigger": "degraded",
                "ctrain.cut_off": "2013-02-10T00:00:00+00:00",
            },
            "description": "Trained by ctrain because of degraded",
        },
    }
    return TrainingJob(**{**given, **changes})


class ShiftedTimer(RealTimer):
    """Real time, moved on by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(super().now().timestamp(), UTC) + self.ahead


def run_to_end(launcher: ProcessLauncher, job: TrainingJob, timeout_seconds: float = 90.0) -> JobStatus:
    """Start the job and return how it ended."""
    launcher.start(job)
    return wait_until(lambda: ended(launcher, job), timeout_seconds, f"the end of {job.run_id}")


def ended(launcher: ProcessLauncher, job: TrainingJob) -> JobStatus | None:
    status = launcher.poll(job.run_id, job.attempt, job.folder)
    return None if status.state in {JobState.RUNNING, JobState.ABSENT} else status
