"""What every launcher promises: an attempt runs at most once, outlives who started it, and ends one way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import JobState, JobStatus, TrainingJob
from ctrain.launchers.dask import DaskLauncher, LauncherByJob
from ctrain.launchers.dask_cluster import DaskClusters
from ctrain.launchers.process import ProcessLauncher
from ctrain.ports import Launcher
from tests.support.clusters import Cluster
from tests.support.processes import gone
from tests.support.trainers import begun, end_of, left_by, let_go, stand_in_job, starts
from tests.waiting import wait_until

URI = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Its worker and the daemon have the same environment, with a secret and what a policy may declare."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTRAIN_DATABASE_URL", "postgresql://ctrain:secret@db")
        patch.setenv("FEATURE_STORE", "https://features.example")
        with Cluster.started(workers=1) as cluster:
            yield cluster


@dataclass
class Daemons:
    """Opens one launcher after the other, as daemons do that are restarted."""

    launcher_of_jobs: dict[str, str]
    """Where they run, as a policy says it."""
    clusters: list[DaskClusters] = field(default_factory=list)

    def opened(self) -> Launcher:
        here = ProcessLauncher(URI, RealTimer(), threads=1)
        self.clusters.append(DaskClusters(RealTimer(), os.environ))
        return LauncherByJob(here, DaskLauncher(self.clusters[-1], URI, RealTimer()))

    def closed(self) -> None:
        """The daemon that was opened last is killed."""
        self.clusters.pop().close()


@pytest.fixture(scope="module", params=["process", "dask"])
def daemons(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Daemons]:
    place = {"type": "dask", "address": cluster.address} if request.param == "dask" else {}
    daemons = Daemons(place)
    yield daemons
    while daemons.clusters:
        daemons.closed()


@pytest.fixture(scope="module")
def launcher(daemons: Daemons) -> Launcher:
    return daemons.opened()


@pytest.fixture
def job_of(daemons: Daemons, tmp_path: Path) -> Callable[..., TrainingJob]:
    return partial(stand_in_job, tmp_path, launcher=daemons.launcher_of_jobs)


def status_of(launcher: Launcher, job: TrainingJob) -> JobStatus:
    return launcher.poll(job.run_id, job.attempt, job.folder)


def test_a_folder_where_nothing_was_started_is_absent(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("pass")
    assert status_of(launcher, job) == JobStatus(JobState.ABSENT)
    launcher.stop(job.run_id, 1, job.folder)
    assert status_of(launcher, job).state is JobState.ABSENT


def test_a_training_ends_with_its_result(launcher: Launcher, job_of: Callable[..., TrainingJob]) -> None:
    job = job_of("pass")
    launcher.start(job)
    status = end_of(launcher, job)
    assert status.state is JobState.SUCCEEDED
    assert status.result == {"version": "1", "uri": URI, "threads": "1"}
    launcher.start(job)
    assert status_of(launcher, job) == status
    assert len(starts(job)) == 1


def test_a_training_that_fails_says_why_and_what_it_printed(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("fail")
    launcher.start(job)
    status = end_of(launcher, job)
    assert (status.state, status.message) == (JobState.FAILED, "no such luck\nabout to")


def test_a_training_whose_process_vanishes_is_lost(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("vanish")
    launcher.start(job)
    assert end_of(launcher, job).state is JobState.LOST
    launcher.start(job)
    assert status_of(launcher, job).state is JobState.LOST
    assert len(starts(job)) == 1


def test_an_interpreter_that_is_not_there_is_told(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("pass", python="/no/such/python")
    launcher.start(job)
    status = end_of(launcher, job)
    assert status.state is JobState.FAILED
    assert "the interpreter /no/such/python cannot be started" in status.message


def test_a_training_that_takes_too_long_is_killed(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait", timeout=timedelta(seconds=0.8))
    launcher.start(job)
    status = end_of(launcher, job)
    assert status.state is JobState.TIMED_OUT
    assert status.message, "after its timeout, or before a worker of a busy cluster has taken it"
    for pid in starts(job):
        wait_until(partial(gone, pid), 10.0, "the end of the process")


def test_a_training_that_is_stopped_is_killed(launcher: Launcher, job_of: Callable[..., TrainingJob]) -> None:
    job = job_of("wait")
    launcher.start(job)
    pid = begun(launcher, job)
    assert status_of(launcher, job).state is JobState.RUNNING
    launcher.stop(job.run_id, job.attempt, job.folder)
    assert status_of(launcher, job).state is JobState.LOST
    wait_until(partial(gone, pid), 10.0, "the end of the process")


@pytest.mark.parametrize("do", ["leave and wait", "leave and vanish"])
def test_what_a_training_has_left_elsewhere_ends_with_it(
    launcher: Launcher, job_of: Callable[..., TrainingJob], do: str
) -> None:
    """A program in a session of its own, whose parent has ended."""
    job = job_of(do)
    launcher.start(job)
    begun(launcher, job)
    left = left_by(job)
    launcher.stop(job.run_id, job.attempt, job.folder)
    assert end_of(launcher, job).state is JobState.LOST
    wait_until(partial(gone, left), 10.0, "the end of the program")


def begun_before_a_kill(daemons: Daemons, job: TrainingJob) -> int:
    """The process of a training that goes on after its daemon was killed."""
    first = daemons.opened()
    first.start(job)
    pid = begun(first, job)
    daemons.closed()
    return pid


def test_a_training_is_found_again_by_the_next_daemon(
    daemons: Daemons, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    pid = begun_before_a_kill(daemons, job)
    second = daemons.opened()
    second.start(job)
    assert status_of(second, job).state is JobState.RUNNING
    let_go(job)
    assert end_of(second, job).state is JobState.SUCCEEDED
    assert starts(job) == [pid]


def test_a_training_that_ended_while_nobody_looked_is_found_by_the_next_daemon(
    daemons: Daemons, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("wait")
    pid = begun_before_a_kill(daemons, job)
    os.kill(pid, signal.SIGKILL)
    wait_until(partial(gone, pid), 10.0, "the end of the process")
    assert end_of(daemons.opened(), job).state is JobState.LOST


def test_a_training_sees_what_its_policy_declares_and_no_secret(
    launcher: Launcher, job_of: Callable[..., TrainingJob]
) -> None:
    job = job_of("pass", env=("FEATURE_STORE",))
    launcher.start(job)
    assert end_of(launcher, job).state is JobState.SUCCEEDED
    seen = json.loads((Path(job.folder) / "environ").read_text())
    assert seen["FEATURE_STORE"] == "https://features.example"
    assert "CTRAIN_DATABASE_URL" not in seen
    assert not any("secret" in value for value in seen.values())
