"""CPU time and peak memory of a program, taken by the system when it ends; tables and plots of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "bench"
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """What a program used: CPU of all its threads and children, largest memory, real time."""

    cpu_seconds: float
    peak_megabytes: float
    wall_seconds: float
    output: str = ""


def run(
    command: Sequence[str],
    *,
    allowed: Sequence[int] = (0,),
    cores: Sequence[int] | None = None,
    together: bool = False,
) -> Cost:
    """Run a program to its end and return what it cost; raises RuntimeError when it fails.

    The memory is that of its largest process, or ``together`` of all of them, which takes it time.
    """
    started = os.times().elapsed
    process = subprocess.Popen(
        list(command),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "DO_NOT_TRACK": "1",
            "WHYLOGS_NO_ANALYTICS": "True",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores is not None else None,  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with _Memory(process.pid) if together else nullcontext() as memory:
        output = process.stdout.read()
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors[-3000:]}")
    wall = os.times().elapsed - started
    peak = max(usage.ru_maxrss / 1024, memory.shared_out if memory else 0.0)
    return Cost(usage.ru_utime + usage.ru_stime, peak, wall, output)


class _Memory:
    """Looks at a process and its children while it runs: what the system knows is the largest of them."""

    def __init__(self, pid: int) -> None:
        self.shared_out = 0.0
        """The most megabytes of all of them together, pages that several have shared out among them."""
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            kilobytes = sum(_kilobytes(pid) for pid in _family(self._pid))
            self.shared_out = max(self.shared_out, kilobytes / 1024)


def _family(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(one) for task in tasks for one in task.read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(child))]


def _kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def least(command: Sequence[str], repetitions: int, *, allowed: Sequence[int] = (0,)) -> Cost:
    """The cheapest of several runs."""
    costs = [run(command, allowed=allowed) for _ in range(repetitions)]
    return min(costs, key=lambda cost: cost.cpu_seconds)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(lines)
