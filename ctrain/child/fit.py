"""Trainings that leave a folder and touch no registry: one JSON line a job, libraries warm in between.

``{"key", "folder", "model_folder", "importance"}`` is answered by ``{"key", "ok": true, "seconds",
"digest", "content_digest", "importance", "notes"}``, ``{"key", "ok": true, "seconds", "refused", "notes"}``
or ``{"key", "ok": false, "message"}``. Every job runs in a fork of its own, so that what one training leaves
behind reaches no other; the libraries that one has imported are imported before the next is forked, because
importing often takes longer than fitting.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from ctrain.child import fitting
from ctrain.child.command import run_command
from ctrain.child.entrypoint import pickle_by_value
from ctrain.child.failures import explained, print_failure
from ctrain.child.files import write_json
from ctrain.child.limits import lift_memory_limit, limit_memory, limit_training, memory_limit_of
from ctrain.child.lines import serve
from ctrain.child.logged import take_logged, throw_away_run
from ctrain.child.quick_refit import NotLearnable
from ctrain.child.validation import metric_of

RESULT = "result.json"
LOG = "train.log"


def main(arguments: list[str]) -> int:
    warm_up()
    return serve(answer, float(arguments[0]), at_end=lambda: None)


def warm_up() -> None:
    """Import, and let MLflow find out, what every fork would have to again."""
    import pandas as pd  # noqa: F401 - as said
    import pyarrow.parquet as pq  # noqa: F401 - as said
    from sklearn.dummy import DummyClassifier

    from ctrain.child.registration import save_model_quietly

    with tempfile.TemporaryDirectory() as scratch:
        save_model_quietly(DummyClassifier(), Path(scratch) / "model")


def answer(job: Mapping[str, Any]) -> dict[str, Any]:
    """Train in a fork and return what it wrote down; never raises."""
    folder = Path(job["folder"])
    gc.freeze()  # collecting garbage would copy all that the fork shares with this process
    child = os.fork()
    if child == 0:
        _run(job, folder)
    _, status = os.waitpid(child, 0)
    try:
        result = json.loads((folder / RESULT).read_text())
    except FileNotFoundError:
        code = os.waitstatus_to_exitcode(status)
        return {"key": job["key"], "ok": False, "message": f"the training ended with {code}"}
    for name in result.pop("imported", ()):
        with contextlib.suppress(Exception):  # the next fork finds out for itself
            importlib.import_module(name)
    return {"key": job["key"], **result}


def _libraries(before: Set[str], code_folder: Path) -> list[str]:
    """Modules imported since, without those of the policy itself."""
    found = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return sorted(
        name
        for name, file in found.items()
        if name not in before and file and "site-packages" in file and not file.startswith(str(code_folder))
    )


def _run(job: Mapping[str, Any], folder: Path) -> None:
    """The fork: train, write the result, and end without what the parent would do at its end."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    spec: dict[str, Any] = {}
    try:
        spec = json.loads((folder / "job.json").read_text())
        os.chdir(folder)
        limit_training(spec)
        result = {"ok": True, **fit(job, folder)}
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; the answer is a file
        lift_memory_limit()
        print_failure(error)
        result = {"ok": False, "message": explained(error, spec)}
    write_json(folder / RESULT, result)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def fit(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fit on ``rows.parquet`` of the folder and save the model; how long the fit took, and digests."""
    import pyarrow.parquet as pq

    from ctrain.child.artifact_digest import artifact_digest, content_digest
    from ctrain.child.frames import training_frame
    from ctrain.child.registration import save_estimator

    spec = json.loads((folder / "job.json").read_text())
    rows = training_frame(pq.ParquetFile(folder / "rows.parquet").read())
    before = set(sys.modules)
    notes: dict[str, Any] = {}
    try:
        model, seconds = _fitted(spec, rows, folder, notes)
    except NotLearnable as refusal:
        return {"seconds": refusal.found["seconds"], "refused": str(refusal), "notes": notes}
    pickle_by_value(Path(spec["code_folder"]))
    target = Path(job["model_folder"])
    if isinstance(model, str):
        take_logged(model, target)
    else:
        save_estimator(model, rows, spec["context"], target)
    return {
        "seconds": seconds,
        "digest": artifact_digest(target),
        "content_digest": content_digest(target),
        "importance": _importance(model, rows, spec) if job["importance"] else {},
        "notes": notes,
        "imported": _libraries(before, Path(spec["code_folder"])),
    }


def _fitted(spec: Mapping[str, Any], rows: Any, folder: Path, notes: dict[str, Any]) -> tuple[Any, float]:
    """The model, or the URI of one that was logged to the MLflow that is thrown away; how long it took."""
    run = throw_away_run(spec) if spec.get("command") else None
    limit_memory(memory_limit_of(spec))
    started = time.monotonic()
    model = fitting.fit(spec, rows, folder, notes.update) if run is None else run_command(*run, spec, folder)
    seconds = time.monotonic() - started
    lift_memory_limit()
    return model, seconds


def _importance(model: Any, rows: Any, spec: Mapping[str, Any]) -> dict[str, float]:
    from ctrain.child.importance import measure_importance

    found = measure_importance(model, rows, spec["context"], metric_of(spec))
    return {} if found is None else dict(found.share)
