import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from ctrain.domain import Task
from ctrain.stats.losses import LOG_LOSS_CAP, bounded_losses, class_codes, row_losses

NAN, INF = math.nan, math.inf
RNG = np.random.default_rng(20260101)

SINGLE_ROWS = [
    # task, metric, label, score, loss
    (Task.BINARY, "brier", 1, 0.75, 0.0625),
    (Task.BINARY, "brier", 0, 0.75, 0.5625),
    (Task.BINARY, "brier", True, 1.0, 0.0),
    (Task.BINARY, "zero_one", 1, 0.5, 1.0),
    (Task.BINARY, "zero_one", 0, 0.5, 0.0),
    (Task.BINARY, "zero_one", 1, 0.51, 0.0),
    (Task.BINARY, "log_loss", 1, 0.5, math.log(2)),
    (Task.BINARY, "log_loss", 0, 0.75, math.log(4)),
    (Task.BINARY, "log_loss", 1, 0.0, LOG_LOSS_CAP),
    (Task.BINARY, "log_loss", 1, 1e-3, LOG_LOSS_CAP),
    (Task.BINARY, "log_loss", 1, 1.0, 0.0),
    (Task.MULTICLASS, "brier", 0, [0.5, 0.25, 0.25], 0.1875),
    (Task.MULTICLASS, "brier", -1, [1.0, 0.0, 0.0], 1.0),
    (Task.MULTICLASS, "brier", 1, [1.0, 0.0, 0.0], 1.0),
    (Task.MULTICLASS, "zero_one", 2, [0.2, 0.3, 0.5], 0.0),
    (Task.MULTICLASS, "zero_one", 1, [0.5, 0.5, 0.0], 1.0),
    (Task.MULTICLASS, "zero_one", -1, [0.5, 0.5, 0.0], 1.0),
    (Task.MULTICLASS, "log_loss", 1, [0.5, 0.5, 0.0], math.log(2)),
    (Task.MULTICLASS, "log_loss", -1, [0.5, 0.5, 0.0], LOG_LOSS_CAP),
    (Task.REGRESSION, "absolute_error", 3.0, -1.0, 4.0),
    (Task.REGRESSION, "squared_error", 3.0, -1.0, 16.0),
]


@pytest.mark.parametrize(("task", "metric", "label", "score", "loss"), SINGLE_ROWS)
def test_loss_of_one_row(task: Task, metric: str, label: float, score: npt.ArrayLike, loss: float) -> None:
    assert row_losses(task, metric, [label], np.asarray([score]))[0] == pytest.approx(loss, abs=1e-15)


UNUSABLE = [
    (Task.BINARY, "brier", NAN, 0.5),
    (Task.BINARY, "brier", 1, NAN),
    (Task.BINARY, "brier", 2, 0.5),
    (Task.BINARY, "brier", 0.5, 0.5),
    (Task.BINARY, "brier", 1, 1.1),
    (Task.BINARY, "brier", 1, -0.1),
    (Task.BINARY, "log_loss", 1, INF),
    (Task.MULTICLASS, "brier", NAN, [0.5, 0.5]),
    (Task.MULTICLASS, "brier", 2, [0.5, 0.5]),
    (Task.MULTICLASS, "brier", -2, [0.5, 0.5]),
    (Task.MULTICLASS, "brier", 0.5, [0.5, 0.5]),
    (Task.MULTICLASS, "zero_one", 0, [NAN, NAN]),
    (Task.MULTICLASS, "log_loss", 0, [0.5, NAN]),
    (Task.REGRESSION, "absolute_error", NAN, 1.0),
    (Task.REGRESSION, "absolute_error", 1.0, INF),
    (Task.REGRESSION, "squared_error", -INF, -INF),
]


@pytest.mark.parametrize(("task", "metric", "label", "score"), UNUSABLE)
def test_a_row_that_cannot_be_judged_has_no_loss(
    task: Task, metric: str, label: float, score: npt.ArrayLike
) -> None:
    assert np.isnan(row_losses(task, metric, [label], np.asarray([score]))).all()


def test_rounding_of_a_probability_is_forgiven() -> None:
    assert row_losses(Task.BINARY, "log_loss", [1, 0], [1 + 1e-9, -1e-9]) == pytest.approx([0, 0], abs=1e-8)


