"""Score columns of several versions, as arrays that can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import Task, Version
from ctrain.engine.scored import judged_rows
from ctrain.stats.losses import row_losses

ONE, TWO = Version("1"), Version("2")
NAN = float("nan")


def rows(labels: list[str | None]) -> pa.Table:
    return pa.table({"label": pa.array(labels, pa.string())})


def structs(*values: dict[str, float | None] | None, fields: str = "ab") -> pa.Array[Any]:
    return pa.array(values, pa.struct([(name, pa.float64()) for name in fields]))


def test_versions_with_other_orders_of_classes_stand_in_one() -> None:
    columns = {ONE: structs({"a": 0.9, "b": 0.1}), TWO: structs({"b": 0.2, "a": 0.8}, fields="ba")}
    judged = judged_rows(Task.MULTICLASS, rows(["b"]), columns)
    assert judged.classes == ("a", "b")
    assert judged.labels is not None
    assert judged.scores is not None
    assert judged.labels.tolist() == [1.0]
    assert judged.scores[ONE].tolist() == [[0.9, 0.1]]
    assert judged.scores[TWO].tolist() == [[0.8, 0.2]]


@pytest.mark.parametrize(("metric", "loss"), [("zero_one", 1.0), ("brier", (0.9**2 + 0.1**2 + 1) / 2)])
def test_a_label_that_one_version_does_not_know_is_its_certain_loss(metric: str, loss: float) -> None:
    columns = {ONE: structs({"a": 0.9, "b": 0.1}), TWO: structs({"c": 1.0, "a": 0.0}, fields="ca")}
    judged = judged_rows(Task.MULTICLASS, rows(["c"]), columns)
    assert judged.classes == ("a", "b", "c")
    assert judged.labels is not None
    assert judged.scores is not None
    ours, theirs = (
        row_losses(Task.MULTICLASS, metric, judged.labels, judged.scores[one]) for one in (ONE, TWO)
    )
    assert ours == pytest.approx([loss])
    assert theirs.tolist() == [0.0]
    unknown = judged_rows(Task.MULTICLASS, rows(["z"]), columns)
    assert unknown.labels is not None
    assert unknown.labels.tolist() == [-1.0]


def test_what_was_not_scored_or_cannot_be_has_no_loss_and_new_classes_are_zero_before() -> None:
    column = pa.chunked_array(
        [structs({"a": 1.0, "b": None}, None), structs({"a": None, "b": None}, {"a": 0.25, "b": 0.75})]
    )
    judged = judged_rows(Task.MULTICLASS, rows(["a", "a", "b", None]), {ONE: column})
    assert judged.scores is not None
    assert judged.labels is not None
    np.testing.assert_array_equal(judged.scores[ONE], [[1, 0], [NAN, NAN], [NAN, NAN], [0.25, 0.75]])
    losses = row_losses(Task.MULTICLASS, "zero_one", judged.labels, judged.scores[ONE])
    np.testing.assert_array_equal(losses, [0, NAN, NAN, NAN])


@pytest.mark.parametrize(
    "column",
    [pa.nulls(2), structs(None, None), structs({"": None}, {"": None}, fields=[""])],  # type: ignore[arg-type] # a list of names
)
def test_without_a_score_there_is_no_class_and_no_loss(column: Any) -> None:
    judged = judged_rows(Task.MULTICLASS, rows(["a", ""]), {ONE: column})
    assert judged.scores is not None
    assert judged.labels is not None
    assert judged.scores[ONE].shape == (2, 1)
    assert np.isnan(row_losses(Task.MULTICLASS, "brier", judged.labels, judged.scores[ONE])).all()


def test_no_rows_have_no_losses() -> None:
    judged = judged_rows(Task.MULTICLASS, rows([]), {ONE: pa.nulls(0)})
    assert judged.scores is not None
    assert judged.labels is not None
    assert row_losses(Task.MULTICLASS, "zero_one", judged.labels, judged.scores[ONE]).size == 0


def test_numbers_stay_numbers() -> None:
    table = pa.table({"label": pa.array([1.0, None])})
    judged = judged_rows(Task.BINARY, table, {ONE: pa.array([None, 0.5])})
    assert judged.scores is not None
    assert judged.classes == ()
    np.testing.assert_array_equal(judged.scores[ONE], [NAN, 0.5])
