"""Trainings of daemons on several machines: killed where they run, never by a number of another machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import JobState, RunId
from ctrain.launchers.machine import started, this_machine
from ctrain.launchers.process import ProcessLauncher

RUN = RunId("clicks-1")
HANG = [
    sys.executable,
    "-c",
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, 2); print(1, flush=True); input()",
]


@pytest.fixture
def launcher() -> ProcessLauncher:
    return ProcessLauncher("http://127.0.0.1:9", RealTimer(), threads=1)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of an attempt's folder, as a training child does."""
    folder = tmp_path / "runs" / RUN / "attempt-1"
    folder.mkdir(parents=True)
    child = subprocess.Popen(
        [*HANG, str(folder / "job.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"1\n", "it holds the lock"
    (folder / "job.state.json").write_text(json.dumps({"pid": child.pid, "started_at": 0}))
    yield child
    child.kill()
    child.communicate()


def started_on(folder: Path, machine: str) -> str:
    attempt = folder / "runs" / RUN / "attempt-1"
    content = {"timeout_seconds": 60, "launched_at": 0, "machine": machine}
    (attempt / "job.json").write_text(json.dumps(content))
    return str(attempt)


def test_what_was_lost_is_killed_and_only_that(
    launcher: ProcessLauncher, training: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    attempt = Path(started_on(tmp_path, this_machine()))
    launcher._spawned[attempt] = training
    assert launcher.lose(str(tmp_path / "runs" / "clicks-2")) == 0
    assert started(training.pid)
    assert launcher.lose(str(attempt.parent)) == 1
    assert not started(training.pid)
    assert not (attempt / "job.ended.json").exists()
    assert launcher.lose(str(attempt.parent)) == 0


@pytest.mark.parametrize(("machine", "dies"), [(this_machine(), True), ("elsewhere000", False)])
def test_a_number_of_another_machine_is_nobody_here(
    launcher: ProcessLauncher,
    training: subprocess.Popen[bytes],
    tmp_path: Path,
    machine: str,
    *,
    dies: bool,
) -> None:
    attempt = started_on(tmp_path, machine)
    launcher.stop(RUN, 1, attempt)
    assert launcher.poll(RUN, 1, attempt).state is JobState.LOST
    assert bool(started(training.pid)) is not dies
