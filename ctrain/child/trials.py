"""Trials of a search that other processes compute: a file in the attempt's folder asks, another answers.

Where the folder ``trials`` exists, somebody looks at it. ``NUMBER.ask.json`` holds ``function`` and
``params``; ``NUMBER.answer.json`` will hold ``loss``, or ``error``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctrain.child.files import write_json

TRIALS = "trials"
LOOK_SECONDS = 0.1
Elsewhere = Callable[[int, Mapping[str, Any]], float]


def asked_elsewhere(folder: Path, function: str) -> Elsewhere | None:
    """What asks others for the loss of a trial, and waits for it; None where nobody would answer."""
    place = folder / TRIALS
    if not place.is_dir():
        return None

    def ask(number: int, params: Mapping[str, Any]) -> float:
        write_json(place / f"{number}.ask.json", {"function": function, "params": dict(params)})
        answer = place / f"{number}.answer.json"
        while not answer.exists():
            time.sleep(LOOK_SECONDS)
        found = json.loads(answer.read_text())
        if "error" in found:
            raise RuntimeError(found["error"])
        return float(found["loss"])

    return ask


def main(arguments: list[str]) -> int:
    """Answer one trial of the attempt whose folder this is; ends with its parent, as all it has started."""
    folder, number = Path(arguments[0]), arguments[1]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = json.loads((folder / "job.json").read_text())
    asked = json.loads((folder / TRIALS / f"{number}.ask.json").read_text())
    try:
        answer: dict[str, Any] = {"loss": _loss(job, asked, folder)}
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; the answer says so
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    write_json(folder / TRIALS / f"{number}.answer.json", answer)
    return 0


def _loss(job: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> float:
    import pyarrow.parquet as pq

    from ctrain.child.context import sample_weight
    from ctrain.child.entrypoint import load_training_function
    from ctrain.child.frames import training_frame
    from ctrain.child.limits import lift_memory_limit, limit_memory, limit_training, memory_limit_of
    from ctrain.child.validation import validation_loss

    limit_training(job)
    rows = training_frame(pq.read_table(folder / "rows.parquet"))
    function = load_training_function(asked["function"], Path(job["code_folder"]))
    folds = job["tune"]["folds"]
    weights = sample_weight(folder)
    limit_memory(memory_limit_of(job))
    try:
        return validation_loss(function, job, rows, weights, asked["params"], folds=folds)
    finally:
        lift_memory_limit()


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        """Nothing is said here."""
    os.killpg(0, signal.SIGKILL)
