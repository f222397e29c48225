"""Credit scoring: few features, probabilities that are meant as such, nothing that cannot be explained."""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(rows, context):
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    prepared = ColumnTransformer(
        [
            ("numbers", numbers, context.features["numeric"]),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore", min_frequency=20),
                context.features["categorical"],
            ),
        ]
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=500))
    return model.fit(rows[list(context.feature_names)], rows[context.label].astype(int))
