"""Can a classifier tell the rows of a window from those of a reference?

The classifier is fitted on some stretches of time and judged on the others. Stretches are taken by the
position of a row within the window's length, the same for both samples: so rows that resemble their
neighbours do not help, and neither does the hour of the day. Within one window half of the stretches, every
other one, are held out; the p-value is that of the held-out rows alone, whose scores were made without them.

Lopez-Paz, D. and Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.analysis.encoding import Encoded, encode
from ctrain.stats.mann_whitney import Separation, mann_whitney
from ctrain.stats.profile import event_microseconds

if TYPE_CHECKING:
    import pyarrow as pa

STRETCHES = 10
FEWEST_ROWS = 20
"""Of either sample, to fit and to judge."""
REPEATS = 3
MOST_SHUFFLES = 300
"""Predictions that the importance of the columns may cost."""
ITERATIONS = 80

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def answer_separation(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - the answer alone goes there
    """AUC, p-value and the importance of every feature for telling ``current`` from ``reference``."""
    import pyarrow.parquet as pq

    reference, current = pq.read_table(request["reference"]), pq.read_table(request["current"])
    found, importance = separate(
        reference, current, request["features"], request["period_microseconds"], request["seed"]
    )
    return {
        "auc": found.auc,
        "p_value": found.p_value,
        "reference_rows": reference.num_rows,
        "current_rows": current.num_rows,
        "importance": importance,
    }


def answer_inside(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - the answer alone goes there
    """AUC of each window inside the reference against the rest of it: what is usual between windows."""
    import pyarrow.parquet as pq

    reference, windows = pq.read_table(request["reference"]), pq.read_table(request["windows"])
    moments, numbers = event_microseconds(reference), windows["window"].to_numpy()
    aucs = []
    for number, (start, end) in enumerate(request["spans_microseconds"]):
        window = windows.filter(numbers == number)
        rest = reference.filter((moments < start) | (moments >= end))
        if min(window.num_rows, rest.num_rows) >= request["min_rows"]:
            found, _ = separate(
                rest,
                window,
                request["features"],
                request["period_microseconds"],
                request["seed"] + number,
                importance=False,
            )
            aucs.append(found.auc)
    return {"aucs": aucs}


def separate(
    reference: pa.Table,
    current: pa.Table,
    features: Mapping[str, Any],
    period_microseconds: int,
    seed: int,
    *,
    importance: bool = True,
    min_auc: float = 0.0,
    alpha: float = 1.0,
) -> tuple[Separation, dict[str, float]]:
    """How well held-out rows are told apart, and by how much less without each feature's help.

    The latter where it is asked for, and where the AUC is at least ``min_auc`` and the p-value at most
    ``alpha``.

    Raises
    ------
    ValueError
        when there are too few rows to fit and to judge a classifier.
    """
    import pyarrow as pa

    names = ["event_at", *(name for kind in features.values() for name in kind)]
    rows = pa.concat_tables([reference.select(names), current.select(names)])
    encoded = encode(rows, features)
    is_current = np.arange(rows.num_rows) >= reference.num_rows
    held_out = hold_out(event_microseconds(rows) % period_microseconds, is_current, seed)
    fitted = _fit(encoded, is_current, ~held_out, seed)
    judged = encoded.rows(held_out)
    found = _judge(fitted, judged, is_current[held_out])
    if not importance or found.auc < min_auc or found.p_value > alpha:
        return found, {}
    return found, _importance(fitted, encoded, judged, is_current[held_out], found.auc, seed)


def hold_out(phases: Counts, is_current: Booleans, seed: int) -> Booleans:
    """Which rows are held out: every other stretch of time within the window's length.

    Stretches have about as many current rows each. Where the rows share so few moments that this
    leaves too few on a side, as those of a daily batch do, rows are held out at random.
    """
    edges = np.unique(np.quantile(phases[is_current], np.arange(1, STRETCHES) / STRETCHES))
    held_out = np.searchsorted(edges, phases, side="right") % 2 == 1
    if not _enough(held_out, is_current):
        held_out = np.random.default_rng(seed).random(len(phases)) < 0.5
    if not _enough(held_out, is_current):
        raise ValueError(f"fewer than {FEWEST_ROWS} rows of a sample to fit or to judge a classifier on")
    return np.asarray(held_out, dtype=np.bool_)


def _enough(held_out: Booleans, is_current: Booleans) -> bool:
    parts = [held_out & is_current, held_out & ~is_current, ~held_out & is_current, ~held_out & ~is_current]
    return min(int(part.sum()) for part in parts) >= FEWEST_ROWS


def _fit(encoded: Encoded, is_current: Booleans, chosen: Booleans, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        early_stopping=False,
        class_weight="balanced",
        categorical_features=np.array(encoded.categorical, dtype=bool),
        random_state=seed % 2**32,
    )
    rows = encoded.rows(chosen)
    rows[:, np.isnan(rows).all(axis=0)] = 0.0  # the trees refuse a column without any value
    return model.fit(rows, is_current[chosen])


def _judge(fitted: Any, rows: Floats, is_current: Booleans) -> Separation:
    scores = fitted.predict_proba(rows)[:, 1]
    return mann_whitney(scores[~is_current], scores[is_current])


def _importance(
    fitted: Any, encoded: Encoded, rows: Floats, is_current: Booleans, auc: float, seed: int
) -> dict[str, float]:
    """How much the AUC of the held-out rows falls when the columns of a feature are shuffled together."""
    random = np.random.default_rng(seed)
    features = list(dict.fromkeys(encoded.features))
    repeats = max(1, min(REPEATS, MOST_SHUFFLES // max(len(features), 1)))
    falls: dict[str, list[float]] = {name: [] for name in features}
    for _ in range(repeats):
        order = random.permutation(len(rows))
        for name in features:
            places = [place for place, origin in enumerate(encoded.features) if origin == name]
            kept = rows[:, places]
            rows[:, places] = kept[order]
            falls[name].append(auc - _judge(fitted, rows, is_current).auc)
            rows[:, places] = kept
    return {name: float(np.mean(found)) for name, found in falls.items()}
