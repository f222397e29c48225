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
from tests.support.trainers import end_of, gone
from tests.support.training import ShiftedTimer, training_job
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # half a minute: clusters, and workers that are killed and started again

URI = "http://127.0.0.1:9"
TRIALS = ("0", "1")
PROGRAM = '''#!{python} -IS
"""In the place of an interpreter: a training with two trials, a trial, or scores; each waits until it may."""

import json, os, select, sys, time

_, role, *words = sys.argv[1:]


def write(path, content):
    with open(path + ".partial", "w") as file:
        json.dump(content, file)
    os.replace(path + ".partial", path)


def begun(path):
    with open(path, "a") as file:
        file.write(str(os.getpid()) + "\\n")


def wait_for(path, parent=True):
    while not os.path.exists(path):
        if parent and select.select([0], [], [], 0.02)[0] and not os.read(0, 1):
            sys.exit(1)  # whoever asked is gone
        time.sleep(0.02)


if role == "train":
    folder = words[0]
    begun(folder + "/starts")
    write(folder + "/job.state.json", {{"pid": os.getpid(), "started_at": time.time()}})
    for number in "01":
        write(folder + "/trials/" + number + ".ask.json", {{}})
    answers = []
    for number in "01":
        wait_for(folder + "/trials/" + number + ".answer.json", parent=False)
        answers.append(json.load(open(folder + "/trials/" + number + ".answer.json"))["loss"])
    write(folder + "/result.json", {{"version": "1", "answers": answers}})
if role == "trials":
    at = words[0] + "/trials/" + words[1]
    begun(at + ".starts")
    wait_for(words[0] + "/go")
    write(at + ".answer.json", {{"loss": os.getpid()}})
if role == "score":
    asked = json.loads(sys.stdin.readline())
    begun(asked["rows_path"] + ".starts")
    open(asked["output_path"], "w").write("half of")
    wait_for(asked["rows_path"] + ".go")
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


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "python"
    path.write_text(PROGRAM.format(python=sys.executable))
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
    cluster: Cluster, clusters: DaskClusters, search: Callable[[int], TrainingJob]
) -> None:
    launcher, job = DaskLauncher(clusters, URI, PromptTimer()), search(1)
    launcher.start(job)
    training, trials = under_way(launcher, job)
    home = worker_of(training, cluster)
    [lost] = [pid for pid in trials if worker_of(pid, cluster) is not home]
    [kept] = [pid for pid in trials if pid != lost]
    kill(worker_of(lost, cluster))
    wait_until(partial(gone, lost), 10.0, "the end of the trial")
    (Path(job.folder) / "go").touch()
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
    cluster: Cluster, clusters: DaskClusters, search: Callable[[int], TrainingJob]
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
    (Path(again.folder) / "go").touch()
    assert end_of(launcher, again).state is JobState.SUCCEEDED
    assert not list(Path(job.folder).glob("trials/*.answer.json"))


@pytest.mark.parametrize("lost", ["worker", "scheduler"])
def test_scores_whose_worker_or_scheduler_is_lost_are_computed_once_more_and_are_one_answer(
    cluster: Cluster, clusters: DaskClusters, scores: ScoreJob, lost: str
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
    Path(f"{scores.rows_path}.go").touch()
    status = settled(scorer, scores)
    assert getattr(status, "state", "") == "done", status
    assert json.loads(Path(scores.output_path).read_text()) == second
    assert begun(Path(f"{scores.rows_path}.starts")) == [first, second]
