"""Trainings on a real dask cluster whose worker, scheduler, guard or client is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

import ctrain
from ctrain.children import child_command
from ctrain.domain import JobState, JobStatus, TrainingJob
from ctrain.launchers.dask import UNREACHABLE_SECONDS, DaskLauncher
from ctrain.launchers.dask_cluster import DaskClusters
from ctrain.launchers.dask_versions import Difference
from ctrain.launchers.job_folder import JobFolder
from tests.support.clusters import Cluster, kill, worker_of
from tests.support.processes import gone
from tests.support.trainers import begun, end_of, let_go, stand_in_job, starts
from tests.support.training import ShiftedTimer
from tests.waiting import wait_until

URI = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.started(workers=2) as cluster:
        yield cluster


class PromptTimer(ShiftedTimer):
    """Real time, but for the pause between two agents."""

    def monotonic(self) -> float:
        return super().monotonic() * 10 + self.ahead.total_seconds()


@pytest.fixture(scope="module")
def timer() -> PromptTimer:
    return PromptTimer()


@pytest.fixture(scope="module")
def clusters(timer: PromptTimer) -> Iterator[DaskClusters]:
    clusters = DaskClusters(timer, os.environ)
    yield clusters
    clusters.close()


@pytest.fixture(scope="module")
def launcher(clusters: DaskClusters, timer: PromptTimer) -> DaskLauncher:
    return DaskLauncher(clusters, URI, timer)


@pytest.fixture
def job_of(cluster: Cluster, tmp_path: Path) -> Callable[..., TrainingJob]:
    place = {"type": "dask", "address": cluster.address}
    return partial(stand_in_job, tmp_path, launcher=place)


def status_of(launcher: DaskLauncher, job: TrainingJob) -> JobStatus:
    return launcher.poll(job.run_id, job.attempt, job.folder)


def test_a_training_ends_with_its_worker_and_is_tried_again_by_another(
    launcher: DaskLauncher, cluster: Cluster, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    launcher.start(job)
    pid = begun(launcher, job)
    kill(worker_of(pid, cluster))
    status = end_of(launcher, job)
    assert (status.state, status.message.splitlines()[0]) == (
        JobState.LOST,
        "the worker that trained is gone",
    )
    assert gone(pid)
    again = job_of("pass", attempt=2)
    launcher.start(again)
    assert end_of(launcher, again).state is JobState.SUCCEEDED
    assert (starts(job), len(starts(again))) == ([pid], 1)


def test_a_guard_that_is_killed_leaves_no_training_behind(
    launcher: DaskLauncher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    launcher.start(job)
    pid = begun(launcher, job)
    parent = psutil.Process(pid).parent()
    assert parent is not None
    parent.kill()
    status = end_of(launcher, job)
    assert (status.state, status.message.splitlines()[0]) == (
        JobState.FAILED,
        "the guard of the training ended with -9",
    )
    wait_until(partial(gone, pid), 10.0, "the end of the process")


def test_a_client_that_is_killed_finds_the_training_again(
    launcher: DaskLauncher, clusters: DaskClusters, cluster: Cluster, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    launcher.start(job)
    pid = begun(launcher, job)
    agent = clusters.at(cluster.address).agent_pid
    assert agent is not None
    os.kill(agent, signal.SIGKILL)
    wait_until(partial(gone, agent), 10.0, "the end of the agent")
    assert status_of(launcher, job).state is JobState.RUNNING
    let_go(job)
    assert end_of(launcher, job).state is JobState.SUCCEEDED
    assert starts(job) == [pid]


def test_an_attempt_that_was_claimed_is_not_taken_by_a_second_worker(
    launcher: DaskLauncher, timer: PromptTimer, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("pass")
    JobFolder(job.folder).write_job(job, timer.now().timestamp())
    (Path(job.folder) / "job.claim.json").write_text("{}")
    status = end_of(launcher, job)
    assert (status.state, status.message) == (
        JobState.LOST,
        "the worker that trained is gone and left no result",
    )
    assert starts(job) == []


def test_of_two_guards_of_an_attempt_one_works(tmp_path: Path) -> None:
    job = stand_in_job(tmp_path, "pass")
    JobFolder(job.folder).write_job(job, 0.0)
    command = child_command(
        sys.executable, "guard", job.folder, "60", job.python, "child", "train", job.folder
    )
    environ = {**os.environ, "MLFLOW_TRACKING_URI": URI, "OMP_NUM_THREADS": "1"}
    guards = [subprocess.Popen(command, stdin=subprocess.PIPE, env=environ) for _ in range(3)]
    for one in guards:
        one.wait(30.0)
        assert one.stdin is not None
        one.stdin.close()
    assert sorted(one.returncode for one in guards) == [0, 75, 75]
    assert len(starts(job)) == 1


def test_an_attempt_that_was_given_up_ends_wherever_it_runs(
    launcher: DaskLauncher, timer: PromptTimer, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    launcher.start(job)
    pid = begun(launcher, job)
    timer.ahead += timedelta(seconds=2 * job.timeout.total_seconds() + 61)
    assert status_of(launcher, job).state is JobState.TIMED_OUT
    wait_until(partial(gone, pid), 10.0, "the end of the process")


def test_a_training_waits_for_a_worker_that_has_what_its_policy_asks_for(
    launcher: DaskLauncher, cluster: Cluster, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    job = replace(job, launcher={**job.launcher, "resources": {"GPU": 1}})
    launcher.start(job)
    other = job_of("pass", run_id="clicks-2")
    launcher.start(other)
    assert end_of(launcher, other).state is JobState.SUCCEEDED
    assert (status_of(launcher, job).state, starts(job)) == (JobState.RUNNING, [])
    large = cluster.start_worker('{"GPU": 1}')
    assert worker_of(begun(launcher, job), cluster) is large
    let_go(job)
    assert end_of(launcher, job).state is JobState.SUCCEEDED


def test_a_training_that_nobody_takes_is_given_up_and_never_begun(
    launcher: DaskLauncher, timer: PromptTimer, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("pass")
    job = replace(job, launcher={**job.launcher, "resources": {"TPU": 1}})
    launcher.start(job)
    timer.ahead += job.timeout + timedelta(seconds=1)
    status = status_of(launcher, job)
    assert status.state is JobState.TIMED_OUT
    assert "took the training in 300 s" in status.message
    assert starts(job) == []


def test_a_scheduler_that_is_lost_ends_what_ran_and_the_next_one_runs_what_waited(
    launcher: DaskLauncher, cluster: Cluster, job_of: Callable[..., TrainingJob]
) -> None:
    ran, waited = job_of("wait"), job_of("pass", run_id="clicks-2")
    waited = replace(waited, launcher={**waited.launcher, "resources": {"LARGE": 1}})
    launcher.start(ran)
    launcher.start(waited)
    pid = begun(launcher, ran)
    assert cluster.scheduler is not None
    kill(cluster.scheduler)
    assert end_of(launcher, ran).state is JobState.LOST
    assert gone(pid)
    cluster.start_scheduler()
    cluster.start_worker('{"LARGE": 1}')
    assert end_of(launcher, waited).state is JobState.SUCCEEDED
    again = job_of("pass", attempt=2)
    launcher.start(again)
    assert end_of(launcher, again).state is JobState.SUCCEEDED
    assert [len(starts(one)) for one in (ran, waited, again)] == [1, 1, 1]


def test_a_worker_that_cannot_do_the_work_is_named_with_what_it_lacks(
    cluster: Cluster, job_of: Callable[..., TrainingJob]
) -> None:
    timer, told = PromptTimer(), list[Difference]()
    clusters = DaskClusters(timer, os.environ, tell=told.append)
    launcher = DaskLauncher(clusters, URI, timer)
    lacking = cluster.start_worker('{"BARE": 1}', before="sys.modules['ctrain'] = None")
    job = job_of("pass")
    job = replace(job, launcher={**job.launcher, "resources": {"BARE": 1}})
    try:
        launcher.start(job)
        status = end_of(launcher, job)
    finally:
        clusters.close()
        kill(lacking)
    assert status.state is JobState.FAILED
    expected = f"{cluster.addresses[lacking.pid]} has no ctrain; the daemon has {ctrain.__version__}"
    assert [expected] == [str(one) for one in told]
    assert status.message.splitlines()[-1] == expected, status.message


def test_a_scheduler_that_never_answers_is_told(tmp_path: Path) -> None:
    timer = PromptTimer()
    clusters = DaskClusters(timer, os.environ)
    launcher = DaskLauncher(clusters, URI, timer)
    place = {"type": "dask", "address": "tcp://127.0.0.1:9"}
    job = stand_in_job(tmp_path, "pass", launcher=place, timeout=timedelta(hours=1))
    launcher.start(job)
    try:
        clusters.at(place["address"]).close()
        clusters.at(place["address"]).trouble = "the scheduler tcp://127.0.0.1:9 cannot be reached"
        assert status_of(launcher, job).state is JobState.RUNNING
        timer.ahead += timedelta(seconds=UNREACHABLE_SECONDS + 1)
        status = status_of(launcher, job)
    finally:
        clusters.close()
    assert status.state is JobState.FAILED
    assert status.message.startswith("the scheduler tcp://127.0.0.1:9 cannot be reached")


def test_a_folder_that_workers_do_not_see_is_told(
    launcher: DaskLauncher, job_of: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    from ctrain.launchers.dask_work import run_training

    assert run_training(str(tmp_path / "elsewhere"), "", URI, 60.0, []) == {"state": "absent"}
