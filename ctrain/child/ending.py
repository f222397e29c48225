"""The end of a child that has run user code: nothing that such code left running, or in memory, stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

PATIENCE_SECONDS = 2.0
TRACKER = b"resource_tracker"
"""In the commands of multiprocessing's and joblib's processes that remove what nobody has any more."""


def end_group() -> None:
    """End our process group: what user code left running in it, whatever it ignores, its threads and us.

    Trackers are left to remove what the others held in /dev/shm, rows of a training perhaps; that done, they
    end by themselves. Returns where the group is not ours alone.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # user code may have closed or replaced it
            stream.flush()
    if os.getpgrp() != os.getpid():
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while others := _others():
        if time.monotonic() > deadline:
            os.killpg(0, signal.SIGKILL)
        for pid in others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def _others() -> list[int]:
    """Who else lives in our group, but for trackers."""
    members = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
    return [pid for pid in members if pid != os.getpid() and _is_ours(pid)]


def _is_ours(pid: int) -> bool:
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if int(group) == os.getpid() else b""
    except OSError:  # it has just ended
        return False
    return int(group) == os.getpid() and state != "Z" and TRACKER not in command
