"""What serving a model costs: time of predictions, size, and whether the same rows get the same scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.child.models import LoadedModel
from ctrain.child.outputs import predict_scores

if TYPE_CHECKING:
    import pandas as pd

SINGLE_ROWS = 200
BATCHES = 20
BATCH_ROWS = 1000
WARM_UP = 5
LONGEST_SECONDS = 20.0
"""For either kind of prediction: a slow model is measured less often."""
FEWEST = 20


def probe_model(model: LoadedModel, frame: pd.DataFrame, job: Mapping[str, Any]) -> dict[str, Any]:
    """Milliseconds of predictions of one row and of a batch, bytes of the artifact, types of the inputs.

    ``frame`` holds rows that the model can score. Each is predicted as a table of its own, in this process
    and by one thread; the time that a server and its network add is not in it.

    Raises
    ------
    ValueError
        without a row.
    """
    if not len(frame):
        raise ValueError("the model can score none of the rows that it is tried on")
    batch = frame.iloc[:BATCH_ROWS]

    def predict(rows: pd.DataFrame) -> Any:
        return predict_scores(model, rows, job["task"], job["output"]).values

    single = _times(lambda number: predict(frame.iloc[[number % len(frame)]]), SINGLE_ROWS)
    batches = _times(lambda _: predict(batch), BATCHES)
    return {
        "latency_p50_ms": _quantile(single, 0.5),
        "latency_p99_ms": _quantile(single, 0.99),
        "batch_p50_ms": _quantile(batches, 0.5),
        "batch_p99_ms": _quantile(batches, 0.99),
        "batch_rows": len(batch),
        "predictions": len(single),
        "size_bytes": sum(path.stat().st_size for path in Path(model.folder).rglob("*") if path.is_file()),
        "deterministic": _equal(predict(batch), predict(batch)),
        "signature": [[str(name), kind] for name, kind, _ in model.columns],
    }


def _times(predict: Callable[[int], Any], wanted: int) -> list[float]:
    """Milliseconds of up to ``wanted`` predictions, after a few that nobody looks at."""
    for number in range(WARM_UP):
        predict(number)
    began, times = time.perf_counter(), []
    for number in range(wanted):
        before = time.perf_counter()
        predict(number)
        after = time.perf_counter()
        times.append((after - before) * 1000)
        if after - began > LONGEST_SECONDS and len(times) >= FEWEST:
            break
    return times


def _quantile(times: list[float], share: float) -> float:
    import numpy as np

    return float(np.quantile(times, share))


def _equal(first: Any, second: Any) -> bool:
    import numpy as np

    return bool(np.array_equal(first, second, equal_nan=True))
