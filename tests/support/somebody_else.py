"""Three models of somebody else, logged to MLflow without ctrain; with ``-m``, so that classes go along."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

LABEL = np.array([0, 1, 0, 1])


class Price(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow loads it late
    """A model without a flavour of its own."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["size"].to_numpy() * 2.5


class Broken(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow loads it late
    """Refuses every row."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        raise RuntimeError("out of order")


def log_classifier() -> None:
    rows = pd.DataFrame({"dep hour": [1.0, 2.0, 3.0, 4.0], "yes": [0.5, 0.1, 0.2, 0.7]})
    model = LogisticRegression().fit(rows, LABEL)
    mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name="churn? eu, #1",
        signature=infer_signature(rows, model.predict(rows)),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    MlflowClient().set_registered_model_alias("churn? eu, #1", "champion", "1")


def log_class(name: str, model: Price | Broken) -> None:
    sizes = pd.DataFrame({"size": [0.5, 0.1, 0.2, 0.7]})
    mlflow.pyfunc.log_model(
        name="model",
        python_model=model,
        registered_model_name=name,
        signature=infer_signature(sizes, np.array([1.5])),
        pip_requirements=["mlflow"],
    )


if __name__ == "__main__":
    log_classifier()
    log_class("price", Price())
    log_class("broken", Broken())
