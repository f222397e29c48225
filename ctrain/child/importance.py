"""Permutation importance: how much a model's loss grows when one feature no longer tells its rows apart.

Measured on the newest of the training rows, which is all that a child has: it says what the model uses,
not how well that generalises. It adds to a training, so it gives up rather than fail it or be slow.
"""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from ctrain.child.models import LoadedModel
    from ctrain.child.outputs import Scores

MOST_ROWS = 1000
REPEATS = 3
MOST_SECONDS = 20.0
MIN_PROBABILITY = 1e-3
"""Log loss takes no probability below this, as everywhere in ctrain."""
MEASURED_ON = "newest training rows"

Question = Callable[["pd.DataFrame"], float]
"""The mean loss of the rows of a frame."""


@dataclass(frozen=True)
class Importance:
    """``increase`` is the mean growth of the loss when the values of a feature are shuffled."""

    metric: str
    loss: float
    rows: int
    repeats: int
    increase: Mapping[str, float]

    @property
    def share(self) -> dict[str, float]:
        """The positive part of the increases, adding to 1; empty when no feature matters."""
        total = sum(max(one, 0.0) for one in self.increase.values())
        if not total > 0:
            return {}
        return {name: round(max(one, 0.0) / total, 6) for name, one in self.increase.items()}

    def to_json(self) -> dict[str, Any]:
        return {
            "measured_on": MEASURED_ON,
            "metric": self.metric,
            "loss": self.loss,
            "rows": self.rows,
            "repeats": self.repeats,
            "increase": dict(self.increase),
            "share": self.share,
        }


def measure_importance(
    model: Any,
    rows: pd.DataFrame,
    context: Mapping[str, Any],
    metric: str,
    *,
    most_seconds: float = MOST_SECONDS,
) -> Importance | None:
    """Importance of every feature of the training ``rows``; None when it cannot be measured.

    ``model`` is the fitted estimator, or the URI of a model that the trainer logged itself. Whatever it
    raises goes to the log.
    """
    try:
        with _loaded(model) as loaded:
            return _measured(loaded, rows.tail(MOST_ROWS), context, metric, time.monotonic() + most_seconds)
    except Exception:  # noqa: BLE001 - models may raise anything, and a training does not fail for this
        print("the importance of the features cannot be measured:", traceback.format_exc(), sep="\n")
        return None


def _measured(
    model: LoadedModel, rows: pd.DataFrame, context: Mapping[str, Any], metric: str, deadline: float
) -> Importance | None:
    import numpy as np

    names = [name for kind in context["features"].values() for name in kind]
    frame, usable = _as_wanted(model, rows[names])
    frame = frame[usable].reset_index(drop=True)
    labels = rows[context["label"]].to_numpy(dtype=object)[usable]
    loss = _loss(model, labels, context["task"], metric)
    increases: dict[str, list[float]] = {name: [] for name in frame.columns}
    random = np.random.default_rng(0)
    before = loss(frame)
    for _ in range(REPEATS):
        order = random.permutation(len(frame))
        for name, found in increases.items():
            if time.monotonic() > deadline:
                return _concluded(metric, before, len(frame), names, increases)
            found.append(loss(frame.assign(**{name: _shuffled(frame[name], order)})) - before)
    return _concluded(metric, before, len(frame), names, increases)


def _concluded(
    metric: str, loss: float, rows: int, names: list[str], increases: Mapping[str, list[float]]
) -> Importance | None:
    """From whole rounds only; None when the time was too short for one. Unused features have none."""
    repeats = min((len(found) for found in increases.values()), default=0)
    if not repeats:
        print("the importance of the features is not known: measuring it takes too long")
        return None
    mean = {name: sum(found[:repeats]) / repeats for name, found in increases.items()}
    return Importance(metric, loss, rows, repeats, {name: mean.get(name, 0.0) for name in names})


def _shuffled(values: pd.Series[Any], order: npt.NDArray[np.int64]) -> pd.Series[Any]:
    return values.iloc[order].set_axis(values.index)


