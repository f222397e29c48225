"""Entry of the child that analyses: ``python -P -m ctrain.analysis IDLE_SECONDS``.

``{"key", "role", "folder", "request", "timeout_seconds"}`` on a line is answered by ``{"key", "ok": true}``
when ``answer.json`` lies whole in the folder, or by ``{"key", "ok": false, "message"}``. The child ends
when nobody has asked for a while, when its parent is gone, or when a job takes too long.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MOST_MEMORY_BYTES = 6 * 2**30
"""Address space, of which most is never touched."""
NICENESS = 10
ROLES = {
    "separation": "ctrain.analysis.separation:answer_separation",
    "inside": "ctrain.analysis.separation:answer_inside",
    "separation_by_segment": "ctrain.analysis.segment_separation:answer_separation",
    "inside_by_segment": "ctrain.analysis.segment_separation:answer_inside",
    "report": "ctrain.analysis.report:answer_report",
    "backtest": "ctrain.analysis.backtest_plots:answer_backtest",
}
Answer = Callable[[Path, Mapping[str, Any]], dict[str, Any]]


def main(arguments: list[str]) -> int:
    idle_seconds = float(arguments[0])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    os.nice(NICENESS)
    _limit_memory()
    while select.select([sys.stdin], [], [], idle_seconds)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
    return 0


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = MOST_MEMORY_BYTES if hard < 0 else min(MOST_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the rows


def answer(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job; never raises."""
    signal.setitimer(signal.ITIMER_REAL, job["timeout_seconds"])  # ends this process
    try:
        folder = Path(job["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        module, _, name = ROLES[job["role"]].partition(":")
        found: Answer = getattr(importlib.import_module(module), name)
        _write(folder / "answer.json", found(folder, job["request"]))
    except Exception as error:  # noqa: BLE001 - libraries may fail in any way; the parent is told
        traceback.print_exc()
        return {"key": job["key"], "ok": False, "message": f"{type(error).__name__}: {error}"[:500]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"key": job["key"], "ok": True}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content))
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
