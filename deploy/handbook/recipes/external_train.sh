#!/bin/sh
# Whatever trains: the rows are in the Parquet file $CTRAIN_ROWS, the label is $CTRAIN_LABEL, the parameters
# are JSON in $CTRAIN_PARAMS. mlflow.start_run() goes on with the run that ctrain has begun ($MLFLOW_RUN_ID);
# the model that was logged to it last is the challenger.
set -eu
exec "${TRAINER_PYTHON:-python3}" - <<'PYTHON'
import json
import os

import mlflow
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OrdinalEncoder

rows = pq.read_table(os.environ["CTRAIN_ROWS"]).to_pandas()
params = json.loads(os.environ["CTRAIN_PARAMS"])
label = rows.pop(os.environ["CTRAIN_LABEL"])
features = json.loads(os.environ["CTRAIN_FEATURES"])
rows = rows[[name for names in features.values() for name in names]]
codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
model = make_pipeline(
    make_column_transformer((codes, features["categorical"]), remainder="passthrough"),
    HistGradientBoostingRegressor(max_depth=params["depth"], max_iter=params["rounds"]),
).fit(rows, label)
with mlflow.start_run():
    mlflow.log_metric("rows", len(rows))
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=mlflow.models.infer_signature(rows, model.predict(rows)),
        pip_requirements=["scikit-learn"],
    )
PYTHON
