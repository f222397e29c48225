"""The end of a child that has run user code: nothing that such code left running, or in memory, stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

PATIENCE_SECONDS = 2.0
MARK = "CTRAIN_ATTEMPT"
"""The variable that names the folder of an attempt to all that its training starts, wherever that goes."""
TRACKER = b"resource_tracker"
"""In the commands of multiprocessing's and joblib's processes that remove what nobody has any more."""


def end_group() -> None:
    """End our process group: what user code left running in it, whatever it ignores, its threads and us.

    What has left the group, as a program that was started with ``setsid``, ends too where it bears our mark.
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


def kill_marked(mark: str) -> None:
    """Kill whoever bears the mark; nobody when it is empty."""
    for pid in _processes() if mark else ():
        with contextlib.suppress(OSError):  # it has just ended, or is somebody else's
            if _bears(pid, mark):
                os.kill(pid, signal.SIGKILL)


def _others() -> list[int]:
    """Who else lives in our group or bears our mark, but for trackers."""
    mark = os.environ.get(MARK, "")
    return [pid for pid in _processes() if pid != os.getpid() and _is_ours(pid, mark)]


def _processes() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]


def _is_ours(pid: int, mark: str) -> bool:
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
        ours = state != "Z" and (int(group) == os.getpid() or _bears(pid, mark))
        return ours and TRACKER not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended, or is somebody else's
        return False


def _bears(pid: int, mark: str) -> bool:
    """True when the process was started with the mark in its environment; raises OSError."""
    line = f"{MARK}={mark}".encode()
    return bool(mark) and line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
