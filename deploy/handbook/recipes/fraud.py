"""Fraud: no resampling. It would shift all probabilities, and log loss, gates and shadow believe them."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def train(rows, context):
    categories = context.features["categorical"]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=250)
    prepared = ColumnTransformer([("categories", codes, categories)], remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        categorical_features=list(range(len(categories))),
        learning_rate=0.05,
        min_samples_leaf=200,  # a leaf of 20 rows has a fraud or none, and says nothing
        l2_regularization=10.0,
        early_stopping=False,
        random_state=context.seed,
    )
    model = make_pipeline(prepared, trees)
    return model.fit(
        rows[list(context.feature_names)],
        rows[context.label].astype(int),
        histgradientboostingclassifier__sample_weight=context.sample_weight,
    )
