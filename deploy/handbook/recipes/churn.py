"""Churn: a linear model of a few numbers and the plan."""

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(rows, context):
    prepared = make_column_transformer(
        (StandardScaler(), context.features["numeric"]),
        (OneHotEncoder(handle_unknown="ignore"), context.features["categorical"]),
    )
    model = make_pipeline(prepared, LogisticRegression())
    return model.fit(rows[list(context.feature_names)], rows[context.label].astype(int))
