"""What a worker of a dask cluster does for a training: it starts the child that trains, and waits.

Nothing of the policy is imported here. The child stands behind a guard (``ctrain.child.guard``), which ends
it with the worker; what it sees is what this worker's environment has of what a training may see.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ctrain.children import child_command, child_environment
from ctrain.domain import Json
from ctrain.launchers.dask_trials import ALIVE, LOOK_SECONDS, Trials, threads, trials_of
from ctrain.launchers.job_folder import JobFolder
from ctrain.launchers.process import kill_group, kill_marked

TAKEN = 75
"""What the guard and the child end with when the attempt has been started already."""
LAST_WORDS = 2000


def run_training(
    folder: str, python: str, tracking_uri: str, timeout_seconds: float, env: Sequence[str]
) -> Json:
    """``state``: ``ended``, ``taken`` (by another worker), ``absent`` (no such folder here) or ``broken``."""
    if not (Path(folder) / "job.json").exists():
        return {"state": "absent"}
    told = {"python": python, "tracking_uri": tracking_uri, "env": list(env)}
    with tempfile.TemporaryFile() as words, trials_of(folder, told) as trials:
        guard = subprocess.Popen(
            child_command("", "guard", folder, str(timeout_seconds), *child_command(python, "train", folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=child_environment(os.environ, tracking_uri=tracking_uri, threads=threads(), declared=env),
            start_new_session=True,
        )
        code = _ended(guard, trials)
        words.seek(0)
        said = words.read().decode(errors="replace")[-LAST_WORDS:]
    if code == TAKEN:
        return {"state": "taken"}
    if code in {0, 1}:
        return {"state": "ended"}
    _end_unguarded(folder)
    return {"state": "broken", "message": f"{code}: {said}".rstrip(": ")}


def _ended(guard: subprocess.Popen[bytes], trials: Trials | None) -> int:
    """Wait for the guard; it ends the training with its standard input, and so with this worker."""
    from distributed import get_worker

    worker = get_worker()
    ended = os.pidfd_open(guard.pid)
    assert guard.stdin is not None
    try:
        while not select.select([ended], [], [], LOOK_SECONDS)[0]:
            if trials is not None:
                trials.look()
            if worker.status.name not in ALIVE:
                break  # it has lost its scheduler, which gives the task to somebody else
    finally:
        os.close(ended)
        guard.stdin.close()
    return guard.wait()


def _end_unguarded(folder: str) -> None:
    """Kill a training whose guard was killed."""
    state = JobFolder(folder).state()
    if state is not None and JobFolder(folder).locked():
        kill_group(int(state["pid"]))
    kill_marked(folder)
