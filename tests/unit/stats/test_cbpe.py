import subprocess
import sys

import numpy as np
import pytest

from ctrain.domain import Task
from ctrain.stats.calibration import Calibration, fit_calibration
from ctrain.stats.cbpe import Estimate, estimate, missed
from ctrain.stats.isotonic import Isotonic, fit_isotonic
from ctrain.stats.metrics import evaluate
from tests.unit.stats.car_loans import (
    FIRST_CHUNK,
    REFERENCE_POSITIVES,
    REFERENCE_ROWS,
    SIXTH_CHUNK,
)

RNG = np.random.default_rng(7)
BEGINNING = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _the_same_numbers_in_any_order() -> None:
    RNG.bit_generator.state = BEGINNING


METRICS = ("brier", "log_loss", "zero_one", "accuracy", "f1", "roc_auc")


def identity(rows: float = 1e12) -> Isotonic:
    """Scores that are right, from as many rows as one likes."""
    points = np.linspace(0, 1, 1001)
    return Isotonic(points, points, points, np.full(1001, rows))


CALIBRATED = Calibration((identity(),), (), 10**6)


def estimated(task: Task, metric: str, *given: object, **options: object) -> Estimate:
    found = estimate(task, metric, *given, **options)  # type: ignore[arg-type] # passed on as they come
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", lambda p: np.maximum(p, 1 - p).mean()),
        ("zero_one", lambda p: np.minimum(p, 1 - p).mean()),
        ("brier", lambda p: (p * (1 - p)).mean()),
        ("log_loss", lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()),
        ("f1", lambda p: 2 * p[p > 0.5].sum() / ((p > 0.5).sum() + p.sum())),
    ],
)
def test_with_scores_that_are_right_the_estimate_is_known(metric: str, expected: object) -> None:
    p = RNG.integers(10, 990, 500) / 1000
    found = estimated(Task.BINARY, metric, p, CALIBRATED)
    assert found.value == pytest.approx(expected(p))  # type: ignore[operator] # a function
    assert found.n == 500


def test_expected_roc_auc_is_that_of_every_row_as_both_classes_by_its_chance() -> None:
    """scikit-learn's ROC AUC of each row twice, weighted."""
    from sklearn.metrics import roc_auc_score

    p = RNG.integers(1, 99, 300) / 100
    labels, weights = np.repeat([1, 0], 300), np.concatenate([p, 1 - p])
    expected = roc_auc_score(labels, np.tile(p, 2), sample_weight=weights)
    assert estimated(Task.BINARY, "roc_auc", p, CALIBRATED).value == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_two_classes_are_a_binary_task(metric: str) -> None:
    labels = (RNG.random(2000) < 0.4).astype(float)
    scores = np.clip(labels * 0.3 + RNG.random(2000) * 0.6, 0.01, 0.98)
    both = np.column_stack([1 - scores, scores])
    calibration = fit_calibration(labels, scores)
    classes = fit_calibration(labels, both, ("no", "yes"))
    one = estimated(Task.BINARY, metric, scores[:500], calibration)
    two = estimated(Task.MULTICLASS, metric, both[:500], classes, ("no", "yes"))
    if metric in ("brier", "log_loss", "zero_one", "accuracy"):
        assert two.value == pytest.approx(one.value, abs=2e-3)
    assert two.deviation == pytest.approx(one.deviation, rel=0.5)


HUNDREDTHS = np.arange(101)
THRESHOLD = 65
CHUNKS = [
    # rows, ROC AUC, F1: NannyML's tutorial "Estimating Standard Performance Metrics for Binary
    # Classification", chunks [0:4999] and [25000:29999]
    (FIRST_CHUNK, 0.970744, 0.943030),
    (SIXTH_CHUNK, 0.961090, 0.911753),
]


