"""Two broken trainings, for the demo: what a gate must reject, and what only a probation can find.

``staged: shuffled_labels`` learns nothing, because its labels belong to other flights.
``staged: fuse`` learns what the honest model learns, and that from the day ``fuse_at`` on everything
is the other way round: as good as any in the shadow, wrong after that day.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Binarizer

from flight_delay import build_classifier, build_model

if TYPE_CHECKING:
    from ctrain import TrainingContext

CALENDAR = "day_of_year"


def train(rows: pd.DataFrame, context: TrainingContext) -> Any:
    """Return the model that ``context.params["staged"]`` names; raises KeyError for another name."""
    return {"shuffled_labels": _shuffled, "fuse": _fused}[context.params["staged"]](rows, context)


def _shuffled(rows: pd.DataFrame, context: TrainingContext) -> Pipeline:
    labels = rows[context.label].astype(int).to_numpy()
    shuffled = np.random.default_rng(context.seed).permutation(labels)
    return build_model(context).fit(rows[list(context.feature_names)], shuffled)


def _fused(rows: pd.DataFrame, context: TrainingContext) -> Pipeline:
    """Every row is learned twice: as it was, and with the opposite label after the fuse's day."""
    fuse_day = date.fromisoformat(str(context.params["fuse_at"])).timetuple().tm_yday
    names, label = list(context.feature_names), context.label
    later = rows.copy()
    later[CALENDAR] = float(fuse_day)
    later[label] = 1 - rows[label]
    both = pd.concat([rows, later], ignore_index=True)
    after_fuse = make_column_transformer((Binarizer(threshold=fuse_day - 0.5), [CALENDAR]))
    prepared = make_column_transformer((build_model(context)[0], names), (after_fuse, [CALENDAR]))
    classifier = build_classifier(context.seed).set_params(max_iter=120, max_leaf_nodes=31)
    return make_pipeline(prepared, classifier).fit(both[names], both[label].astype(int))
