import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from ctrain.stats.calibration import CELL_ROWS, Calibration, fit_calibration, fit_stepped_sigmoid
from ctrain.stats.isotonic import Isotonic, fit_isotonic

RNG = np.random.default_rng(7)
SCORE = st.integers(0, 20).map(lambda one: one / 20)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SCORE, st.integers(0, 1), st.integers(1, 5)), min_size=1, max_size=60))
def test_isotonic_regression_is_sklearns(rows: list[tuple[float, int, int]]) -> None:
    scores, outcomes, weights = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    fitted = fit_isotonic(scores, outcomes, weights)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, outcomes, sample_weight=weights)
    asked = np.linspace(-0.1, 1.1, 49)
    assert fitted.calibrate(asked) == pytest.approx(theirs.predict(asked), abs=1e-9)
    assert (np.diff(fitted.value) > 0).all()
    assert fitted.rows.sum() == pytest.approx(weights.sum())


def test_on_many_rows_isotonic_regression_is_sklearns() -> None:
    scores = RNG.random(5000)
    outcomes = RNG.random(5000) < scores**2
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, outcomes)
    asked = RNG.random(1000)
    assert fit_isotonic(scores, outcomes).calibrate(asked) == pytest.approx(theirs.predict(asked))


def test_cells_are_of_equal_weight_and_no_score_is_in_two() -> None:
    scores, outcomes = RNG.random(1000), np.arange(1000) % 2
    rising = np.sort(scores)
    fitted = fit_isotonic(rising, np.linspace(0, 1, 1000), cell_rows=100)
    assert fitted.rows.tolist() == [100.0] * 10
    one_score = fit_isotonic(np.repeat([0.2, 0.7], 500), outcomes, cell_rows=100)
    assert one_score.rows.tolist() == [1000.0]
    assert fit_isotonic(scores[:99], outcomes[:99], cell_rows=100).rows.tolist() == [99.0]


def test_a_score_belongs_to_the_nearest_block() -> None:
    fitted = Isotonic(*(np.array(one) for one in ([0.1, 0.5], [0.2, 0.9], [0.0, 1.0], [10.0, 40.0])))
    assert fitted.blocks([0.0, 0.2, 0.3, 0.4, 0.7, 1.0]).tolist() == [0, 0, 0, 1, 1, 1]
    assert fitted.calibrate([0.0, 0.35, 1.0]).tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert fitted.variances.tolist() == pytest.approx([0.5 / 11 * 10.5 / 11 / 10, 0.5 / 41 * 40.5 / 41 / 40])


def test_a_calibration_survives_json() -> None:
    labels, scores = RNG.integers(0, 3, 300), RNG.dirichlet([1, 1, 1], 300)
    fitted = fit_calibration(labels, scores, ("a", "b", "c"))
    again = Calibration.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.classes == ("a", "b", "c")
    assert again.n == 300
    for ours, theirs in zip(again.functions, fitted.functions, strict=True):
        assert ours.calibrate(scores[:, 0]).tolist() == theirs.calibrate(scores[:, 0]).tolist()


def test_rows_that_say_nothing_are_left_out() -> None:
    scores = [0.1, 0.9, np.nan, 0.5, np.inf]
    assert fit_calibration([0, 1, 1, np.nan, 1], scores).n == 2
    with pytest.raises(ValueError, match="at least one row"):
        fit_calibration([np.nan], [0.5])


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_only_calibrates_to_it_and_is_not_certain(label: float) -> None:
    fitted = fit_calibration(np.full(500, label), RNG.random(500)).functions[0]
    assert fitted.calibrate([0.0, 0.5, 1.0]) == pytest.approx([label] * 3, abs=0.02)
    assert (fitted.variances > 0).all()


def test_one_row_moves_little_and_says_so() -> None:
    fitted = fit_calibration([1.0], [0.3]).functions[0]
    assert 0.3 < fitted.calibrate([0.3])[0] < 0.8
    assert fitted.variances.tolist() == pytest.approx([0.75 * 0.25])


@pytest.mark.parametrize("score", [0.0, 1.0, 0.5])
def test_scores_that_are_all_the_same_calibrate_to_the_share(score: float) -> None:
    fitted = fit_stepped_sigmoid(np.full(1000, score), np.arange(1000) < 300)
    assert fitted.calibrate([score]) == pytest.approx([0.3], abs=0.01)


def test_a_label_that_the_model_does_not_know_is_of_no_class() -> None:
    labels, scores = np.tile([0.0, 1.0, -1.0, -1.0], 100), np.full((400, 2), 0.5)
    fitted = fit_calibration(labels, scores, ("a", "b"))
    for one in fitted.functions:
        assert one.calibrate([0.5]) == pytest.approx([0.25], abs=0.01)


def spread(rows: int, centre: float, bend: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and scores; the scores are a power of the truth."""
    chances = 1 / (1 + np.exp(-2 * RNG.normal(centre, 1, rows)))
    return RNG.random(rows) < chances, chances**bend


def test_calibrated_scores_are_right_where_the_rows_were() -> None:
    outcomes, scores = spread(20_000, 0.0)
    fitted = fit_stepped_sigmoid(scores, outcomes)
    asked = np.linspace(0.05, 0.95, 19)
    assert fitted.calibrate(asked) == pytest.approx(asked ** (1 / 1.5), abs=0.05)


def test_they_are_nearly_right_where_rows_were_rare() -> None:
    """Most rows are certain; steps alone would give the few others the share of a whole cell."""
    errors, alone = [], []
    for _ in range(20):
        outcomes, scores = spread(1000, 2.5, bend=1.0)
        asked = np.array([0.3, 0.5, 0.7])
        errors.append(fit_stepped_sigmoid(scores, outcomes).calibrate(asked) - asked)
        alone.append(fit_isotonic(scores, outcomes, cell_rows=CELL_ROWS).calibrate(asked) - asked)
    assert np.abs(np.mean(errors, axis=0)).max() < 0.06
    assert np.abs(np.mean(alone, axis=0)).max() > 0.3


def test_each_step_shows_what_its_rows_showed() -> None:
    outcomes, scores = spread(3000, 0.0)
    fitted = fit_stepped_sigmoid(scores, outcomes)
    blocks, chances = fitted.blocks(scores), fitted.calibrate(scores)
    for block, rows in enumerate(fitted.steps.rows):
        inside = blocks == block
        assert inside.sum() == rows
        assert chances[inside].mean() == pytest.approx(outcomes[inside].mean(), abs=2 / rows)


def test_scores_that_point_the_wrong_way_are_turned() -> None:
    chances = RNG.uniform(0.1, 0.9, 5000)
    fitted = fit_stepped_sigmoid(1 - chances, RNG.random(5000) < chances)
    assert fitted.slope < -0.5
    assert fitted.calibrate([0.2, 0.8]) == pytest.approx([0.8, 0.2], abs=0.06)


def test_pooling_neighbours_first_takes_the_bias_out_of_the_ends() -> None:
    """The lowest block of 1,000 rows, whose scores from 0.2 on are right: alone it is far too low."""
    alone, pooled = [], []
    for _ in range(100):
        scores = RNG.uniform(0.2, 0.8, 20 * CELL_ROWS)
        outcomes = RNG.random(20 * CELL_ROWS) < scores
        alone.append(fit_isotonic(scores, outcomes).value[0])
        pooled.append(fit_stepped_sigmoid(scores, outcomes).calibrate([0.2])[0])
    assert np.mean(alone) < 0.1
    assert np.mean(pooled) == pytest.approx(0.2, abs=0.03)
