"""Triage: a department with a probability for each case."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(rows, context):
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), context.features["numeric"]),
        (OneHotEncoder(handle_unknown="ignore"), context.features["categorical"]),
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=500))
    return model.fit(rows[list(context.feature_names)], rows[context.label])
