"""A program in the place of the interpreter that trains: what launchers see of a child, in milliseconds."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctrain.domain import JobState, JobStatus, TrainingJob
from ctrain.ports import Launcher
from tests.support.training import training_job
from tests.waiting import wait_until

LIVING = frozenset({JobState.RUNNING, JobState.ABSENT})

PROGRAM = '''#!{python} -IS
"""Does what job.json says as the parameter ``do``, with the lock and the files of a real child."""

import fcntl, json, os, signal, subprocess, sys, time

_, role, folder = sys.argv[1:]
assert role == "train"
at = lambda name: os.path.join(folder, name)


def write(name, content):
    with open(at(name + ".partial"), "w") as file:
        json.dump(content, file)
    os.replace(at(name + ".partial"), at(name))


lock = open(at("job.lock"), "ab")
fcntl.lockf(lock, fcntl.LOCK_EX)
if any(os.path.exists(at(name)) for name in ("job.state.json", "result.json", "job.ended.json")):
    sys.exit(75)
with open(at("starts"), "a") as starts:
    starts.write(str(os.getpid()) + "\\n")
print("about to", flush=True)
with open(at("environ"), "w") as file:
    json.dump(dict(os.environ), file)
do = json.load(open(at("job.json")))["context"]["params"]["do"]
if do.startswith("leave"):  # a program that is of no group of ours, and no child of anybody
    left = subprocess.check_output("setsid sh -c 'echo $$; exec sleep 600 > /dev/null' &", shell=True)
    write("left", int(left))
    do = do.removeprefix("leave and ")
write("job.state.json", {{"pid": os.getpid(), "started_at": time.time()}})
if do == "wait":
    with open(at("go")) as gate:  # a pipe with a name: this waits until somebody opens its other end
        gate.read()
if do == "vanish":
    os.kill(os.getpid(), signal.SIGKILL)
if do == "fail":
    write("result.json", {{"error": "no such luck"}})
    sys.exit(1)
seen = {{"uri": os.environ["MLFLOW_TRACKING_URI"], "threads": os.environ["OMP_NUM_THREADS"]}}
write("result.json", {{"version": "1", **seen}})
'''


def write_program(path: Path) -> str:
    """The interpreter to name as ``train.python``."""
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def stand_in_job(folder: Path, do: str, **changes: Any) -> TrainingJob:
    """A job whose program does ``do``: pass, fail, vanish, wait until ``let_go``; or ``leave and`` do so."""
    given = {"run_id": "clicks-1", "python": write_program(folder / "python"), **changes}
    job = training_job(folder / "runs", folder, given.pop("run_id"), **given)
    os.mkfifo(Path(job.folder) / "go")
    return replace(job, context=replace(job.context, params={"do": do}))


def let_go(job: TrainingJob) -> None:
    (Path(job.folder) / "go").write_text("")


def starts(job: TrainingJob) -> list[int]:
    """Process ids of the trainings that began."""
    path = Path(job.folder) / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def begun(launcher: Launcher, job: TrainingJob) -> int:
    """The process of a training that has begun; of one that does not, its launcher's last word is told."""
    last = launcher.poll(job.run_id, job.attempt, job.folder)

    def began() -> list[int]:
        nonlocal last
        last = launcher.poll(job.run_id, job.attempt, job.folder)
        found = starts(job) if (Path(job.folder) / "job.state.json").exists() else []
        assert found or last.state in LIVING, "it has ended and never began"
        return found

    try:
        (pid,) = wait_until(began, 30.0, "the start of the training")
    except AssertionError as error:
        error.add_note(f"its launcher said last: {last}")
        raise
    return pid


def left_by(job: TrainingJob) -> int:
    """The process that a training has left behind."""
    found: int = json.loads((Path(job.folder) / "left").read_text())
    return found


def end_of(launcher: Launcher, job: TrainingJob) -> JobStatus:
    def over() -> JobStatus | None:
        status = launcher.poll(job.run_id, job.attempt, job.folder)
        return None if status.state in LIVING else status

    return wait_until(over, 120.0, "the end of the training")
