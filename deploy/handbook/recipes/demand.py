"""Demand: trees of the absolute error, which a few sold-out days do not move; newer rows weigh more."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def train(rows, context):
    categories = context.features["categorical"]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=250)
    prepared = ColumnTransformer([("categories", codes, categories)], remainder="passthrough")
    trees = HistGradientBoostingRegressor(
        loss="absolute_error",
        categorical_features=list(range(len(categories))),
        early_stopping=False,
        random_state=context.seed,
    )
    model = make_pipeline(prepared, trees)
    return model.fit(
        rows[list(context.feature_names)],
        rows[context.label],
        histgradientboostingregressor__sample_weight=context.sample_weight,
    )
