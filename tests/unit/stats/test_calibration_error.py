"""Against scikit-learn's reliability curve, weighted by how many rows each of its points has."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from ctrain.domain import Task
from ctrain.stats.calibration_error import calibration_error


def expected(came_true: np.ndarray, said: np.ndarray) -> float:
    true, mean = calibration_curve(came_true, said, n_bins=10, strategy="uniform")
    counts = np.histogram(said, np.linspace(0, 1, 11))[0]
    return float(np.abs(true - mean) @ counts[counts > 0] / len(said))


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_of_two_classes(power: float) -> None:
    random = np.random.default_rng(4)
    said = random.beta(0.7, 1.2, 3000)
    came_true = random.random(3000) < said**power
    found = calibration_error(Task.BINARY, came_true.astype(float), said)
    assert found == pytest.approx(expected(came_true, said), abs=1e-12)
    assert found is not None
    assert (found < 0.03) == (power == 1.0)


def test_of_several_classes_the_likeliest_counts() -> None:
    random = np.random.default_rng(5)
    said = random.dirichlet([0.4, 0.4, 0.4], 2000)
    labels = np.array([random.choice(3, p=one) for one in said], dtype=float)
    likeliest = said.argmax(axis=1)
    found = calibration_error(Task.MULTICLASS, labels, said)
    assert found == pytest.approx(expected(labels == likeliest, said.max(axis=1)), abs=1e-12)


@pytest.mark.parametrize(
    ("task", "labels", "scores"),
    [
        (Task.REGRESSION, [1.0], [1.0]),
        (Task.BINARY, [], []),
        (Task.BINARY, [np.nan, 1.0], [0.5, np.nan]),
        (Task.MULTICLASS, [0.0], [[np.nan, np.nan]]),
    ],
)
def test_where_nothing_can_be_said(task: Task, labels: list[float], scores: list[float]) -> None:
    assert calibration_error(task, labels, scores) is None


def test_probabilities_at_the_ends_and_rows_that_cannot_be_judged() -> None:
    assert calibration_error(Task.BINARY, [1, 0, np.nan, 1], [1.0, 0.0, 0.5, np.nan]) == 0.0
