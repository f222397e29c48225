"""Training code of the policy flight_arrival.yaml: gradient boosting of the minutes of delay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

if TYPE_CHECKING:
    import pandas as pd

    from ctrain import TrainingContext

LEFT_OUT = ("day_of_year",)
"""Known of every flight, but within a year no day comes twice: there is nothing to learn from it."""


def train(rows: pd.DataFrame, context: TrainingContext) -> Any:
    """Return a pipeline fitted on ``rows``, which holds the features and the label."""
    return build_model(context).fit(rows[list(context.feature_names)], rows[context.label])


def build_model(context: TrainingContext) -> Pipeline:
    """Return the unfitted pipeline; categories that were not seen in training count as missing."""
    numeric = [name for name in context.features["numeric"] if name not in LEFT_OUT]
    categorical = list(context.features["categorical"])
    prepared = make_column_transformer(
        (SimpleImputer(strategy="median"), numeric),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), categorical),
    )
    return make_pipeline(prepared, build_regressor(context.seed))


def build_regressor(seed: int) -> HistGradientBoostingRegressor:
    """Return a regressor of the median: a few flights that are hours late must not move all others."""
    return HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=80,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=200,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )
