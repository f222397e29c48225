import numpy as np
import pytest

from ctrain.domain import Task
from ctrain.stats.metrics import evaluate
from ctrain.stats.uncertainty import standard_error

RNG = np.random.default_rng(7)
ROWS = 300


def draw(task: Task) -> tuple[np.ndarray, np.ndarray]:
    if task is Task.REGRESSION:
        labels = RNG.normal(0, 2, ROWS)
        return labels, labels + RNG.normal(0, 1, ROWS)
    if task is Task.MULTICLASS:
        scores = RNG.dirichlet([1, 1, 2], ROWS)
        return (RNG.random(ROWS)[:, np.newaxis] > scores.cumsum(axis=1)).sum(axis=1), scores
    scores = 1 / (1 + np.exp(-RNG.normal(0, 1, ROWS)))
    return (RNG.random(ROWS) < scores).astype(float), scores


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        *((Task.BINARY, one) for one in ("brier", "log_loss", "zero_one", "accuracy", "f1", "roc_auc")),
        *((Task.MULTICLASS, one) for one in ("brier", "log_loss", "accuracy", "f1", "roc_auc")),
        *((Task.REGRESSION, one) for one in ("absolute_error", "squared_error", "rmse", "r2")),
    ],
)
def test_the_error_is_the_spread_over_samples(task: Task, metric: str) -> None:
    samples = [draw(task) for _ in range(400)]
    values = [evaluate(task, *sample)[metric] for sample in samples]
    errors = [standard_error(task, metric, *sample) for sample in samples]
    assert np.mean([one or 0.0 for one in errors]) == pytest.approx(np.std(values), rel=0.12)


def test_of_an_accuracy_it_is_that_of_a_share() -> None:
    labels, scores = np.array([1.0] * 30 + [0.0] * 70), np.full(100, 0.9)
    assert standard_error(Task.BINARY, "accuracy", labels, scores) == pytest.approx(np.sqrt(0.3 * 0.7 / 100))


def test_of_a_roc_auc_it_is_delongs() -> None:
    """Var(won by the positives) / positives + Var(lost by the negatives) / negatives, by hand."""
    labels, scores = [1, 1, 1, 0, 0], [0.9, 0.4, 0.6, 0.5, 0.1]
    won, lost = np.array([1, 0.5, 1]), np.array([2 / 3, 1])
    expected = np.sqrt(won.var() / 3 + lost.var() / 2)
    assert standard_error(Task.BINARY, "roc_auc", labels, scores) == pytest.approx(max(expected, 0.2))


@pytest.mark.parametrize(
    ("task", "metric", "labels", "scores", "expected"),
    [
        (Task.BINARY, "accuracy", [1.0], [0.9], 1.0),
        (Task.BINARY, "brier", [1.0, 1.0], [0.9, 0.9], 0.5),
        (Task.BINARY, "log_loss", [1.0], [0.9], None),
        (Task.BINARY, "brier", [], [], None),
        (Task.BINARY, "brier", [np.nan], [0.5], None),
        (Task.BINARY, "roc_auc", [1.0, 1.0], [0.9, 0.1], None),
        (Task.BINARY, "f1", [0.0, 0.0], [0.2, 0.1], None),
        (Task.MULTICLASS, "roc_auc", [0.0, 0.0], [[0.5, 0.5], [0.1, 0.9]], None),
        (Task.MULTICLASS, "roc_auc", [-1.0, -1.0], [[0.5, 0.5], [0.1, 0.9]], None),
        (Task.MULTICLASS, "roc_auc", [-1.0, 0.0], [[0.5, 0.5], [0.1, 0.9]], 0.5),
        (Task.REGRESSION, "absolute_error", [1.0], [2.0], None),
        (Task.REGRESSION, "rmse", [1.0, 2.0], [1.0, 2.0], 0.0),
        (Task.REGRESSION, "r2", [1.0, 1.0], [1.0, 2.0], None),
        (Task.REGRESSION, "r2", [0.1] * 3, [1.1] * 3, None),
    ],
)
def test_few_rows_and_undefined_metrics(
    task: Task, metric: str, labels: list[float], scores: list[float], expected: float | None
) -> None:
    given = np.array(scores).reshape(-1, 2) if task is Task.MULTICLASS else scores
    assert standard_error(task, metric, labels, given) == (
        None if expected is None else pytest.approx(expected)
    )