@contextmanager
def _loaded(model: Any) -> Iterator[LoadedModel]:
    from ctrain.child.models import LoadedModel, load_model

    if not isinstance(model, str):
        yield LoadedModel(Path(), None, model, (), (), "")
        return
    loaded = load_model(model, None)
    try:
        yield loaded
    finally:
        shutil.rmtree(loaded.folder, ignore_errors=True)


def _as_wanted(model: LoadedModel, rows: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """As the training function saw them, or cast to the signature of a model that it logged itself."""
    import numpy as np
    import pyarrow as pa

    if model.pyfunc is None:
        return rows, np.ones(len(rows), dtype=bool)
    return model.frame(pa.Table.from_pandas(rows, preserve_index=False), list(rows.columns))


def _loss(model: LoadedModel, labels: npt.NDArray[np.object_], task: str, metric: str) -> Question:
    """The mean of the policy's loss over the rows that can be judged."""
    import numpy as np

    from ctrain.child.outputs import predict_scores

    def mean(frame: pd.DataFrame) -> float:
        losses = _row_losses(predict_scores(model, frame, task, "auto"), labels, task, metric)
        return float(np.nanmean(losses))

    return mean


def _row_losses(
    scores: Scores, labels: npt.NDArray[np.object_], task: str, metric: str
) -> npt.NDArray[np.float64]:
    import numpy as np

    from ctrain.child.outputs import class_name

    if task == "multiclass":
        names = [class_name(label) for label in labels]
        true = np.array([[float(name == one) for one in scores.classes] for name in names])
        return _class_losses(scores.values, true, metric)
    numbers = labels.astype(np.float64)
    if task == "regression":
        difference = np.abs(scores.values - numbers)
        return difference if metric == "absolute_error" else difference**2
    both = np.column_stack([1 - scores.values, scores.values])
    return _class_losses(both, np.column_stack([1 - numbers, numbers]), metric)


def _class_losses(
    given: npt.NDArray[np.float64], true: npt.NDArray[np.float64], metric: str
) -> npt.NDArray[np.float64]:
    """``given`` and ``true`` have a column for each class; a row whose class has none is all wrong."""
    import numpy as np

    if metric == "zero_one":
        right = true[np.arange(len(true)), given.argmax(axis=1)]
        return np.asarray(1 - right, dtype=np.float64)
    if metric == "log_loss":
        return np.asarray(-np.log(np.maximum((given * true).sum(axis=1), MIN_PROBABILITY)))
    unknown = 1 - true.sum(axis=1)
    return np.asarray((((given - true) ** 2).sum(axis=1) + unknown) / 2)


def mean_loss(model: Any, rows: pd.DataFrame, context: Mapping[str, Any], metric: str) -> float:
    """The mean of the policy's loss of ``model`` (an estimator, or the URI of one) over ``rows``."""
    with _loaded(model) as loaded:
        names = [name for kind in context["features"].values() for name in kind]
        frame, usable = _as_wanted(loaded, rows[names])
        labels = rows[context["label"]].to_numpy(dtype=object)[usable]
        return _loss(loaded, labels, context["task"], metric)(frame[usable])


def losses_of_rows(
    model: Any, rows: pd.DataFrame, context: Mapping[str, Any], metric: str, output: str
) -> npt.NDArray[np.float64]:
    """The loss of each of ``rows`` under ``model`` (an estimator, or the URI of one), asked for ``output``.

    Raises
    ------
    ValueError
        when the model has no answer to a row.
    """
    import numpy as np

    from ctrain.child.outputs import predict_scores

    task = context["task"]
    with _loaded(model) as loaded:
        names = [name for kind in context["features"].values() for name in kind]
        frame, usable = _as_wanted(loaded, rows[names])
        labels = rows[context["label"]].to_numpy(dtype=object)
        losses = _row_losses(predict_scores(loaded, frame, task, output), labels, task, metric)
    if not (usable.all() and np.isfinite(losses).all()):
        raise ValueError("the model has no answer to some of the rows")
    return losses
