"""What a worker of a dask cluster does for a training: it starts the child that trains, and waits.

Nothing of the policy is imported here. The child stands behind a guard (``ctrain.child.guard``), which ends
it with the worker; what it sees is what this worker's environment has of what a training may see.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ctrain.children import child_command, child_environment
from ctrain.domain import Json

TAKEN = 75
"""What the guard and the child end with when the attempt has been started already."""
LAST_WORDS = 2000


def run_training(
    folder: str, python: str, tracking_uri: str, timeout_seconds: float, env: Sequence[str]
) -> Json:
    """``state``: ``ended``, ``taken`` (by another worker), ``absent`` (no such folder here) or ``broken``."""
    if not (Path(folder) / "job.json").exists():
        return {"state": "absent"}
    guard = subprocess.Popen(
        child_command("", "guard", folder, str(timeout_seconds), *child_command(python, "train", folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=child_environment(os.environ, tracking_uri=tracking_uri, threads=_threads(), declared=env),
        start_new_session=True,
    )
    assert guard.stderr is not None
    assert guard.stdin is not None
    with guard.stderr, guard.stdin:  # its standard input ends with this process
        words = guard.stderr.read().decode(errors="replace")[-LAST_WORDS:]
        code = guard.wait()
    if code == TAKEN:
        return {"state": "taken"}
    return {"state": "ended"} if code in {0, 1} else {"state": "broken", "message": f"{code}: {words}"}


def _threads() -> int:
    """Of the numeric libraries of a training: what this worker's environment says, else its own threads."""
    from distributed import get_worker

    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else int(get_worker().state.nthreads)
