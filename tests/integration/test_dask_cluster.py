"""The cluster of ``ctrain run --local-cluster``: real trainings and scores, and who may speak to it."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from ctrain.app.cluster_scoring import ClusterScorer, ScorerByJob
from ctrain.clocks import RealTimer
from ctrain.domain import JobState, ScoreJob, ScoreStatus, TrainingJob, Version
from ctrain.launchers.dask import DaskLauncher
from ctrain.launchers.dask_cluster import DaskClusters
from ctrain.ports import Scorer
from ctrain.registry.client import MlflowRegistry
from ctrain.scoring.pool import ScorerPool
from tests.integration.conftest import Embedded, Trained
from tests.integration.test_scoring import rows_with_ids, score_job
from tests.support.processes import gone
from tests.support.trainers import end_of
from tests.support.training import training_job
from tests.waiting import wait_until

ON_CLUSTER = {"type": "dask"}
TUNE = {
    "sampler": "random",
    "trials": 2,
    "together": 2,
    "timeout_seconds": None,
    "folds": 1,
    "space": {"depth": {"values": [2]}},
    "start": {},
}
GIVEN_UP_MEANWHILE = """
import json, os
from sklearn.dummy import DummyClassifier


def train(rows, context):
    with open("partial", "w") as file:
        json.dump({"state": "lost", "message": "given up"}, file)
    model = DummyClassifier().fit(rows[["distance"]], rows["late"])
    os.replace("partial", "../job.ended.json")
    return model
"""


@pytest.fixture(scope="module")
def clusters() -> Iterator[DaskClusters]:
    clusters = DaskClusters(RealTimer(), os.environ, local_workers=1)
    yield clusters
    clusters.close()


@pytest.fixture(scope="module")
def place(clusters: DaskClusters) -> Mapping[str, str]:
    """Address and certificate of the cluster, which has started."""
    assert clusters.local is not None
    return wait_until(clusters.local.place, 30.0, "the local cluster")


@pytest.fixture(scope="module")
def scorer(clusters: DaskClusters, embedded: Embedded, place: Mapping[str, str]) -> ScorerByJob:
    here = ScorerPool(embedded.uri, RealTimer())
    return ScorerByJob(here, ClusterScorer(clusters, embedded.uri, RealTimer()))


def settled(scorer: Scorer, job: ScoreJob) -> ScoreStatus:
    scorer.submit(job)

    def over() -> ScoreStatus | None:
        status = scorer.poll(job.key)
        return None if status.state == "running" else status

    return wait_until(over, 60.0, "the scores")


def test_a_training_registers_its_version(
    clusters: DaskClusters, embedded: Embedded, registry: MlflowRegistry, tmp_path: Path
) -> None:
    launcher = DaskLauncher(clusters, embedded.uri, RealTimer())
    job = training_job(
        tmp_path, embedded.code, "run-on-dask", model="on-dask", launcher=ON_CLUSTER, tune=TUNE
    )
    launcher.start(job)
    status = end_of(launcher, job)
    assert status.state is JobState.SUCCEEDED, status
    version = registry.version("on-dask", Version(status.result["version"]))
    assert version.tags["ctrain.run_id"] == "run-on-dask"
    assert version.digest == status.result["digest"]
    tuning = status.result["tuning"]
    assert (tuning["trials"], tuning["failed"], tuning["params"]["depth"]) == (2, 0, 2)
    answers = [json.loads(path.read_text()) for path in Path(job.folder).glob("trials/*.answer.json")]
    assert [one["loss"] for one in answers] == [tuning["loss"]] * 2


def test_an_attempt_that_was_given_up_registers_nothing(
    embedded: Embedded, registry: MlflowRegistry, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(GIVEN_UP_MEANWHILE)
    job = training_job(tmp_path, tmp_path, "run-late", model="late", entrypoint="slow:train")
    launcher = embedded.launcher()
    launcher.start(job)
    assert end_of(launcher, job).message.startswith("given up")
    told = wait_until(lambda: _result(job), 60.0, "the end of the child")
    assert told["error"] == "RuntimeError: this attempt was given up"
    assert registry.find_version("late", job.run_id) is None


def _result(job: TrainingJob) -> dict[str, str] | None:
    path = Path(job.folder) / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_the_cluster_scores_as_this_machine_does(
    scorer: ScorerByJob, registry: MlflowRegistry, trained: Mapping[str, Trained], tmp_path: Path
) -> None:
    version = registry.version("flights", Version(trained["train"].status.result["version"]))
    here = score_job(version, rows_with_ids(), tmp_path)
    there = replace(
        here, key="there", output_path=str(tmp_path / "there.parquet"), launcher=ON_CLUSTER, probe=True
    )
    found = [settled(scorer, job) for job in (here, there)]
    assert [one.state for one in found] == ["done", "done"], found
    assert pq.read_table(here.output_path).equals(pq.read_table(there.output_path))
    assert found[1].measured["latency_p50_ms"] > 0
    assert [path.name for path in tmp_path.iterdir() if "there" in path.name] == ["there.parquet"]
    scorer.forget("there")
    assert scorer.poll("there") == ScoreStatus("absent")
    missing = replace(there, key="missing", rows_path=str(tmp_path / "no.parquet"))
    assert settled(scorer, missing) == ScoreStatus(
        "failed", f"a worker does not see {missing.rows_path}; home must be shared"
    )


def test_the_cluster_listens_on_loopback_and_to_nobody_without_its_certificate(
    clusters: DaskClusters, place: Mapping[str, str]
) -> None:
    assert clusters.local is not None
    leader = psutil.Process(clusters.local.pid)
    listening = [
        one.laddr.ip
        for each in [leader, *leader.children(recursive=True)]
        for one in each.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    assert place["address"].startswith("tls://127.0.0.1:")
    host, _, port = place["address"].removeprefix("tls://").rpartition(":")
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=10.0) as connection,
        anybody.wrap_socket(connection) as stranger,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        stranger.recv(1)


def test_a_cluster_that_was_lost_is_started_again(clusters: DaskClusters, place: Mapping[str, str]) -> None:
    local = clusters.local
    assert local is not None
    leader = psutil.Process(local.pid)
    family = [leader.pid, *(one.pid for one in leader.children(recursive=True))]
    leader.kill()
    for pid in family:
        wait_until(partial(gone, pid), 20.0, f"the end of {pid}")
    wait_until(lambda: local.pid is None, 20.0, "the news of it")
    again = wait_until(local.place, 30.0, "the next cluster")
    assert again["certificate"] != place["certificate"]


def test_the_cluster_ends_with_its_daemon(clusters: DaskClusters, place: Mapping[str, str]) -> None:
    assert clusters.local is not None
    leader = psutil.Process(clusters.local.pid)
    family = [leader.pid, *(one.pid for one in leader.children(recursive=True))]
    clusters.local.close()
    for pid in family:
        wait_until(partial(gone, pid), 20.0, f"the end of {pid}")
