"""What many integration tests begin with and is dear to make: an embedded MLflow, trained models, a story."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import JobStatus, TrainingJob
from ctrain.launchers.process import ProcessLauncher
from ctrain.registry.client import MlflowRegistry
from ctrain.registry.embedded import prepare_embedded
from tests.support.prepared import lay_out_mlflow
from tests.support.stories import Story
from tests.support.training import ended, training_job, write_code
from tests.waiting import wait_until

TUNE = {
    "sampler": "grid",
    "trials": 5,
    "timeout_seconds": None,
    "folds": 2,
    "space": {"depth": {"values": [2, 4]}},
    "start": {},
}


@dataclass(frozen=True)
class Embedded:
    home: Path
    uri: str
    code: Path

    def launcher(self) -> ProcessLauncher:
        return ProcessLauncher(self.uri, RealTimer(), threads=1)


@dataclass(frozen=True)
class Trained:
    job: TrainingJob
    status: JobStatus


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    home = tmp_path_factory.mktemp("home")
    lay_out_mlflow(home)
    return Embedded(home, prepare_embedded(home), write_code(home / "code"))


@pytest.fixture(scope="session")
def trained(embedded: Embedded) -> Mapping[str, Trained]:
    """Ended jobs by the name of their training function, trained side by side."""
    launcher = embedded.launcher()
    folder = embedded.home / "runs"
    jobs = {
        "train": training_job(folder, embedded.code, "run-train"),
        "regress": training_job(
            folder,
            embedded.code,
            "run-regress",
            task="regression",
            model="delay",
            entrypoint="",
            candidates=("training:fail", "training:regress"),
            tune=TUNE,
        ),
        "kinds": training_job(
            folder, embedded.code, "run-kinds", "kinds", task="multiclass", model="carriers"
        ),
        "own_model": training_job(folder, embedded.code, "run-own_model", "own_model"),
        "own_runs": training_job(folder, embedded.code, "run-own_runs", "own_runs"),
        "command": training_job(
            folder, embedded.code, "run-command", entrypoint="", command=(sys.executable, "pipeline.py")
        ),
        "fail": training_job(folder, embedded.code, "run-fail", "fail"),
        "allocate": training_job(folder, embedded.code, "run-allocate", "allocate", memory_limit_bytes=10**9),
    }
    for job in jobs.values():
        launcher.start(job)
    return {
        name: Trained(job, wait_until(partial(ended, launcher, job), 120.0, f"the end of {name}"))
        for name, job in jobs.items()
    }


@pytest.fixture(scope="session")
def registry(embedded: Embedded) -> Iterator[MlflowRegistry]:
    registry = MlflowRegistry(embedded.uri)
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story")).tell()