def test_an_unusable_row_leaves_its_neighbours_alone() -> None:
    losses = row_losses(Task.BINARY, "brier", [1, NAN, 0], [0.5, 0.5, NAN])
    assert losses == pytest.approx([0.25, NAN, NAN], nan_ok=True)


def test_no_rows_no_losses() -> None:
    assert row_losses(Task.BINARY, "brier", [], []).shape == (0,)
    assert row_losses(Task.MULTICLASS, "zero_one", [], np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_means_agree_with_sklearn(task: Task) -> None:
    if task is Task.BINARY:
        labels, scores = RNG.integers(0, 2, 500), RNG.uniform(0.01, 0.99, 500)
        brier = brier_score_loss(labels, scores)
    else:
        labels, scores = RNG.integers(0, 3, 500), RNG.dirichlet([2, 3, 4], 500)
        scores = np.clip(scores, 0.002, 1)
        scores /= scores.sum(axis=1, keepdims=True)
        brier = brier_score_loss(labels, scores, scale_by_half=True)
    assert row_losses(task, "brier", labels, scores).mean() == pytest.approx(brier, abs=1e-9)
    expected = log_loss(labels, scores)
    assert row_losses(task, "log_loss", labels, scores).mean() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("task", "metric", "message"),
    [
        (
            Task.BINARY,
            "roc_auc",
            "'roc_auc' is no row loss of a binary task; there are brier, log_loss, zero_one",
        ),
        (Task.REGRESSION, "brier", "'brier' is no row loss of a regression task"),
    ],
)
def test_a_metric_that_the_task_does_not_have(task: Task, metric: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        row_losses(task, metric, [1], [1])


@pytest.mark.parametrize(
    ("task", "labels", "scores"),
    [
        (Task.BINARY, [1, 0], [0.5]),
        (Task.BINARY, [1], [[0.5, 0.5]]),
        (Task.MULTICLASS, [1], [0.5]),
        (Task.REGRESSION, [[1]], [[1]]),
    ],
)
def test_shapes_that_do_not_fit(task: Task, labels: object, scores: object) -> None:
    metric = "absolute_error" if task is Task.REGRESSION else "brier"
    with pytest.raises(ValueError, match="do not fit"):
        row_losses(task, metric, labels, scores)  # type: ignore[arg-type]  # on purpose


def test_class_codes_are_places_in_the_class_order() -> None:
    codes = class_codes(["b", "a", None, NAN, "z"], ("a", "b"))
    assert codes == pytest.approx([1, 0, NAN, NAN, -1], nan_ok=True)


def test_two_class_orders_give_the_same_losses() -> None:
    labels = ["x", "y", "z"]
    one = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    other = one[:, [2, 0, 1]]
    for metric in ("brier", "log_loss", "zero_one"):
        straight = row_losses(Task.MULTICLASS, metric, class_codes(labels, ("x", "y", "z")), one)
        turned = row_losses(Task.MULTICLASS, metric, class_codes(labels, ("z", "x", "y")), other)
        assert straight == pytest.approx(turned)


def test_bounded_losses_of_classes_lie_in_the_unit_interval() -> None:
    labels, scores = RNG.integers(0, 2, 300), RNG.uniform(0, 1, 300)
    scores[:2] = 0, 1
    for metric in ("brier", "log_loss", "zero_one"):
        losses, share = bounded_losses(Task.BINARY, metric, labels, scores, None)
        assert losses.min() >= 0
        assert losses.max() <= 1
        assert share == 0
    capped = bounded_losses(Task.BINARY, "log_loss", [1], [0.0], None)
    assert capped.values == pytest.approx([1.0])


def test_bounded_regression_errors_are_cut_and_counted() -> None:
    labels = [0.0, 0.0, 0.0, NAN, 0.0]
    losses, share = bounded_losses(Task.REGRESSION, "squared_error", labels, [1, 2, 3, 4, -4], scale=4.0)
    assert losses == pytest.approx([0.25, 1, 1, NAN, 1], nan_ok=True)
    assert share == 0.5  # an error of exactly the scale is not cut


def test_nothing_to_judge_is_nothing_cut() -> None:
    assert bounded_losses(Task.REGRESSION, "absolute_error", [NAN], [1.0], scale=1.0).share_clipped == 0


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, NAN, INF])
def test_a_regression_needs_a_scale(scale: float | None) -> None:
    with pytest.raises(ValueError, match="positive scale"):
        bounded_losses(Task.REGRESSION, "absolute_error", [1.0], [1.0], scale)
