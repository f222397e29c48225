"""Scoring in real children with models that were really trained, logged and registered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import ModelVersion, ScoreJob, ScoreStatus, Task, Version
from ctrain.engine.scored import judged_rows
from ctrain.registry.client import MlflowRegistry
from ctrain.scoring.pool import ScorerPool
from tests.integration.conftest import Embedded, Trained
from tests.support.training import some_rows
from tests.waiting import wait_until


class HandTimer:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def timer() -> HandTimer:
    return HandTimer()


@contextmanager
def open_pool(embedded: Embedded, timer: HandTimer) -> Iterator[ScorerPool]:
    preload = ("mlflow.pyfunc", "no_module_of_this_name")
    pool = ScorerPool(embedded.uri, timer, max_children=1, job_timeout_seconds=60.0, preload=preload)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def pool(embedded: Embedded, timer: HandTimer) -> Iterator[ScorerPool]:
    with open_pool(embedded, timer) as pool:
        yield pool


@pytest.fixture
def real_pool(embedded: Embedded, timer: HandTimer) -> Iterator[ScorerPool]:
    """One whose child has begun to start."""
    with open_pool(embedded, timer) as pool:
        pool.warm_up("")
        yield pool


@pytest.fixture(scope="module")
def versions(registry: MlflowRegistry, trained: Mapping[str, Trained]) -> Mapping[str, ModelVersion]:
    models = {"train": "flights", "own_model": "flights", "regress": "delay", "kinds": "carriers"}
    return {
        name: registry.version(model, Version(trained[name].status.result["version"]))
        for name, model in models.items()
    }


def rows_with_ids(**columns: Any) -> pa.Table:
    rows = some_rows().select(["distance", "carrier"])
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows.append_column("row_id", pa.array([f"row-{at}" for at in range(rows.num_rows)]))


def score_job(version: ModelVersion, rows: pa.Table, folder: Path, **changes: Any) -> ScoreJob:
    pq.write_table(rows, folder / "rows.parquet")
    given: dict[str, Any] = {
        "key": str(folder),
        "version": version,
        "rows_path": str(folder / "rows.parquet"),
        "output_path": str(folder / "scores.parquet"),
        "features": ("distance", "carrier"),
        "task": Task.BINARY,
        "output": "auto",
        "python": "",
        "digest": version.digest,
    }
    return ScoreJob(**{**given, **changes})


def settled(pool: ScorerPool, job: ScoreJob) -> ScoreStatus:
    pool.submit(job)

    def over() -> ScoreStatus | None:
        status = pool.poll(job.key)
        return None if status.state == "running" else status

    return wait_until(over, 60.0, f"the scores of {job.key}")


def test_a_child_that_was_warmed_up_gets_the_first_job(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    for _ in range(2):
        pool.warm_up("")
    (warm,) = pool.children
    assert settled(pool, score_job(versions["train"], rows_with_ids(), tmp_path)).state == "done"
    assert pool.children == (warm,)


def test_a_classifier_of_the_policys_own_class_gives_the_probability_of_class_1(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    rows = rows_with_ids()
    status = settled(pool, score_job(versions["train"], rows, tmp_path))
    assert status.state == "done", status
    answer = pq.read_table(tmp_path / "scores.parquet")
    assert answer["row_id"].to_pylist() == rows["row_id"].to_pylist()
    # Rate.predict_proba: half the share of late rows of the carrier, shifted by a quarter.
    labels = np.array(some_rows()["late"].to_pylist())
    carriers = np.array(rows["carrier"].to_pylist(), dtype=object)
    for carrier in ("AA", "UA", "WN"):
        expected = labels[carriers == carrier].mean() * 0.5 + 0.25
        assert np.array(answer["score"].to_pylist())[carriers == carrier] == pytest.approx(expected)
    assert answer.schema.metadata[b"output_kind"] == b"probability"


def test_a_classifier_of_several_classes_names_them(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    rows = rows_with_ids()
    status = settled(pool, score_job(versions["kinds"], rows, tmp_path, task=Task.MULTICLASS))
    assert status.state == "done", status
    scores = pq.read_table(tmp_path / "scores.parquet")["score"]
    assert [field.name for field in scores.type] == ["AA", "UA", "WN", "none"]
    assert scores.null_count == 0
    table = rows.select(["carrier"]).rename_columns(["label"])
    judged = judged_rows(Task.MULTICLASS, table, {Version("1"): scores})
    assert judged.scores is not None
    assert judged.scores[Version("1")].sum(axis=1) == pytest.approx(np.ones(rows.num_rows))


def test_class_output_gives_labels(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    assert (
        settled(pool, score_job(versions["train"], rows_with_ids(), tmp_path, output="class")).state == "done"
    )
    assert set(pq.read_table(tmp_path / "scores.parquet")["score"].to_pylist()) == {0.0, 1.0}


def test_a_regressor_gives_values_and_null_where_it_gives_none(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    distance = pa.array([1.0, None, *[2.0] * 198])
    job = score_job(versions["regress"], rows_with_ids(distance=distance), tmp_path, task=Task.REGRESSION)
    status = settled(pool, job)
    assert (status.state, status.message) == ("done", "1 rows have no score")
    assert pq.read_table(tmp_path / "scores.parquet")["score"].to_pylist()[:3] == [
        pytest.approx(3.0),
        None,
        6.0,
    ]


def test_a_pyfunc_is_scored_and_rows_that_cannot_be_cast_have_no_score(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    distance = pa.array(["1.5", "far", "-2", *["1"] * 197])
    status = settled(pool, score_job(versions["own_model"], rows_with_ids(distance=distance), tmp_path))
    assert (status.state, status.message) == ("done", "1 rows have no score")
    assert pq.read_table(tmp_path / "scores.parquet")["score"].to_pylist()[:4] == [0.75, None, 0.25, 0.75]


def test_forty_rows_are_cheap_once_the_model_is_warm(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    pid = pool.children
    status = settled(pool, score_job(versions["train"], rows_with_ids().slice(0, 40), tmp_path))
    assert status.state == "done"
    assert pool.children == pid


def test_an_artifact_that_is_not_the_recorded_one_is_not_loaded(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    status = settled(pool, score_job(versions["train"], rows_with_ids(), tmp_path, digest="0" * 64))
    assert status.state == "failed"
    assert "digest mismatch" in status.message
    assert not (tmp_path / "scores.parquet").exists()


def test_an_artifact_that_does_not_come_says_nothing_of_the_model(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    """Told apart from what the model itself fails of: this may pass."""
    gone = replace(versions["train"], source=(tmp_path / "away").as_uri())
    unfetched = settled(pool, score_job(gone, rows_with_ids(), tmp_path, key="unfetched"))
    assert (unfetched.state, unfetched.fetched) == ("failed", False)
    other = settled(pool, score_job(versions["train"], rows_with_ids(), tmp_path, digest="0" * 64))
    assert (other.state, other.fetched) == ("failed", True)


def test_a_missing_column_fails_the_job_by_name(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    status = settled(pool, score_job(versions["train"], rows_with_ids().drop_columns(["carrier"]), tmp_path))
    assert status.state == "failed"
    assert "the model needs the column 'carrier'" in status.message


def test_a_key_is_computed_once_until_it_is_forgotten(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    job = score_job(versions["train"], rows_with_ids(), tmp_path)
    assert pool.poll(job.key).state == "absent"
    settled(pool, job)
    (tmp_path / "scores.parquet").unlink()
    pool.submit(job)
    assert pool.poll(job.key).state == "done"
    assert not (tmp_path / "scores.parquet").exists()
    pool.forget(job.key)
    assert pool.poll(job.key).state == "absent"
    assert settled(pool, job).state == "done"
    assert (tmp_path / "scores.parquet").exists()


@pytest.mark.cold  # who is suspended is who does the work
def test_a_dying_child_fails_its_job_and_is_replaced(
    real_pool: ScorerPool, versions: Mapping[str, ModelVersion], timer: HandTimer, tmp_path: Path
) -> None:
    pool = real_pool
    (pid,) = pool.children
    child = psutil.Process(pid)
    child.suspend()
    job = score_job(versions["train"], rows_with_ids(), tmp_path)
    pool.submit(job)
    assert pool.poll(job.key).state == "running"
    os.kill(pid, signal.SIGKILL)
    status = settled(pool, job)
    assert status.state == "failed"
    assert status.message.startswith("the scoring child died")
    pool.forget(job.key)
    pool.submit(job)
    (replaced,) = pool.children
    assert replaced != pid
    psutil.Process(replaced).suspend()
    timer.seconds += 61.0
    status = pool.poll(job.key)
    assert (status.state, status.message) == ("failed", "scoring took longer than 60 s")
    assert not psutil.pid_exists(replaced)
    assert not pool.children


def test_an_interpreter_that_is_not_there_fails_the_job(
    embedded: Embedded, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    pool = ScorerPool(embedded.uri, RealTimer())
    status = settled(pool, score_job(versions["train"], rows_with_ids(), tmp_path, python="/nowhere/python"))
    pool.close()
    assert status.state == "failed"
    assert "/nowhere/python" in status.message


def test_a_probe_measures_in_a_child_that_has_done_nothing_else(
    pool: ScorerPool, versions: Mapping[str, ModelVersion], tmp_path: Path
) -> None:
    for name in ("warm", "probe"):
        (tmp_path / name).mkdir()
    rows = rows_with_ids().slice(0, 60)
    assert settled(pool, score_job(versions["train"], rows, tmp_path / "warm")).measured == {}
    warm = pool.children
    status = settled(pool, score_job(versions["train"], rows, tmp_path / "probe", probe=True))
    assert (status.state, status.message) == ("done", "")
    measured = status.measured
    assert set(pool.children).isdisjoint(warm)
    assert 0 < measured["latency_p50_ms"] <= measured["latency_p99_ms"]
    assert 0 < measured["batch_p50_ms"] <= measured["batch_p99_ms"]
    assert (measured["batch_rows"], measured["predictions"]) == (60, 200)
    assert measured["size_bytes"] > 1000
    assert measured["deterministic"] is True
    assert measured["signature"] == [["distance", "double"], ["carrier", "string"]]
