"""What a model is said to take, and that rows of every kind of feature can be given to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from ctrain.child.frames import signature_frame, training_frame
from ctrain.child.outputs import AnswerUnfit
from ctrain.child.registration import save_estimator, signature_kinds
from ctrain.policy.models import Features

FEATURES = Features(
    numeric=("x",), categorical=("kind",), boolean=("night",), date=("sold",), text=("remark",)
)


def test_numbers_booleans_and_dates_are_doubles_and_texts_strings() -> None:
    assert signature_kinds(FEATURES.by_kind) == [
        ("double", "x"),
        ("string", "kind"),
        ("double", "night"),
        ("double", "sold"),
        ("string", "remark"),
    ]
    assert [name for _, name in signature_kinds(FEATURES.by_kind)] == list(FEATURES.names)


def test_what_a_model_was_trained_on_is_what_it_is_asked_with() -> None:
    rows = pa.table(
        {
            "x": pa.array([1.5, None]),
            "kind": pa.array(["a", None]),
            "night": pa.array([1.0, None]),
            "sold": pa.array([15706.5, None]),
            "remark": pa.array(["as is", None]),
        }
    )
    asked, usable = signature_frame(
        rows, [(name, kind, True) for kind, name in signature_kinds(FEATURES.by_kind)]
    )
    trained = training_frame(rows)
    assert usable.all()
    assert list(asked.dtypes) == list(trained.dtypes)
    for name in trained.columns:
        np.testing.assert_array_equal(
            asked[name].isna().to_numpy(), trained[name].isna().to_numpy(), strict=True
        )
        assert asked[name][0] == trained[name][0]


def test_an_estimator_whose_answers_could_not_be_judged_is_refused_when_it_is_trained(tmp_path: Path) -> None:
    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    estimator = LogisticRegression().fit(rows, ["late", "late", "on time", "on time"])
    context = {"features": {"numeric": ["x"]}, "task": "binary"}
    with pytest.raises(AnswerUnfit, match="which class is 1 cannot be told by the names 'late', 'on time'"):
        save_estimator(estimator, rows, context, tmp_path / "model")
    assert not (tmp_path / "model").exists()
