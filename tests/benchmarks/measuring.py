"""CPU time and peak memory of a program, taken by the system when it ends; tables and plots of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Cost:
    """What a program used: CPU of all its threads and children, largest resident set, real time."""

    cpu_seconds: float
    peak_megabytes: float
    wall_seconds: float
    output: str = ""


def run(command: Sequence[str], *, allowed: Sequence[int] = (0,), cores: Sequence[int] | None = None) -> Cost:
    """Run a program to its end and return what it cost; raises RuntimeError when it fails."""
    started = os.times().elapsed
    process = subprocess.Popen(
        list(command),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1", "WHYLOGS_NO_ANALYTICS": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores is not None else None,  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stderr is not None
    output = process.stdout.read()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors[-3000:]}")
    wall = os.times().elapsed - started
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, wall, output)


def least(command: Sequence[str], repetitions: int, *, allowed: Sequence[int] = (0,)) -> Cost:
    """The cheapest of several runs."""
    costs = [run(command, allowed=allowed) for _ in range(repetitions)]
    return min(costs, key=lambda cost: cost.cpu_seconds)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(lines)