@pytest.mark.parametrize(("rows", "roc_auc", "f1"), CHUNKS)
def test_estimates_of_the_car_loans_are_nannymls(rows: list[int], roc_auc: float, f1: float) -> None:
    """By isotonic regression as theirs; their class is 1 from THRESHOLD on, ours from one half."""
    score = np.interp(HUNDREDTHS, [0, THRESHOLD - 1, THRESHOLD, 100], [0, 0.5, 0.6, 1])
    positives, every = np.array(REFERENCE_POSITIVES), np.array(REFERENCE_ROWS)
    labels = np.concatenate([np.ones(positives.sum()), np.zeros((every - positives).sum())])
    given = np.concatenate([np.repeat(score, positives), np.repeat(score, every - positives)])
    calibration = Calibration((fit_isotonic(given, labels),), (), len(labels))
    assert calibration.n == 50_000
    window = np.repeat(score, rows)
    assert len(window) == 5000
    assert estimated(Task.BINARY, "roc_auc", window, calibration).value == pytest.approx(roc_auc, abs=1e-6)
    assert estimated(Task.BINARY, "f1", window, calibration).value == pytest.approx(f1, abs=1e-6)
    ours = fit_calibration(labels, given)
    assert estimated(Task.BINARY, "roc_auc", window, ours).value == pytest.approx(roc_auc, abs=2e-3)
    assert estimated(Task.BINARY, "f1", window, ours).value == pytest.approx(f1, abs=2e-3)


def coverage(metric: str, shift: float, repetitions: int = 200) -> float:
    """Share of windows whose realised metric lies within the band; the model is overconfident."""
    inside = 0
    for _ in range(repetitions):
        drawn = [_draw(1000, 0.0), _draw(1000, shift)]
        calibration = fit_calibration(*drawn[0])
        found = estimated(Task.BINARY, metric, drawn[1][1], calibration)
        realised = evaluate(Task.BINARY, *drawn[1])[metric]
        inside += abs(realised - found.value) <= found.error
    return inside / repetitions


