"""A worker that is killed while it computes a trial of a search, or a challenger's scores: one result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ctrain.app.cluster_scoring import ClusterScorer
from ctrain.domain import JobState, ModelVersion, ScoreJob, Task, TrainingJob, Version
from ctrain.launchers.dask import DaskLauncher
from ctrain.launchers.dask_cluster import DaskClusters
from tests.support.clusters import Cluster, kill, worker_of
from tests.support.processes import gone
from tests.support.trainers import end_of
from tests.support.training import ShiftedTimer, training_job
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # half a minute: clusters, and workers that are killed and started again

URI = "http://127.0.0.1:9"
TRIALS = ("0", "1")
PROGRAM = '''#!{python} -IS
"""In the place of an interpreter: a training with two trials; a trial, or scores, which wait at a gate."""

import json, os, select, sys, time

_, role, *words = sys.argv[1:]


def write(path, content):
    with open(path + ".partial", "w") as file:
        json.dump(content, file)
    os.replace(path + ".partial", path)


def begun(path):
    with open(path, "a") as file:
        file.write(str(os.getpid()) + "\\n")


def pass_gate():
    gate = os.open("{gate}", os.O_RDONLY | os.O_NONBLOCK)
    while True:
        ready = select.select([0, gate], [], [])[0]
        if 0 in ready and not os.read(0, 1):
            sys.exit(1)  # whoever asked is gone
        try:
            if gate in ready:
                return os.read(gate, 1) or sys.exit(1)  # the test is over
        except BlockingIOError:
            pass  # the other trial was faster


if role == "train":
    folder = words[0]
    begun(folder + "/starts")
    write(folder + "/job.state.json", {{"pid": os.getpid(), "started_at": time.time()}})
    os.mkfifo(folder + "/answered")
    answered = os.open(folder + "/answered", os.O_RDWR)
    trials = [folder + "/trials/" + number for number in "01"]
    for trial in trials:
        write(trial + ".ask.json", {{}})
    while not all(os.path.exists(trial + ".answer.json") for trial in trials):
        os.read(answered, 1)
    answers = [json.load(open(trial + ".answer.json"))["loss"] for trial in trials]
    write(folder + "/result.json", {{"version": "1", "answers": answers}})
if role == "trials":
    at = words[0] + "/trials/" + words[1]
    begun(at + ".starts")
    pass_gate()
    write(at + ".answer.json", {{"loss": os.getpid()}})
    os.write(os.open(words[0] + "/answered", os.O_RDWR), b"1")
if role == "score":
    asked = json.loads(sys.stdin.readline())
    begun(asked["rows_path"] + ".starts")
    open(asked["output_path"], "w").write("half of")
    pass_gate()
    write(asked["output_path"], os.getpid())
    told = {{"key": asked["key"], "ok": True, "bad_rows": 0, "seconds": 0.1, "measured": {{}}}}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
'''


class PromptTimer(ShiftedTimer):
    """Real time, but for the pause between two agents."""

    def monotonic(self) -> float:
        return super().monotonic() * 5


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.started(workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def clusters() -> Iterator[DaskClusters]:
    clusters = DaskClusters(PromptTimer(), os.environ)
    yield clusters
    clusters.close()


class Gate:
    """Where children of a test wait until so many may go on."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._number = os.open(path, os.O_RDWR)

    def let_through(self, children: int) -> None:
        os.write(self._number, b"1" * children)

    def close(self) -> None:
        os.close(self._number)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture
def program(gate: Gate, tmp_path: Path) -> str:
    path = tmp_path / "python"
    path.write_text(PROGRAM.format(python=sys.executable, gate=gate.path))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def search(cluster: Cluster, program: str, tmp_path: Path) -> Callable[[int], TrainingJob]:
    """An attempt of a training whose two trials are computed together."""

    def attempt(number: int) -> TrainingJob:
        return training_job(
            tmp_path / "runs",
            tmp_path,
            "clicks-1",
            attempt=number,
            python=program,
            launcher={"type": "dask", "address": cluster.address},
            tune={"together": 2},
        )

    return attempt


@pytest.fixture
def scores(cluster: Cluster, program: str, tmp_path: Path) -> ScoreJob:
    (tmp_path / "rows").touch()
    return ScoreJob(
        key="shadow-1",
        version=ModelVersion("clicks", Version("2"), "models:/clicks/2", "mlrun-2", {}),
        rows_path=str(tmp_path / "rows"),
        output_path=str(tmp_path / "scores"),
        features=("x",),
        task=Task.BINARY,
        output="auto",
        python=program,
        launcher={"type": "dask", "address": cluster.address},
    )


