"""The best of several training functions, by the rows that are newest among those to train on."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ctrain.child.validation import metric_of, validation_loss

if TYPE_CHECKING:
    import pandas as pd


def best_candidate(
    functions: Mapping[str, Callable[[Any, Any], Any]],
    job: Mapping[str, Any],
    rows: pd.DataFrame,
    weights: Any,
) -> dict[str, Any]:
    """``chosen`` (the first of equals), the ``metric``, and the ``losses`` and ``seconds`` of each.

    A candidate that fails is out: its traceback goes to the log, and it has no loss. When all fail, the
    last one's error is raised.
    """
    losses: dict[str, float] = {}
    seconds: dict[str, float] = {}
    failure: Exception | None = None
    for name, function in functions.items():
        started = time.monotonic()
        try:
            losses[name] = validation_loss(function, job, rows, weights)
        except Exception as error:  # noqa: BLE001 - user code may raise anything; the others may be good
            print(f"the candidate {name} fails:", traceback.format_exc(), sep="\n")
            failure = error
        seconds[name] = round(time.monotonic() - started, 3)
    if not losses:
        assert failure is not None
        raise failure
    chosen = min(losses, key=losses.__getitem__)
    print("losses of the candidates:", losses, "chosen:", chosen)
    return {"chosen": chosen, "metric": metric_of(job), "losses": losses, "seconds": seconds}
