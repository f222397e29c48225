"""The look before a training: quick refits say whether the champion could learn anything from its rows.

They are fitted on rows from all over the training window, so that each is the training in small, and judged
by held-out rows that the champion has not learned either. No training function sees those: they are only
predicted. Whatever happens here, the training that follows is the same.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ctrain.child.context import context_of
from ctrain.child.importance import losses_of_rows
from ctrain.child.isolation import answered_apart
from ctrain.child.learnability import FITS, INCONCLUSIVE, NOT_LEARNABLE, QuickLosses, assess_learnability
from ctrain.child.search_space import inside, left_out, told_left_out
from ctrain.child.validation import metric_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

JUDGED, PAST = "judged.parquet", "past.parquet"
"""Held-out rows, the champion's loss in the last column; and rows that the champion was trained on, in the
last column their weights where the policy weighs rows."""
SHARE_OF_ROWS = 4
"""At most one in so many of the rows to train on."""
SHARE_OF_TIME = 0.25
"""Of the training's timeout."""
FEWEST_ROWS = 400

Functions = Mapping[str, Callable[[Any, Any], Any]]


class NotLearnable(Exception):
    """The policy wants no training of what cannot be learned; ``found`` says what was seen."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        super().__init__(f"not learnable: {found['reason']}")
        self.found = found


class Rows(NamedTuple):
    """Rows in event-time order, and their weights or None."""

    frame: pd.DataFrame
    weights: pd.Series[float] | None


class Judged(NamedTuple):
    """Held-out rows in event-time order, and the champion's loss of each."""

    frame: pd.DataFrame
    champion: Floats


def look_ahead(
    functions: Functions, job: Mapping[str, Any], rows: pd.DataFrame, weights: Any, folder: Path
) -> dict[str, Any]:
    """What ``assess_learnability`` finds, the ``rows`` and the ``seconds`` that it took.

    A look that fails or takes too long is INCONCLUSIVE and says so.
    """
    started = time.monotonic()
    try:
        judged, past = _judged(folder), _past(folder, weights is not None)
        found = answered_apart(
            lambda: _looked(functions, job, Rows(rows, weights), past, judged),
            float(job["timeout_seconds"]) * SHARE_OF_TIME,
        )
    except Exception as error:  # noqa: BLE001 - no training fails for its look
        found = {"verdict": INCONCLUSIVE, "reason": f"the look failed: {error}", "rows": 0}
    tune = job.get("tune")
    foreign = left_out(tune["space"], tune["start"]) if tune else {}
    if foreign:
        found["reason"] += f"; {told_left_out(foreign)}"
    found["seconds"] = round(time.monotonic() - started, 3)
    print(f"the look before the training: {found['verdict']}: {found['reason']}")
    return found


def is_refused(job: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """True where the policy wants no training after this look."""
    return bool(job["learnable"]["require"]) and found["verdict"] == NOT_LEARNABLE


def _looked(
    functions: Functions, job: Mapping[str, Any], rows: Rows, past: Rows | None, judged: Judged
) -> dict[str, Any]:
    spec = job["learnable"]
    total = min(int(spec["rows"]), len(rows.frame) // SHARE_OF_ROWS, len(past.frame) if past else 2**63)
    if total < FEWEST_ROWS:
        told = f"{len(rows.frame)} rows to train on are too few for a look that is quicker than the training"
        return {"verdict": INCONCLUSIVE, "reason": told, "rows": 0}
    quick: dict[str, QuickLosses] = {}
    failure: Exception | None = None
    for name, function in functions.items():
        try:
            old = _losses(function, job, past, total, judged.frame) if past else None
            quick[name] = QuickLosses(_losses(function, job, rows, total, judged.frame), old)
        except Exception as error:  # noqa: BLE001 - user code may raise anything; the others may be good
            print(f"quick refits by {name} fail:", traceback.format_exc(), sep="\n")
            failure = error
    if not quick:
        assert failure is not None
        raise failure
    found = assess_learnability(quick, judged.champion, float(spec["bound"]))
    return {**found, "rows": total, "judged": len(judged.frame), "metric": metric_of(job)}


def _losses(
    function: Callable[[Any, Any], Any], job: Mapping[str, Any], rows: Rows, total: int, judged: pd.DataFrame
) -> Floats:
    """A line of losses for each fit, no two of which share a row."""
    import numpy as np

    given = job["context"]
    tune = job.get("tune") or {"start": {}, "space": {}}
    context = {**given, "params": {**given["params"], **inside(tune["space"], tune["start"])}}
    chosen = np.arange(total) * len(rows.frame) // total
    found = []
    for first in range(FITS):
        part = chosen[first::FITS]
        weights = None if rows.weights is None else rows.weights.iloc[part]
        model = function(rows.frame.iloc[part], context_of(context, weights))
        if isinstance(model, str):
            raise TypeError("the training function logs its models itself: none is fitted quickly")
        found.append(losses_of_rows(model, judged, given, metric_of(job), job["learnable"]["output"]))
    return np.stack(found)


def _judged(folder: Path) -> Judged:
    import pyarrow.parquet as pq

    from ctrain.child.frames import training_frame

    table = pq.read_table(folder / JUDGED)
    names = table.column_names
    return Judged(training_frame(table.select(names[:-1])), table.column(len(names) - 1).to_numpy())


def _past(folder: Path, weighed: bool) -> Rows | None:
    """None where there are none, or too few."""
    import pyarrow.parquet as pq

    from ctrain.child.frames import training_frame

    path = folder / PAST
    table = pq.read_table(path) if path.exists() else None
    if table is None or table.num_rows < FEWEST_ROWS:
        return None
    if not weighed:
        return Rows(training_frame(table), None)
    names = table.column_names
    weights = table.column(len(names) - 1).to_pandas().rename("sample_weight")
    return Rows(training_frame(table.select(names[:-1])), weights)