def _draw(rows: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    chance = 1 / (1 + np.exp(-2 * RNG.normal(shift, 1, rows)))
    return (RNG.random(rows) < chance).astype(float), chance**1.5


@pytest.mark.parametrize("metric", ["brier", "accuracy", "f1", "roc_auc"])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_band_holds_the_realised_metric_in_95_percent(metric: str, shift: float) -> None:
    assert 0.91 <= coverage(metric, shift) <= 0.985


def test_rows_whose_scores_were_rare_are_uncertain() -> None:
    labels, scores = _draw(1000, -1.0)
    calibration = fit_calibration(labels, scores)
    usual = estimated(Task.BINARY, "brier", scores, calibration)
    rare = estimated(Task.BINARY, "brier", _draw(1000, 2.0)[1], calibration)
    assert rare.deviation > 2 * usual.deviation


def test_more_rows_make_the_band_narrower_down_to_what_calibration_allows() -> None:
    labels, scores = _draw(1000, 0.0)
    calibration = fit_calibration(labels, scores)
    errors = [
        estimated(Task.BINARY, "brier", np.resize(scores, rows), calibration).error
        for rows in (10, 100, 1000, 100_000)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3] > 0.5 * errors[2]


@pytest.mark.parametrize("metric", ["brier", "log_loss", "accuracy", "f1", "roc_auc"])
def test_slopes_are_those_of_the_value(metric: str) -> None:
    """The variance of drawn labels is what a simulation of labels shows."""
    p = RNG.integers(20, 980, 400) / 1000
    found = estimated(Task.BINARY, metric, p, CALIBRATED)
    realised = [evaluate(Task.BINARY, RNG.random(400) < p, p)[metric] for _ in range(600)]
    assert found.deviation == pytest.approx(np.std(realised), rel=0.1)
    assert found.value == pytest.approx(np.mean(realised), abs=0.004)


@pytest.mark.parametrize("metric", METRICS)
def test_several_classes_with_scores_that_are_right(metric: str) -> None:
    names = ("a", "b", "c", "d")
    scores = RNG.dirichlet([2, 1, 1, 0.7], 800).round(3)
    scores[:, 0] = 1 - scores[:, 1:].sum(axis=1)
    calibration = Calibration((identity(),) * 4, names, 10**6)
    found = estimated(Task.MULTICLASS, metric, scores, calibration, names)
    drawn = [
        evaluate(
            Task.MULTICLASS, (RNG.random(800)[:, np.newaxis] > scores.cumsum(axis=1)).sum(axis=1), scores
        )
        for _ in range(200)
    ]
    realised = [one[metric] for one in drawn]
    assert found.value == pytest.approx(np.mean(realised), abs=3 * found.deviation / np.sqrt(200) + 1e-3)
    assert found.deviation == pytest.approx(np.std(realised), rel=0.2)


def test_of_several_classes_what_was_missed_is_added() -> None:
    """Five classes, probabilities sharper than the truth: alone each is calibrated, together they are not."""
    names, inside = ("a", "b", "c", "d", "e"), 0
    alone: dict[str, list[float]] = {"brier": [], "accuracy": [], "f1": []}
    added: dict[str, list[float]] = {"brier": [], "accuracy": [], "f1": []}
    for _ in range(80):
        weights = RNG.normal(0, 1.3, (3, 5))
        (labels, scores), (later, unseen) = _sharpened(weights), _sharpened(weights)
        calibration = fit_calibration(labels, scores, names)
        realised = evaluate(Task.MULTICLASS, later, unseen)
        for metric, errors in alone.items():
            found = estimated(Task.MULTICLASS, metric, unseen, calibration, names)
            error = missed(Task.MULTICLASS, metric, labels, scores, calibration, names)
            errors.append(realised[metric] - found.value)
            added[metric].append(realised[metric] - found.value - error)
            inside += abs(added[metric][-1]) <= found.error
    assert abs(np.mean(alone["brier"])) > 2.5 * abs(np.mean(added["brier"]))
    assert all(abs(np.mean(added[metric])) < 0.004 for metric in added)
    assert inside / 240 >= 0.88


def _sharpened(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    powers = np.exp(RNG.normal(0, 1, (1500, 3)) @ weights)
    chances, sharp = powers / powers.sum(axis=1, keepdims=True), powers**1.6
    labels = (RNG.random(1500)[:, np.newaxis] > chances.cumsum(axis=1)).sum(axis=1)
    return labels.clip(0, 4).astype(float), sharp / sharp.sum(axis=1, keepdims=True)


def test_nothing_is_missed_with_two_classes_or_without_the_metric() -> None:
    labels, scores = _draw(1000, 0.0)
    calibration = fit_calibration(labels, scores)
    assert missed(Task.BINARY, "brier", labels, scores, calibration) == pytest.approx(0, abs=2e-3)
    ones = fit_calibration(np.ones(100), scores[:100])
    assert missed(Task.BINARY, "roc_auc", np.ones(100), scores[:100], ones) == 0.0


def test_classes_may_stand_in_another_order_and_some_be_unknown_to_the_calibration() -> None:
    labels, scores = RNG.integers(0, 2, 500).astype(float), RNG.dirichlet([1, 1], 500)
    calibration = fit_calibration(labels, scores, ("a", "b"))
    one = estimated(Task.MULTICLASS, "brier", scores[:100], calibration, ("a", "b"))
    other = estimated(Task.MULTICLASS, "brier", scores[:100, ::-1], calibration, ("b", "a"))
    assert other.value == pytest.approx(one.value)
    assert other.deviation == pytest.approx(one.deviation)
    wider = np.column_stack([scores[:100], np.zeros(100)])
    assert estimated(Task.MULTICLASS, "brier", wider, calibration, ("a", "b", "new")).value == pytest.approx(
        one.value
    )


@pytest.mark.parametrize(
    ("task", "metric", "scores"),
    [
        (Task.BINARY, "brier", []),
        (Task.BINARY, "brier", [np.nan, np.nan]),
        (Task.BINARY, "f1", [0.0, 0.0]),
        (Task.BINARY, "roc_auc", [0.0, 0.0]),
        (Task.BINARY, "roc_auc", [1.0]),
        (Task.MULTICLASS, "brier", [[np.nan, np.nan]]),
        (Task.MULTICLASS, "roc_auc", [[1.0, 0.0]]),
    ],
)
def test_what_is_not_defined_has_no_estimate(task: Task, metric: str, scores: object) -> None:
    names = ("a", "b")
    calibration = CALIBRATED if task is Task.BINARY else Calibration((identity(),) * 2, names, 9)
    given = np.array(scores, dtype=float).reshape(-1, 2) if task is Task.MULTICLASS else scores
    assert estimate(task, metric, given, calibration, names) is None  # type: ignore[arg-type] # lists of numbers


def test_rows_without_a_score_are_left_out_and_one_row_is_enough() -> None:
    found = estimated(Task.BINARY, "brier", [np.nan, 0.3, np.inf], CALIBRATED)
    assert found.n == 1
    assert found.value == pytest.approx(0.21)
    assert found.deviation == pytest.approx(0.4 * np.sqrt(0.21))


def test_sklearn_scipy_and_pandas_stay_outside() -> None:
    code = (
        "import sys, ctrain.stats.cbpe as m, ctrain.stats.calibration as c; from ctrain.domain import Task;"
        "m.estimate(Task.BINARY, 'roc_auc', [.1, .9], c.fit_calibration([0, 1], [.2, .8]));"
        "print([name for name in ('sklearn', 'scipy', 'pandas', 'mlflow', 'river') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
