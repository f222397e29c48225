"""Scores rows with registered models: one JSON line a job, warm models in between.

``{"key", "source", "digest", "rows_path", "output_path", "features", "task", "output", "probe"}`` is
answered by ``{"key", "ok": true, "seconds", "bad_rows", "measured"}`` or ``{"key", "ok": false, "message"}``;
``measured`` is empty unless the job is a probe; ``"fetched": false`` stands beside the message where the
artifact did not come.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.lines import serve
from ctrain.child.models import LoadedModel, NotFetched, load_model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from ctrain.child.outputs import Scores

MAX_TRIED_PARTS = 200
"""Predictions that may be spent on finding the rows that a model refuses."""


class RowsRefused(Exception):
    """The model refuses too many rows for the rest to be worth a score."""


def main(arguments: list[str]) -> int:
    idle_seconds, capacity, scratch = float(arguments[0]), int(arguments[1]), arguments[2]
    tempfile.tempdir = scratch
    _preload(arguments[3].split(",") if len(arguments) > 3 and arguments[3] else [])
    models = Models(capacity)
    return serve(models.answer, idle_seconds, at_end=lambda: shutil.rmtree(scratch, ignore_errors=True))


def _preload(modules: list[str]) -> None:
    """Import what models are likely to need; what this interpreter lacks is told when one needs it."""
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)


class Models:
    """The models used last, ready to predict."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._loaded: OrderedDict[tuple[str, str | None], LoadedModel] = OrderedDict()

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Score the rows of one job into its output file; never raises."""
        try:
            model = self._model(job["source"], job["digest"])
            started = time.monotonic()
            bad_rows, measured = score_file(model, job)
        except NotFetched as error:
            traceback.print_exc()
            return {"key": job["key"], "ok": False, "message": str(error), "fetched": False}
        except Exception as error:  # noqa: BLE001 - models may fail in any way; the parent is told
            traceback.print_exc()
            return {"key": job["key"], "ok": False, "message": f"{type(error).__name__}: {error}"}
        return {
            "key": job["key"],
            "ok": True,
            "seconds": time.monotonic() - started,
            "bad_rows": bad_rows,
            "measured": measured,
        }

    def _model(self, source: str, digest: str | None) -> LoadedModel:
        name = (source, digest)
        if name not in self._loaded:
            while len(self._loaded) >= self._capacity:
                _, oldest = self._loaded.popitem(last=False)
                shutil.rmtree(oldest.folder, ignore_errors=True)
            self._loaded[name] = load_model(source, digest)
        self._loaded.move_to_end(name)
        return self._loaded[name]


def score_file(model: LoadedModel, job: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Write row_id and score (null: none) of every row; how many have none, and what a probe measured."""
    import pyarrow.parquet as pq

    from ctrain.child.probe import probe_model

    table = pq.ParquetFile(job["rows_path"]).read()
    frame, usable = model.frame(table, job["features"])
    scored, scores = score_frame(model, frame, usable, job["task"], job["output"])
    output = Path(job["output_path"])
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    pq.write_table(_as_table(table, scored, scores), partial)
    measured = probe_model(model, frame.iloc[scored.nonzero()[0]], job) if job["probe"] else {}
    os.replace(partial, output)
    return int(len(scored) - scored.sum()), measured


def score_frame(
    model: LoadedModel, frame: pd.DataFrame, usable: npt.NDArray[np.bool_], task: str, output: str
) -> tuple[npt.NDArray[np.bool_], Scores | None]:
    """Which rows have a score, and the scores of those rows in their order.

    One row that the model refuses does not cost the others theirs: the rows are halved until the
    refused ones stand alone. An answer that does not fit the task costs all of them theirs: those that
    fit by chance say nothing of the model.
    """
    import numpy as np

    from ctrain.child.outputs import AnswerUnfit, predict_scores

    waiting = [np.flatnonzero(usable)]
    parts: list[tuple[npt.NDArray[np.intp], Scores]] = []
    tried, first_error = 0, None
    while waiting:
        rows = waiting.pop()
        if not len(rows):
            continue
        tried += 1
        try:
            parts.append((rows, predict_scores(model, frame.iloc[rows], task, output)))
        except AnswerUnfit:
            raise
        except Exception as error:
            first_error = first_error or error
            if tried >= MAX_TRIED_PARTS or len(usable) == 1:
                raise RowsRefused(
                    f"the model refuses its rows: {type(first_error).__name__}: {first_error}"
                ) from error
            if len(rows) > 1:
                waiting += [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    if first_error is not None and not parts:
        raise RowsRefused(
            f"the model refuses every row: {type(first_error).__name__}: {first_error}"
        ) from first_error
    return _joined(parts, len(usable))


def _joined(
    parts: list[tuple[npt.NDArray[np.intp], Scores]], size: int
) -> tuple[npt.NDArray[np.bool_], Scores | None]:
    import numpy as np

    from ctrain.child.outputs import Scores, join_scores

    scored = np.zeros(size, dtype=bool)
    if not parts:
        return scored, None
    rows = np.concatenate([part for part, _ in parts])
    joined = join_scores([scores for _, scores in parts])
    values = joined.values[np.argsort(rows)]
    rows = np.sort(rows)
    finite = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    scored[rows[finite]] = True
    return scored, Scores(values[finite], joined.kind, joined.classes)


def _as_table(table: pa.Table, scored: npt.NDArray[np.bool_], scores: Scores | None) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    row_ids = table.select(["row_id"])
    if scores is None:
        return row_ids.append_column("score", pa.nulls(len(scored), pa.float64()))
    positions = pa.array(np.where(scored, np.cumsum(scored) - 1, 0), pa.int64(), mask=~scored)
    column = _as_column(scores).take(positions)
    return row_ids.append_column("score", column).replace_schema_metadata({"output_kind": scores.kind})


def _as_column(scores: Scores) -> pa.Array[Any]:
    """A number a row, or a struct with a field for each class, which names it."""
    import pyarrow as pa

    if scores.values.ndim == 1:
        return pa.array(scores.values)
    fields = [pa.array(scores.values[:, at]) for at in range(len(scores.classes))]
    return pa.StructArray.from_arrays(fields, names=list(scores.classes))
