"""Stands between a worker of a cluster and a training: whatever becomes of the worker, the training ends.

``guard FOLDER TIMEOUT_SECONDS PROGRAM ARGUMENT...`` claims the attempt whose folder this is, runs the
program and waits for it. The program is killed, with its process group and all that it started, when
standard input ends (the worker is gone), when ``job.ended.json`` appears (nobody wants it any more), or at
its timeout. An attempt is claimed once: a second guard, on whatever machine that sees the folder, ends with
``ALREADY_TAKEN``.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ctrain.child.ending import MARK, kill_marked

ALREADY_TAKEN = 75
LOOK_SECONDS = 0.25
"""So often the folder is looked at for an end that was written from outside."""


def main(arguments: list[str]) -> int:
    folder, timeout_seconds, program = Path(arguments[0]), float(arguments[1]), arguments[2:]
    told = {"machine": socket.gethostname(), "pid": os.getpid(), "claimed_at": time.time()}
    if not write_first(folder / "job.claim.json", told) or is_over(folder):
        return ALREADY_TAKEN
    with (folder / "train.log").open("ab") as log:
        try:
            child = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, MARK: str(folder)},
                start_new_session=True,
            )
        except OSError as error:
            return _end(folder, "failed", f"the interpreter {program[0]} cannot be started: {error}")
    try:
        state, reason = _watch(child, folder, time.monotonic() + timeout_seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        kill_marked(str(folder))
        code = child.wait()
    if state == "timed_out":
        reason = f"training was stopped after its timeout of {timeout_seconds:g} s"
    if (folder / "result.json").exists():
        return 0
    return _end(folder, state, reason or f"the training process ended with {code} and left no result")


def is_over(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("job.state.json", "result.json", "job.ended.json"))


def write_first(path: Path, content: dict[str, object]) -> bool:
    """Write a file whole unless it is there; false when somebody was first, on this machine or another."""
    partial = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.partial")
    with partial.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


def _watch(child: subprocess.Popen[bytes], folder: Path, deadline: float) -> tuple[str, str]:
    """What ended the child; the reason is empty when it ended by itself."""
    ended = os.pidfd_open(child.pid)
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ended, 0], [], [], LOOK_SECONDS)
            if ended in ready:
                return "lost", ""
            if 0 in ready and not os.read(0, 4096):
                return "lost", "the worker that trained is gone"
            if (folder / "job.ended.json").exists():
                return "lost", "training was stopped"
    finally:
        os.close(ended)
    return "timed_out", ""


def _end(folder: Path, state: str, message: str) -> int:
    write_first(folder / "job.ended.json", {"state": state, "message": message})
    print(message, file=sys.stderr)
    return 1
