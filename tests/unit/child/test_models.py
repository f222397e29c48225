"""Rows as models from anywhere want them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LogisticRegression

from ctrain.child.models import LoadedModel, signature_columns

ROWS = pd.DataFrame({"width": [3.0, 1.0, 2.0, 0.0], "age": [0.0, 1.0, 0.0, 1.0]})
LABELS = [1, 0, 1, 0]


def loaded(estimator: Any, signature: ModelSignature | None = None) -> LoadedModel:
    return LoadedModel(Path(), None, estimator, signature_columns(signature), ("sklearn",), "")


def test_an_estimator_without_a_signature_gets_the_columns_that_it_was_fitted_on() -> None:
    estimator = LogisticRegression().fit(ROWS, LABELS)
    table = pa.Table.from_pandas(ROWS[["age", "width"]])
    frame, usable = loaded(estimator).frame(table, ["age", "width"])
    pd.testing.assert_frame_equal(frame, ROWS)
    assert usable.all()
    with pytest.raises(ValueError, match="needs the column 'width', which the rows do not have"):
        loaded(estimator).frame(table.select(["age"]), ["age"])


def test_an_estimator_of_arrays_without_a_signature_is_not_given_columns_in_any_order() -> None:
    estimator = LogisticRegression().fit(ROWS.to_numpy(), LABELS)
    with pytest.raises(ValueError, match="LogisticRegression was fitted on an array and logged without a"):
        loaded(estimator).frame(pa.Table.from_pandas(ROWS), ["age", "width"])
    only = LogisticRegression().fit(ROWS[["age"]].to_numpy(), LABELS)
    assert list(loaded(only).frame(pa.Table.from_pandas(ROWS), ["age"])[0]) == ["age"]


def test_columns_that_are_numbered_are_texts_in_the_rows() -> None:
    numbered = ROWS.set_axis([0, 1], axis=1)
    table = pa.table({"1": ROWS["age"].tolist(), "0": ROWS["width"].tolist()})
    frame, _ = loaded(None, infer_signature(numbered)).frame(table, [])
    pd.testing.assert_frame_equal(frame, numbered)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (
            infer_signature(ROWS.to_numpy()),
            "the model's signature wants a tensor; .*: log it with signature=",
        ),
        (
            ModelSignature(Schema([ColSpec("double"), ColSpec("double")])),
            "the model's signature does not name its columns; log it with signature=",
        ),
    ],
)
def test_a_signature_without_names_says_what_to_do(signature: ModelSignature, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        signature_columns(signature)
