"""Training in real processes against a real MLflow: what is logged, how it fails, what survives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ctrain.child.registration import find_version
from ctrain.child.tracking import find_or_create_run
from ctrain.clocks import RealTimer
from ctrain.domain import JobState, RunId, TrainingJob
from ctrain.launchers.process import ProcessLauncher
from tests.integration.conftest import Embedded, Trained
from tests.support.training import ShiftedTimer, ended, run_to_end, training_job
from tests.waiting import wait_until


def log_of(job: TrainingJob) -> str:
    return (Path(job.folder) / "train.log").read_text()


def test_a_trained_version_tells_its_whole_story_in_mlflow(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(embedded.uri)
    status = trained["train"].status
    assert status.state is JobState.SUCCEEDED, status
    run = client.get_run(status.result["mlflow_run_id"])
    assert run.info.run_name == "flights 2013-02-01 run-train"
    assert run.info.status == "FINISHED"
    assert run.data.tags["ctrain.trigger"] == "degraded"
    assert run.data.params["estimator"] == "Rate"
    assert run.data.params["estimator.strength"] == "1.0"
    assert run.data.params["params.depth"] == "3"
    assert run.data.params["holdout"] == "0.2"
    assert run.data.metrics["training_rows"] == 200
    artifacts = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert artifacts >= {"policy.yaml", "reason.txt", "importance.json"}
    assert run.inputs is not None
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "flights 2013-01-01 to 2013-02-01"
    assert json.loads(dataset.dataset.source)["from"] == "2013-01-01T00:00:00+00:00"
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "training")]
    version = client.get_model_version("flights", status.result["version"])
    assert version.run_id == run.info.run_id
    assert version.tags["ctrain.run_id"] == "run-train"
    assert version.tags["ctrain.digest"] == status.result["digest"]
    assert version.tags["ctrain.cut_off"] == "2013-02-10T00:00:00+00:00"
    assert status.result["importance"] == {"distance": 0.0, "carrier": 1.0}
    assert json.loads(version.tags["ctrain.importance"]) == status.result["importance"]
    assert "ctrain.unverified_holdout" not in version.tags
    assert version.description == "Trained by ctrain because of degraded"
    assert "features: ('distance', 'carrier') params: {'depth': 3}" in log_of(trained["train"].job)


def test_a_function_that_ends_the_run_and_names_another_server_is_registered_all_the_same(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(embedded.uri)
    status = trained["own_runs"].status
    assert status.state is JobState.SUCCEEDED, status
    run = client.get_run(status.result["mlflow_run_id"])
    assert (run.info.status, run.data.tags["ctrain.run_id"]) == ("FINISHED", "run-own_runs")
    assert client.get_model_version("flights", status.result["version"]).run_id == run.info.run_id


def test_a_model_that_the_trainer_logged_is_registered_and_marked(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    import mlflow

    status = trained["own_model"].status
    assert status.state is JobState.SUCCEEDED, status
    version = mlflow.MlflowClient(embedded.uri).get_model_version("flights", status.result["version"])
    assert version.tags["ctrain.unverified_holdout"] == "true"
    assert version.tags["ctrain.run_id"] == "run-own_model"
    artifact = mlflow.artifacts.download_artifacts(
        run_id=status.result["mlflow_run_id"], artifact_path="importance.json", tracking_uri=embedded.uri
    )
    measured = json.loads(Path(artifact).read_text())
    assert measured["increase"]["carrier"] == 0
    assert measured["increase"]["distance"] != 0


def test_a_refit_is_another_version_from_a_run_of_its_own(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(embedded.uri)
    done = trained["train"]
    first = find_version(client, "flights", "run-train", "")
    assert first is not None
    assert str(first.version) == done.status.result["version"]
    assert find_version(client, "flights", "run-train", str(first.version)) is None
    known = find_or_create_run(client, done.job.registration)
    assert known.info.run_id == done.status.result["mlflow_run_id"]
    tags = {**done.job.registration["tags"], "ctrain.refit_of": str(first.version)}
    made, again = (find_or_create_run(client, {**done.job.registration, "tags": tags}) for _ in range(2))
    assert made.info.run_id == again.info.run_id != known.info.run_id


def test_a_command_trains_in_the_run_that_it_is_told(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    import mlflow

    status = trained["command"].status
    assert status.state is JobState.SUCCEEDED, status
    client = mlflow.MlflowClient(embedded.uri)
    run = client.get_run(status.result["mlflow_run_id"])
    assert (run.info.status, run.data.metrics["pipeline_rows"]) == ("FINISHED", 200)
    assert run.data.params["entrypoint"].endswith("python pipeline.py")
    version = client.get_model_version("flights", status.result["version"])
    assert version.tags["ctrain.run_id"] == "run-command"
    assert version.tags["ctrain.unverified_holdout"] == "true"
    assert status.result["importance"] == {"distance": 0.0, "carrier": 1.0}
    assert 'pipeline done {"depth": 3}' in log_of(trained["command"].job)


def test_what_was_chosen_is_told_in_mlflow(embedded: Embedded, trained: Mapping[str, Trained]) -> None:
    import mlflow

    status = trained["regress"].status
    assert status.state is JobState.SUCCEEDED, status
    client = mlflow.MlflowClient(embedded.uri)
    run = client.get_run(status.result["mlflow_run_id"])
    assert run.data.params["entrypoint"] == "training:fail, training:regress"
    assert run.data.params["chosen"] == "training:regress"
    assert run.data.params["tuned.depth"] in {"2", "4"}
    losses = status.result["selection"]["losses"]
    assert run.data.metrics["validation.training.regress"] == pytest.approx(losses["training:regress"])
    assert "choices.json" in {one.path for one in client.list_artifacts(run.info.run_id)}
    version = client.get_model_version("delay", status.result["version"])
    assert json.loads(version.tags["ctrain.tuning"]) == status.result["tuning"]
    assert json.loads(version.tags["ctrain.selection"]) == status.result["selection"]


def test_an_error_reaches_the_status_and_the_log(embedded: Embedded, trained: Mapping[str, Trained]) -> None:
    import mlflow

    status = trained["fail"].status
    assert status.state is JobState.FAILED
    assert status.message.startswith("ValueError: no such luck\n")
    assert 'raise ValueError("no such luck")' in log_of(trained["fail"].job)
    client = mlflow.MlflowClient(embedded.uri)
    experiment = client.get_experiment_by_name("flights")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`ctrain.run_id` = 'run-fail'")
    assert run.info.status == "FAILED"


def test_exceeding_the_memory_limit_says_so(trained: Mapping[str, Trained]) -> None:
    status = trained["allocate"].status
    assert status.state is JobState.FAILED
    assert status.message.startswith("training needs more memory than train.memory_limit allows (1.0 GB): ")


def test_another_attempt_of_a_run_finds_its_version(
    embedded: Embedded, trained: Mapping[str, Trained]
) -> None:
    again = training_job(embedded.home / "runs", embedded.code, "run-train", "fail", attempt=2)
    status = run_to_end(embedded.launcher(), again)
    assert status.state is JobState.SUCCEEDED, status
    assert dict(status.result) == dict(trained["train"].status.result) | {
        "train_seconds": pytest.approx(0, abs=1)
    }


@pytest.fixture
def hanging(embedded: Embedded, tmp_path: Path) -> Iterator[TrainingJob]:
    job = training_job(tmp_path, embedded.code, "run-hang", "hang", timeout=timedelta(hours=1))
    yield job
    embedded.launcher().stop(job.run_id, job.attempt, job.folder)


def pid_of(job: TrainingJob) -> int:
    state = Path(job.folder) / "job.state.json"
    wait_until(state.exists, what="the start of training")
    return int(json.loads(state.read_text())["pid"])


def children_at(job: TrainingJob) -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if job.folder in one.cmdline():
                found.append(one)
    return found


@pytest.mark.cold  # which process is whose is the matter
def test_one_process_however_often_and_by_whom_it_is_started(
    embedded: Embedded, hanging: TrainingJob
) -> None:
    first = embedded.launcher()
    first.start(hanging)
    first.start(hanging)
    # A process that has just begun a program has no command line for a moment.
    wait_until(lambda: children_at(hanging), what="the process of the training")
    pid = pid_of(hanging)
    assert [one.pid for one in children_at(hanging)] == [pid]
    second = embedded.launcher()
    second.start(hanging)
    assert [one.pid for one in children_at(hanging)] == [pid]
    assert second.poll(hanging.run_id, 1, hanging.folder).state is JobState.RUNNING
    os.kill(pid, signal.SIGKILL)
    status = wait_until(lambda: ended(second, hanging), what="the end of a killed training")
    assert status.state is JobState.LOST
    assert status.message.startswith("the training process is gone and left no result")
    second.start(hanging)
    assert second.poll(hanging.run_id, 1, hanging.folder).state is JobState.LOST


@pytest.mark.cold  # which process is whose is the matter
def test_a_launcher_that_forgot_its_child_starts_no_second_training(
    embedded: Embedded, hanging: TrainingJob
) -> None:
    first, second = embedded.launcher(), embedded.launcher()
    first.start(hanging)
    second.start(hanging)
    pid = pid_of(hanging)
    wait_until(
        lambda: [one.pid for one in children_at(hanging)] == [pid], what="the end of the second process"
    )
    assert first.poll(hanging.run_id, 1, hanging.folder).state is JobState.RUNNING
    assert second.poll(hanging.run_id, 1, hanging.folder).state is JobState.RUNNING


@pytest.mark.cold  # which process is whose is the matter
def test_a_timeout_kills_the_training_whoever_started_it(embedded: Embedded, hanging: TrainingJob) -> None:
    embedded.launcher().start(hanging)
    pid = pid_of(hanging)
    timer = ShiftedTimer()
    adopting = ProcessLauncher(embedded.uri, timer)
    assert adopting.poll(hanging.run_id, 1, hanging.folder).state is JobState.RUNNING
    timer.ahead = timedelta(hours=1, seconds=1)
    status = adopting.poll(hanging.run_id, 1, hanging.folder)
    assert status.state is JobState.TIMED_OUT
    assert status.message.startswith("training was stopped after its timeout of 3600 s")
    wait_until(lambda: not psutil.pid_exists(pid), what="the end of the process")
    assert embedded.launcher().poll(hanging.run_id, 1, hanging.folder).state is JobState.TIMED_OUT


def test_stop_kills_and_is_remembered(embedded: Embedded, hanging: TrainingJob) -> None:
    launcher = embedded.launcher()
    launcher.start(hanging)
    pid = pid_of(hanging)
    launcher.stop(hanging.run_id, 1, hanging.folder)
    wait_until(lambda: not psutil.pid_exists(pid), what="the end of the process")
    wait_until(lambda: not children_at(hanging), what="the end of what had started it")
    assert launcher.poll(hanging.run_id, 1, hanging.folder).message.startswith("training was stopped")
    launcher.start(hanging)
    assert not children_at(hanging)


def test_absent_before_it_is_started_and_stopping_nothing_is_harmless(
    embedded: Embedded, tmp_path: Path
) -> None:
    launcher = embedded.launcher()
    launcher.stop(RunId("run-none"), 1, str(tmp_path / "none"))
    assert launcher.poll(RunId("run-none"), 1, str(tmp_path / "none")).state is JobState.ABSENT


def test_an_interpreter_that_is_not_there_fails_the_job(embedded: Embedded, tmp_path: Path) -> None:
    job = training_job(tmp_path, embedded.code, "run-python", python="/nowhere/python")
    launcher = embedded.launcher()
    launcher.start(job)
    status = launcher.poll(job.run_id, 1, job.folder)
    assert status.state is JobState.FAILED
    assert "/nowhere/python cannot be started" in status.message


def test_an_interpreter_that_dies_at_once_fails_the_job(embedded: Embedded, tmp_path: Path) -> None:
    job = training_job(tmp_path, embedded.code, "run-false", python="/bin/false")
    status = run_to_end(embedded.launcher(), job)
    assert status.state is JobState.FAILED
    assert status.message.startswith("the training process ended with 1 before it began")


def test_a_command_that_fails_has_the_last_word(embedded: Embedded) -> None:
    script = "echo 'the table of prices is empty' >&2; exit 3"
    job = training_job(
        embedded.home / "runs", embedded.code, "run-unwilling", entrypoint="", command=("sh", "-c", script)
    )
    status = run_to_end(embedded.launcher(), job)
    assert status.state is JobState.FAILED
    lines = status.message.splitlines()
    assert (lines[0], lines[-1]) == ("train.command ended with 3", "the table of prices is empty")


def test_training_sees_no_secret_of_the_daemon(embedded: Embedded, tmp_path: Path) -> None:
    printer = tmp_path / "python"
    printer.write_text("#!/bin/sh\nenv\n")
    printer.chmod(0o755)
    environ = {**os.environ, "CTRAIN_DATABASE_URL": "postgresql://secret", "SOME_TOKEN": "t", "WANTED": "w"}
    launcher = ProcessLauncher(
        embedded.uri, RealTimer(), python=str(printer), threads=3, declared=["WANTED"], environ=environ
    )
    job = training_job(tmp_path, embedded.code, "run-env")
    run_to_end(launcher, job)
    seen = dict(line.partition("=")[::2] for line in log_of(job).splitlines())
    assert seen["MLFLOW_TRACKING_URI"] == embedded.uri
    assert seen["OMP_NUM_THREADS"] == "3"
    assert seen["WANTED"] == "w"
    assert not {"CTRAIN_DATABASE_URL", "SOME_TOKEN", "PYTHONPATH"} & set(seen)


NO_ROOM = """
import os, shutil
from sklearn.dummy import DummyClassifier


