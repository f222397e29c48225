"""The look before a training in real children: of a run with a real MLflow, and of a backtest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.backtest.clock import VirtualClock
from ctrain.backtest.launcher import VirtualLauncher
from ctrain.backtest.registry import MemoryRegistry
from ctrain.backtest.trainer import Trainer
from ctrain.clocks import RealTimer
from ctrain.domain import JobState, JobStatus, TrainingJob
from tests.integration.conftest import Embedded
from tests.support.training import ended, some_rows, training_job
from tests.support.world import START
from tests.waiting import wait_until

CODE = '''
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier


class Boosted(ClassifierMixin, BaseEstimator):
    """Trees, which take threads of their own."""

    def fit(self, X, y):
        self.trees_ = HistGradientBoostingClassifier(max_iter=10).fit(self._numbers(X), y)
        self.classes_ = self.trees_.classes_
        return self

    def predict_proba(self, X):
        return self.trees_.predict_proba(self._numbers(X))

    def predict(self, X):
        return self.trees_.predict(self._numbers(X))

    def _numbers(self, X):
        return X[["distance"]].assign(first=(X["carrier"] == "AA").astype(float))


def boosted(rows, context):
    print("rows:", len(rows))
    return Boosted().fit(rows[list(context.feature_names)], rows[context.label])
'''
KNOWING, IGNORANT = 0.16, 0.5
"""Loss of a champion that knows what the rows have to say, and of one that does not."""


def job_to_look_at(folder: Path, code: Path, name: str, *, champion: float, shuffled: bool) -> TrainingJob:
    """Held-out rows and the champion's own tell the truth; the rows to train on may not."""
    (code / "trees.py").write_text(CODE)
    look = {"rows": 800, "require": True, "bound": 0.002, "output": "auto"}
    job = training_job(folder, code, name, entrypoint="trees:boosted", learnable=look)
    rows, place = some_rows(4000), Path(job.folder)
    given = rows
    if shuffled:
        late = np.random.default_rng(1).permutation(rows["late"].to_numpy())
        given = rows.set_column(2, "late", pa.array(late))
    pq.write_table(given, place / "rows.parquet")
    pq.write_table(rows, place / "past.parquet")
    judged = some_rows(800)
    losses = pa.array(np.random.default_rng(2).uniform(0, 2 * champion, 800))
    pq.write_table(judged.append_column("\0", losses), place / "judged.parquet")
    return job


@pytest.fixture(scope="module")
def looked(embedded: Embedded) -> Mapping[str, JobStatus]:
    """What became of two jobs, side by side."""
    launcher, folder = embedded.launcher(), embedded.home / "runs"
    jobs = [
        job_to_look_at(folder, embedded.code, "run-hopeless", champion=KNOWING, shuffled=True),
        job_to_look_at(folder, embedded.code, "run-promising", champion=IGNORANT, shuffled=False),
    ]
    for job in jobs:
        launcher.start(job)
    return {
        job.run_id: wait_until(partial(ended, launcher, job), 120.0, f"the end of {job.run_id}")
        for job in jobs
    }


def choices(embedded: Embedded, mlflow_run_id: str) -> dict[str, Any]:
    import mlflow

    path = mlflow.artifacts.download_artifacts(
        run_id=mlflow_run_id, artifact_path="choices.json", tracking_uri=embedded.uri
    )
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def test_a_hopeless_training_is_not_begun(embedded: Embedded, looked: Mapping[str, JobStatus]) -> None:
    import mlflow

    status = looked["run-hopeless"]
    assert status.state is JobState.SUCCEEDED, status
    assert status.result["refused"].startswith(
        "not learnable: mean loss of quick refits minus the champion's +"
    )
    assert "version" not in status.result
    assert 0 < status.result["train_seconds"] == status.result["learnable"]["seconds"]
    client = mlflow.MlflowClient(embedded.uri)
    run = client.get_run(status.result["mlflow_run_id"])
    assert (run.info.status, run.data.params["learnable"]) == ("FINISHED", "not_learnable")
    assert choices(embedded, run.info.run_id)["learnable"] == status.result["learnable"]
    assert client.search_model_versions("tag.`ctrain.run_id` = 'run-hopeless'") == []
    log = (embedded.home / "runs" / "run-hopeless" / "attempt-1" / "train.log").read_text()
    assert "rows: 200\n" in log
    assert "rows: 4000\n" not in log


def test_a_promising_one_is(embedded: Embedded, looked: Mapping[str, JobStatus]) -> None:
    import mlflow

    status = looked["run-promising"]
    assert status.state is JobState.SUCCEEDED, status
    found = status.result["learnable"]
    assert (found["verdict"], found["rows"], found["judged"]) == ("learnable", 800, 800)
    assert status.result["train_seconds"] > found["seconds"]
    version = mlflow.MlflowClient(embedded.uri).get_model_version("flights", status.result["version"])
    assert json.loads(version.tags["ctrain.learnable"]) == found


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    trainer = Trainer(tmp_path, RealTimer(), importance=False)
    yield trainer
    trainer.close()


def test_a_backtest_looks_with_the_same_eyes(trainer: Trainer, embedded: Embedded, tmp_path: Path) -> None:
    hopeless = job_to_look_at(tmp_path, embedded.code, "hopeless", champion=KNOWING, shuffled=True)
    key = trainer.submit(hopeless)
    trained = wait_until(lambda: trainer.result(key), 120.0, "the look")
    assert trained.refused.startswith("not learnable: ")
    assert (trained.folder, trained.rows, trained.problem) == ("", 800, "")
    clock, registry = VirtualClock(START), MemoryRegistry()
    launcher = VirtualLauncher(trainer, registry, clock, timedelta(0))
    launcher.start(hopeless)
    status = launcher.poll(hopeless.run_id, 1, hopeless.folder)
    assert status.state is JobState.SUCCEEDED
    assert (status.result["refused"], status.result["mlflow_run_id"]) == (trained.refused, None)
    assert status.result["learnable"]["verdict"] == "not_learnable"
    assert [(cost.seconds, cost.trained) for cost in launcher.costs] == [(trained.seconds, False)]


class NoWork(Trainer):
    """Takes jobs in and begins none."""

    def _dispatch(self) -> None:
        self._waiting.clear()


def test_what_is_looked_at_is_part_of_what_is_trained(embedded: Embedded, tmp_path: Path) -> None:
    """Another champion, other losses: the same rows may be refused beside the one and not the other."""
    trainer = NoWork(tmp_path, RealTimer(), importance=False)
    known = job_to_look_at(tmp_path, embedded.code, "one", champion=KNOWING, shuffled=True)
    same = job_to_look_at(tmp_path, embedded.code, "two", champion=KNOWING, shuffled=True)
    other = job_to_look_at(tmp_path, embedded.code, "three", champion=IGNORANT, shuffled=True)
    lenient = replace(same, learnable={**same.learnable, "require": False})
    keys = [trainer.submit(job) for job in (known, same, other, lenient)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
