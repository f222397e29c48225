"""From what models answer to one score a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.child.models import LoadedModel
from ctrain.child.outputs import AnswerUnfit, Scores, join_scores, predict_scores
from ctrain.child.registration import prediction_method, refuse_unsupported
from ctrain.child.score import RowsRefused, score_file, score_frame

FRAME = pd.DataFrame({"x": [0.0, 1.0]})


class Answer:
    """A pyfunc that gives the same answer to everything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, frame: pd.DataFrame) -> Any:
        return self.answer


class Estimator:
    def __init__(self, classes: list[Any], probabilities: Any = None) -> None:
        self.classes_ = np.array(classes)
        if probabilities is not None:
            self.predict_proba = lambda frame: np.array(probabilities)

    def predict(self, frame: pd.DataFrame) -> Any:
        return self.classes_[[0, -1]]


def pyfunc(answer: Any) -> LoadedModel:
    return LoadedModel(Path(), Answer(answer), None, (), ("python_function",), "")


def sklearn(estimator: Any) -> LoadedModel:
    return LoadedModel(Path(), None, estimator, (), ("python_function", "sklearn"), "")


@pytest.mark.parametrize(
    ("model", "output", "expected", "kind"),
    [
        (pyfunc([0.25, 0.75]), "auto", [0.25, 0.75], "probability"),
        (pyfunc([0.25, 0.75]), "class", [0.0, 1.0], "class"),
        (pyfunc([0.0, 1.0]), "probability", [0.0, 1.0], "class"),
        (pyfunc(np.array([[0.25], [0.75]])), "auto", [0.25, 0.75], "probability"),
        (pyfunc(np.array([[0.8, 0.2], [0.3, 0.7]])), "auto", [0.2, 0.7], "probability"),
        (pyfunc(pd.DataFrame({"1": [0.2, 0.7], "0": [0.8, 0.3]})), "auto", [0.2, 0.7], "probability"),
        (pyfunc(pd.Series([True, False])), "auto", [1.0, 0.0], "class"),
        (pyfunc(["1", "0"]), "auto", [1.0, 0.0], "class"),
        (pyfunc([None, True]), "auto", [np.nan, 1.0], "class"),
        (pyfunc([None, 0.75]), "auto", [np.nan, 0.75], "probability"),
        (sklearn(Estimator([0, 1], [[0.8, 0.2], [0.3, 0.7]])), "auto", [0.2, 0.7], "probability"),
        (sklearn(Estimator([0.0, 1.0], [[0.8, 0.2], [0.3, 0.7]])), "class", [0.0, 1.0], "class"),
        (
            sklearn(Estimator([False, True], [[0.8, 0.2], [0.3, 0.7]])),
            "probability",
            [0.2, 0.7],
            "probability",
        ),
        (sklearn(Estimator([1, 0], [[0.8, 0.2], [0.3, 0.7]])), "auto", [0.8, 0.3], "probability"),
        (sklearn(Estimator([-1, 1], [[0.8, 0.2], [0.3, 0.7]])), "auto", [0.2, 0.7], "probability"),
        (sklearn(Estimator(["Yes", "No"], [[0.8, 0.2], [0.3, 0.7]])), "auto", [0.8, 0.3], "probability"),
        (sklearn(Estimator([0], [[1.0], [1.0]])), "auto", [0.0, 0.0], "probability"),
        (sklearn(Estimator([1.0], [[1.0], [1.0]])), "auto", [1.0, 1.0], "probability"),
        (sklearn(Estimator([0, 1])), "auto", [0.0, 1.0], "class"),
    ],
)
def test_binary_scores_are_the_probability_of_class_1(
    model: LoadedModel, output: str, expected: list[float], kind: str
) -> None:
    scores = predict_scores(model, FRAME, "binary", output)
    assert scores.values.tolist() == pytest.approx(expected, nan_ok=True)
    assert scores.kind == kind