def begun(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def under_way(launcher: DaskLauncher, job: TrainingJob) -> tuple[int, list[int]]:
    """The process of a training, and of each of its trials, once all have begun."""
    folder = Path(job.folder)

    def all_begun() -> list[int]:
        launcher.poll(job.run_id, job.attempt, job.folder)
        trials = [pid for number in TRIALS for pid in begun(folder / "trials" / f"{number}.starts")]
        return trials if len(trials) == len(TRIALS) else []

    trials = wait_until(all_begun, 30.0, "both trials")
    return begun(folder / "starts")[0], trials


def score_under_way(scorer: ClusterScorer, job: ScoreJob, times: int) -> int:
    def scoring() -> list[int]:
        assert scorer.poll(job.key).state == "running", scorer.poll(job.key)
        found = begun(Path(f"{job.rows_path}.starts"))
        return found if len(found) == times else []

    return wait_until(scoring, 30.0, "the scoring")[-1]


def settled(scorer: ClusterScorer, job: ScoreJob) -> object:
    def over() -> object:
        status = scorer.poll(job.key)
        return None if status.state == "running" else status

    return wait_until(over, 30.0, "the scores")


def test_a_trial_whose_worker_is_lost_is_computed_again(
    cluster: Cluster, clusters: DaskClusters, search: Callable[[int], TrainingJob], gate: Gate
) -> None:
    launcher, job = DaskLauncher(clusters, URI, PromptTimer()), search(1)
    launcher.start(job)
    training, trials = under_way(launcher, job)
    home = worker_of(training, cluster)
    [lost] = [pid for pid in trials if worker_of(pid, cluster) is not home]
    [kept] = [pid for pid in trials if pid != lost]
    kill(worker_of(lost, cluster))
    wait_until(partial(gone, lost), 10.0, "the end of the trial")
    gate.let_through(len(TRIALS))
    status = end_of(launcher, job)
    assert status.state is JobState.SUCCEEDED, status
    answers = status.result["answers"]
    assert kept in answers
    assert lost not in answers
    starts = [begun(Path(job.folder) / "trials" / f"{number}.starts") for number in TRIALS]
    assert sorted(map(len, starts)) == [1, 2]
    assert [one[-1] for one in starts] == answers
    assert begun(Path(job.folder) / "starts") == [training]
    cluster.start_worker()


def test_a_search_whose_own_worker_is_lost_ends_with_its_trials_and_is_tried_again(
    cluster: Cluster, clusters: DaskClusters, search: Callable[[int], TrainingJob], gate: Gate
) -> None:
    launcher, job = DaskLauncher(clusters, URI, PromptTimer()), search(1)
    launcher.start(job)
    training, trials = under_way(launcher, job)
    kill(worker_of(training, cluster))
    status = end_of(launcher, job)
    assert status.state is JobState.LOST, status
    for pid in (training, *trials):
        wait_until(partial(gone, pid), 10.0, f"the end of {pid}")
    cluster.start_worker()
    again = search(2)
    launcher.start(again)
    under_way(launcher, again)
    gate.let_through(len(TRIALS))
    assert end_of(launcher, again).state is JobState.SUCCEEDED
    assert not list(Path(job.folder).glob("trials/*.answer.json"))


@pytest.mark.parametrize("lost", ["worker", "scheduler"])
def test_scores_whose_worker_or_scheduler_is_lost_are_computed_once_more_and_are_one_answer(
    cluster: Cluster, clusters: DaskClusters, scores: ScoreJob, gate: Gate, lost: str
) -> None:
    timer = PromptTimer()
    scorer = ClusterScorer(clusters, URI, timer)
    scorer.submit(scores)
    first = score_under_way(scorer, scores, 1)
    if lost == "worker":
        kill(worker_of(first, cluster))
    else:
        assert cluster.scheduler is not None
        kill(cluster.scheduler)
        cluster.start_scheduler()
    wait_until(partial(gone, first), 10.0, "the end of the child")
    cluster.start_worker()
    second = score_under_way(scorer, scores, 2)
    gate.let_through(1)
    status = settled(scorer, scores)
    assert getattr(status, "state", "") == "done", status
    assert json.loads(Path(scores.output_path).read_text()) == second
    assert begun(Path(f"{scores.rows_path}.starts")) == [first, second]