def train(rows, context):
    if not os.path.exists("../../tried"):
        open("../../tried", "w").close()
        shutil.rmtree({store!r})
        open({store!r}, "w").close()
    return DummyClassifier().fit(rows[["distance", "carrier"]], rows["late"])
"""
"""In the first attempt a file comes into the place of the artifacts' folder: nothing can be written there."""


def test_a_model_that_cannot_be_written_fails_its_attempt_and_the_next_one_registers_one_version(
    embedded: Embedded, tmp_path: Path
) -> None:
    import mlflow

    store = embedded.home / "artifacts" / "no-room"
    (tmp_path / "no_room.py").write_text(NO_ROOM.format(store=str(store)))
    status = []
    for attempt in (1, 2):
        given: dict[str, Any] = {"model": "no-room", "entrypoint": "no_room:train", "attempt": attempt}
        job = training_job(tmp_path, tmp_path, "run-no-room", **given)
        job = replace(job, registration={**job.registration, "experiment": "no-room"})
        status.append(run_to_end(embedded.launcher(), job))
        if attempt == 1:
            assert find_version(mlflow.MlflowClient(embedded.uri), "no-room", job.run_id) is None
            store.unlink()
    assert [one.state for one in status] == [JobState.FAILED, JobState.SUCCEEDED], status
    assert f"{store}/models" in status[0].message.splitlines()[0], (
        "the model, not the account of what happened"
    )
    found = mlflow.MlflowClient(embedded.uri).search_model_versions("name = 'no-room'")
    assert [str(one.version) for one in found] == [status[1].result["version"]]