@pytest.mark.parametrize(
    ("model", "task", "output", "message"),
    [
        (pyfunc([1.5, 0.2]), "binary", "auto", "scores between 0.2 and 1.5 are no probabilities"),
        (pyfunc(["yes", "no"]), "binary", "auto", "the model answers with 'yes'"),
        (pyfunc([0.5]), "binary", "auto", "the model answered 1 rows to 2"),
        (pyfunc(np.ones((2, 3)) / 3), "binary", "auto", "3 classes; a binary task has two"),
        (pyfunc(np.ones((2, 2))), "regression", "auto", "multi-output models are not supported"),
        (
            pyfunc([np.ones((2, 2)), np.ones((2, 2))]),
            "binary",
            "auto",
            "multi-output models are not supported",
        ),
        (sklearn(Estimator([0, 1])), "binary", "probability", "gives no probabilities"),
        (
            pyfunc([0, 1]),
            "binary",
            "probability",
            "labels, such as 0, and no probabilities; set",
        ),
        (pyfunc([True, False]), "binary", "probability", "labels, such as True"),
        (pyfunc(["False", "True"]), "binary", "probability", "labels, such as False"),
        (pyfunc([0.0, 2.0]), "multiclass", "probability", "labels, such as 0.0"),
        (pyfunc([[0.9, 0.1], [0.9, 0.8]]), "binary", "auto", r"the 2 numbers of a row add up to 1\.7: "),
        (pyfunc(np.ones((2, 5))), "multiclass", "auto", "the 5 numbers of a row add up to 5: they are no"),
    ],
)
def test_answers_that_do_not_fit_are_refused(
    model: LoadedModel, task: str, output: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predict_scores(model, FRAME, task, output)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (sklearn(Estimator(["fraud", "legit"], [[0.8, 0.2], [0.3, 0.7]])), "'fraud', 'legit'"),
        (sklearn(Estimator([1, 2], [[0.8, 0.2], [0.3, 0.7]])), "'1', '2'"),
        (pyfunc(pd.DataFrame({"proba_1": [0.2, 0.7], "proba_0": [0.8, 0.3]})), "'proba_1', 'proba_0'"),
        (pyfunc(pd.DataFrame({"score": [0.2, 0.7], "rest": [0.8, 0.3]})), "'score', 'rest'"),
        (sklearn(Estimator(["good"], [[1.0], [1.0]])), "'good'"),
        (sklearn(Estimator([], [[1.0], [1.0]])), r"\(none\)"),
    ],
)
def test_which_of_two_classes_is_class_1_is_not_guessed(model: LoadedModel, names: str) -> None:
    with pytest.raises(AnswerUnfit, match=f"which class is 1 cannot be told by the names {names}: "):
        predict_scores(model, FRAME, "binary", "auto")


def test_multiclass_scores_are_named_probabilities() -> None:
    model = sklearn(Estimator(["a", "b", "c"], [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]))
    scores = predict_scores(model, FRAME, "multiclass", "auto")
    assert scores.classes == ("a", "b", "c")
    assert scores.values[1].tolist() == [0.1, 0.1, 0.8]
    labels = predict_scores(model, FRAME, "multiclass", "class")
    assert labels.values.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ([0.0, 1.0, 2.5], ("0", "1", "2.5")),
        ([0, 1, 2], ("0", "1", "2")),
        (["01", "true", ""], ("01", "true", "")),
    ],
)
def test_classes_are_named_as_labels_are_written(classes: list[Any], names: tuple[str, ...]) -> None:
    scores = predict_scores(sklearn(Estimator(classes, np.ones((2, 3)) / 3)), FRAME, "multiclass", "auto")
    assert scores.classes == names


def test_probabilities_may_be_rounded_and_a_row_that_no_class_fits_is_all_wrong() -> None:
    given = [[0.33, 0.33, 0.33], [0.0, 0.0, 0.0]]
    assert predict_scores(pyfunc(given), FRAME, "multiclass", "auto").values.tolist() == given


def test_a_model_of_one_class_is_certain_of_it() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = pd.DataFrame({"x": np.arange(50.0)})
    model = HistGradientBoostingClassifier(max_iter=2).fit(rows, ["salty"] * 50)
    scores = predict_scores(sklearn(model), FRAME, "multiclass", "auto")
    assert scores.classes == ("salty",)
    assert scores.values.tolist() == [[pytest.approx(1.0)]] * 2


def test_a_model_without_names_of_classes_has_numbers() -> None:
    assert predict_scores(pyfunc(np.ones((2, 3)) / 3), FRAME, "multiclass", "auto").classes == ("0", "1", "2")
    named = pyfunc(pd.DataFrame({"b": [0.2, 0.7], "a": [0.8, 0.3]}))
    assert predict_scores(named, FRAME, "multiclass", "auto").classes == ("b", "a")


def test_classes_of_one_name_are_refused() -> None:
    model = sklearn(Estimator([], np.ones((2, 2)) / 2))
    model.estimator.classes_ = np.array([1, "1"], dtype=object)
    with pytest.raises(ValueError, match="several classes of one name: 1, 1"):
        predict_scores(model, FRAME, "multiclass", "auto")


def test_named_classes_are_certain_and_an_absent_one_is_no_score() -> None:
    frame = pd.DataFrame({"x": range(4)})
    scores = predict_scores(
        pyfunc(np.array(["b", "a", None, "b"], dtype=object)), frame, "multiclass", "auto"
    )
    assert scores.classes == ("a", "b")
    np.testing.assert_array_equal(scores.values, [[0, 1], [1, 0], [np.nan, np.nan], [0, 1]])


def test_parts_that_name_other_classes_are_joined() -> None:
    parts = [
        Scores(np.array([[1.0, 0.0]]), "class", ("a", "b")),
        Scores(np.array([[0.25, 0.75], [1.0, 0.0]]), "class", ("c", "a")),
    ]
    joined = join_scores(parts)
    assert joined.classes == ("a", "b", "c")
    assert joined.values.tolist() == [[1.0, 0.0, 0.0], [0.75, 0.0, 0.25], [0.0, 0.0, 1.0]]


