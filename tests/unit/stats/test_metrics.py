import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk

from ctrain.domain import Task
from ctrain.stats.metrics import HIGHER_IS_BETTER, evaluate

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("rows", [5, 40, 1000])
@pytest.mark.parametrize("ties", [False, True])
def test_binary_agrees_with_sklearn(rows: int, ties: bool) -> None:
    labels = np.append(RNG.integers(0, 2, rows), [0, 1])
    scores = RNG.uniform(0.01, 0.99, rows + 2)
    if ties:
        scores = np.round(scores, 1).clip(0.1, 0.9)
    predicted = scores > 0.5
    expected = {
        "roc_auc": sk.roc_auc_score(labels, scores),
        "f1": sk.f1_score(labels, predicted),
        "accuracy": sk.accuracy_score(labels, predicted),
        "zero_one": sk.zero_one_loss(labels, predicted),
        "brier": sk.brier_score_loss(labels, scores),
        "log_loss": sk.log_loss(labels, scores),
    }
    assert evaluate(Task.BINARY, labels, scores) == pytest.approx(expected, abs=1e-9)


def test_multiclass_agrees_with_sklearn() -> None:
    labels, scores = RNG.integers(0, 4, 400), RNG.dirichlet([3, 3, 3, 3], 400).clip(0.002, 1)
    scores /= scores.sum(axis=1, keepdims=True)
    labels[labels == 3] = 0  # predicted, but never true
    predicted = scores.argmax(axis=1)
    expected = {
        "f1": sk.f1_score(labels, predicted, average="macro", zero_division=0.0),
        "accuracy": sk.accuracy_score(labels, predicted),
        "zero_one": sk.zero_one_loss(labels, predicted),
        "brier": sk.brier_score_loss(labels, scores, labels=range(4), scale_by_half=True),
        "log_loss": sk.log_loss(labels, scores, labels=range(4)),
        "roc_auc": np.mean([sk.roc_auc_score(labels == code, scores[:, code]) for code in range(3)]),
    }
    assert evaluate(Task.MULTICLASS, labels, scores) == pytest.approx(expected, abs=1e-9)


def test_accuracy_is_the_share_that_is_right_to_the_last_bit() -> None:
    """1 - 0.07 is less than 0.93 in floating point, and would breach ``below: 0.93``."""
    assert evaluate(Task.BINARY, [1] * 93 + [0] * 7, [0.9] * 100)["accuracy"] == 0.93
    assert evaluate(Task.MULTICLASS, [1] * 93 + [0] * 7, [[0.1, 0.9]] * 100)["accuracy"] == 0.93


def test_macro_roc_auc_is_that_of_one_against_the_rest() -> None:
    labels, scores = np.repeat([0, 1, 2], 50), RNG.dirichlet([2, 1, 1], 150).round(1)
    expected = sk.roc_auc_score(labels, np.full((150, 3), 1 / 3), multi_class="ovr", average="macro")
    assert evaluate(Task.MULTICLASS, labels, np.full((150, 3), 1 / 3))["roc_auc"] == expected == 0.5
    scores = np.column_stack([scores[:, :2], 1 - scores[:, :2].sum(axis=1)]).clip(0, 1)
    expected = sk.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert evaluate(Task.MULTICLASS, labels, scores)["roc_auc"] == pytest.approx(expected)


def test_a_class_that_the_model_does_not_know_is_told_from_none() -> None:
    labels, scores = [0, 0, 1, -1], [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.5, 0.5]]
    metrics = evaluate(Task.MULTICLASS, labels, scores)
    assert metrics["roc_auc"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert metrics["accuracy"] == 0.75
    assert metrics["f1"] == pytest.approx((0.8 + 1 + 0) / 3)


def test_regression_agrees_with_sklearn() -> None:
    labels = RNG.normal(10, 3, 300)
    scores = labels + RNG.normal(0, 1, 300)
    expected = {
        "absolute_error": sk.mean_absolute_error(labels, scores),
        "squared_error": sk.mean_squared_error(labels, scores),
        "rmse": sk.root_mean_squared_error(labels, scores),
        "r2": sk.r2_score(labels, scores),
    }
    assert evaluate(Task.REGRESSION, labels, scores) == pytest.approx(expected, abs=1e-9)


UNDEFINED = [
    # task, labels, scores, absent
    (Task.BINARY, [1, 1], [0.9, 0.2], {"roc_auc"}),
    (Task.BINARY, [0, 0], [0.9, 0.2], {"roc_auc"}),
    (Task.BINARY, [0, 0], [0.1, 0.2], {"roc_auc", "f1"}),
    (Task.MULTICLASS, [1, 1], [[0.9, 0.1], [0.2, 0.8]], {"roc_auc"}),
    (Task.MULTICLASS, [-1], [[0.9, 0.1]], {"roc_auc"}),
    (Task.REGRESSION, [2.0, 2.0], [1.0, 2.0], {"r2"}),
    (Task.REGRESSION, [2.0], [1.0], {"r2"}),
    (Task.REGRESSION, [0.1] * 3, [1.1] * 3, {"r2"}),  # their mean is another number
]
ALL = {
    Task.BINARY: {"brier", "log_loss", "zero_one", "accuracy", "f1", "roc_auc"},
    Task.MULTICLASS: {"brier", "log_loss", "zero_one", "accuracy", "f1", "roc_auc"},
    Task.REGRESSION: {"absolute_error", "squared_error", "rmse", "r2"},
}


@pytest.mark.parametrize(("task", "labels", "scores", "absent"), UNDEFINED)
def test_an_undefined_metric_is_absent(
    task: Task, labels: list[float], scores: list[float], absent: set[str]
) -> None:
    assert evaluate(task, labels, scores).keys() == ALL[task] - absent


@pytest.mark.parametrize("labels", [[], [np.nan, np.nan]])
def test_without_a_row_there_is_no_metric(labels: list[float]) -> None:
    assert evaluate(Task.BINARY, labels, [0.5] * len(labels)) == {}


def test_rows_that_cannot_be_judged_are_left_out() -> None:
    whole = evaluate(Task.BINARY, [0, 1, 1, 0], [0.2, 0.7, 0.4, 0.6])
    assert evaluate(Task.BINARY, [0, 1, np.nan, 1, 0, 1], [0.2, 0.7, 0.1, 0.4, 0.6, np.nan]) == whole


def test_metrics_that_rise_with_better_scores_are_known() -> None:
    perfect = evaluate(Task.BINARY, [0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8])
    poor = evaluate(Task.BINARY, [0, 1, 0, 1], [0.9, 0.1, 0.2, 0.8])
    rising = {metric for metric, value in perfect.items() if value > poor[metric]}
    assert rising == perfect.keys() & HIGHER_IS_BETTER
    assert rising


def test_sklearn_and_scipy_stay_outside() -> None:
    code = (
        "import sys, ctrain.stats.metrics as m; from ctrain.domain import Task;"
        "m.evaluate(Task.BINARY, [0, 1], [.1, .9]);"
        "print([name for name in ('sklearn', 'scipy', 'pandas', 'mlflow', 'river') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
