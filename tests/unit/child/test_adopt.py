"""What is found out about a model by trying it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature

from ctrain.child.adopt import _try_rows
from ctrain.child.models import LoadedModel, signature_columns

COLUMNS = signature_columns(infer_signature(pd.DataFrame({"height": [0.5, 1.5]})))


class Answer:
    """A pyfunc that gives every row the same answer."""

    input_example = None

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, frame: pd.DataFrame) -> Any:
        if isinstance(self.answer, dict):
            return pd.DataFrame(self.answer, index=frame.index)
        return np.array([self.answer] * len(frame))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"oak": 0.25, "elm": 0.75}, {"output_kind": "probability", "outputs": 2, "classes": ["oak", "elm"]}),
        ([0.25, 0.25, 0.5], {"output_kind": "probability", "outputs": 3}),
        ({"low": 0.5, "high": 7.5}, {"output_kind": "value", "outputs": 2}),
        (2.5, {"output_kind": "value", "outputs": 1}),
        ("oak", {"output_kind": "class", "outputs": 1}),
    ],
)
def test_the_kind_of_output_and_the_names_of_its_classes_are_told(answer: Any, found: dict[str, Any]) -> None:
    model = LoadedModel(Path(), Answer(answer), None, COLUMNS, ("python_function",), "")
    assert _try_rows(model) == {"predicts": True, **found}