class Threes:
    """Three classes; refuses negative numbers."""

    classes_ = np.array(["a", "b", "c"])

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        if (frame["x"] < 0).any():
            raise ValueError("unknown category")
        p = frame["x"].to_numpy()
        return np.column_stack([p, (1 - p) / 2, (1 - p) / 2])


@pytest.mark.parametrize(
    ("task", "values", "expected"),
    [
        (
            "multiclass",
            [0.5, -1.0, None, 1.0],
            [{"a": 0.5, "b": 0.25, "c": 0.25}, None, None, {"a": 1.0, "b": 0.0, "c": 0.0}],
        ),
        ("multiclass", [None], [None]),
    ],
)
def test_scores_of_classes_are_written_with_their_names(
    tmp_path: Path, task: str, values: list[float | None], expected: list[Any]
) -> None:
    rows = pa.table({"row_id": [str(at) for at in range(len(values))], "x": pa.array(values, pa.float64())})
    pq.write_table(rows, tmp_path / "rows.parquet")
    job = {
        "rows_path": str(tmp_path / "rows.parquet"),
        "output_path": str(tmp_path / "scores.parquet"),
        "features": ["x"],
        "task": task,
        "output": "auto",
        "probe": False,
    }
    assert score_file(sklearn(Threes()), job) == (expected.count(None), {})
    assert pq.read_table(tmp_path / "scores.parquet")["score"].to_pylist() == expected


class Picky:
    """Refuses a batch that holds a negative number, as an encoder refuses an unknown category."""

    def predict(self, frame: pd.DataFrame) -> Any:
        if (frame["x"] < 0).any():
            raise ValueError("unknown category")
        return frame["x"].to_numpy()


def test_a_row_that_the_model_refuses_does_not_cost_the_others_theirs() -> None:
    frame = pd.DataFrame({"x": [0.1, 0.2, -1.0, 0.4, 0.5, np.nan]})
    usable = np.array([True, False, True, True, True, True])
    model = LoadedModel(Path(), Picky(), None, (), ("python_function",), "")
    scored, scores = score_frame(model, frame, usable, "binary", "auto")
    assert scored.tolist() == [True, False, False, True, True, False]
    assert scores is not None
    assert scores.values.tolist() == [0.1, 0.4, 0.5]


def test_a_model_that_refuses_every_row_fails_with_its_own_words() -> None:
    frame = pd.DataFrame({"x": -np.ones(1000)})
    model = LoadedModel(Path(), Picky(), None, (), ("python_function",), "")
    with pytest.raises(RowsRefused, match="ValueError: unknown category"):
        score_frame(model, frame, np.ones(1000, dtype=bool), "binary", "auto")


class Distance:
    """Answers with the distance to a boundary, as ``decision_function`` does."""

    def predict(self, frame: pd.DataFrame) -> Any:
        return frame["x"].to_numpy()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([-1.0, 1.0, 1.0, -1.0], "scores between -1 and 1 are no probabilities"),
        ([1.0, 2.0, 1.0, 1.0], "scores between 1 and 2 are no probabilities"),
        ([0.2, 0.7, -3.5, 0.1], "scores between -3.5 and 0.7 are no probabilities"),
    ],
)
def test_answers_that_are_probabilities_by_chance_are_no_scores(values: list[float], message: str) -> None:
    model = LoadedModel(Path(), Distance(), None, (), ("python_function",), "")
    with pytest.raises(AnswerUnfit, match=message):
        score_frame(model, pd.DataFrame({"x": values}), np.ones(4, dtype=bool), "binary", "auto")


def test_a_probability_that_rounding_has_lifted_above_one_is_one() -> None:
    lifted = np.array([1.0000001, 0.25], dtype=np.float32)
    assert predict_scores(pyfunc(lifted), FRAME, "binary", "auto").values.tolist() == [1.0, 0.25]


class Emptying:
    """Takes what it needs out of what it is given."""

    def predict(self, frame: pd.DataFrame) -> Any:
        return frame.pop("x").to_numpy()


def test_a_model_that_changes_what_it_is_given_can_be_asked_again() -> None:
    model = LoadedModel(Path(), Emptying(), None, (), ("python_function",), "")
    for _ in range(2):
        np.testing.assert_array_equal(predict_scores(model, FRAME, "binary", "auto").values, FRAME["x"])


def test_what_cannot_predict_or_has_several_outputs_is_refused_after_training() -> None:
    with pytest.raises(TypeError, match="returned int; expected a fitted estimator with predict"):
        prediction_method(42, "binary")
    assert prediction_method(Estimator([0, 1], [[1, 0]]), "binary") == "predict_proba"
    assert prediction_method(Estimator([0, 1], [[1, 0]]), "regression") == "predict"
    assert prediction_method(Estimator([0, 1]), "binary") == "predict"
    with pytest.raises(ValueError, match="multi-output"):
        refuse_unsupported(np.ones((3, 2)), "regression", "predict")
    with pytest.raises(ValueError, match=r"3 classes, but model\.task is binary"):
        refuse_unsupported(np.ones((3, 3)), "binary", "predict_proba")
    refuse_unsupported(np.ones((3, 1)), "regression", "predict")
