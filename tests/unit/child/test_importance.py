"""Permutation importance: what a model uses is told, what it does not use is nothing, and nothing fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from ctrain.child.importance import MOST_ROWS, REPEATS, measure_importance

N = 600


class Sigmoid:
    """Uses ``x`` and, half as much, ``kind``; ``noise`` not at all."""

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self.predict_proba(frame)[:, 1] > 0.5

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        p = 1 / (1 + np.exp(-3 * frame["x"] - 1.5 * (frame["kind"] == "a")))
        return np.column_stack([1 - p, p])


def rows(seed: int = 3, n: int = N) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=n), "noise": random.normal(size=n)})
    frame["kind"] = pd.Series(random.choice(["a", "b"], n), dtype=object)
    frame["y"] = (random.random(n) < Sigmoid().predict_proba(frame)[:, 1]).astype(float)
    return frame


def context(task: str = "binary", **features: list[str]) -> dict[str, Any]:
    return {
        "task": task,
        "label": "y",
        "features": features or {"numeric": ["x", "noise"], "categorical": ["kind"]},
    }


@pytest.mark.parametrize("metric", ["brier", "log_loss", "zero_one"])
def test_the_features_that_a_classifier_uses_have_shares_in_their_order(metric: str) -> None:
    found = measure_importance(Sigmoid(), rows(), context(), metric)
    assert found is not None
    assert found.share["x"] > 0.6
    assert 0.01 < found.share["kind"] < 0.4
    assert found.share["noise"] == 0
    assert sum(found.share.values()) == pytest.approx(1, abs=1e-5)
    assert (found.rows, found.repeats, found.metric) == (N, REPEATS, metric)


def test_regression_agrees_with_scikit_learn() -> None:
    """sklearn.inspection.permutation_importance, scoring the negative mean squared error."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame(random.normal(size=(800, 3)), columns=["a", "b", "c"])
    frame["y"] = 3 * frame["a"] + frame["b"] + random.normal(size=800)
    model = LinearRegression().fit(frame[["a", "b", "c"]], frame["y"])
    found = measure_importance(model, frame, context("regression", numeric=["a", "b", "c"]), "squared_error")
    theirs = permutation_importance(
        model, frame[["a", "b", "c"]], frame["y"], scoring="neg_mean_squared_error", n_repeats=30,
        random_state=0,
    )  # fmt: skip
    assert found is not None
    assert [found.increase[name] for name in "abc"] == pytest.approx(
        theirs.importances_mean, rel=0.05, abs=0.02
    )


def test_several_classes() -> None:
    class Nearest:
        classes_ = np.array(["low", "mid", "high"])

        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            return np.asarray(self.classes_[self.predict_proba(frame).argmax(axis=1)])

        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            raw = np.exp(-((frame["x"].to_numpy()[:, None] - np.array([-1.0, 0.0, 1.0])) ** 2))
            return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    frame = rows()
    frame["y"] = np.select([frame["x"] < -0.5, frame["x"] < 0.5], ["low", "mid"], "high")
    found = measure_importance(Nearest(), frame, context("multiclass"), "brier")
    assert found is not None
    assert found.share == {"x": 1.0, "noise": 0.0, "kind": 0.0}


def test_only_the_newest_rows_are_asked() -> None:
    frame = rows(n=MOST_ROWS + 500)
    frame.loc[:499, "y"] = np.nan
    found = measure_importance(Sigmoid(), frame, context(), "brier")
    assert found is not None
    assert found.rows == MOST_ROWS
    assert np.isfinite(found.loss)


def test_the_same_rows_give_the_same_importance() -> None:
    once, again = (measure_importance(Sigmoid(), rows(), context(), "brier") for _ in range(2))
    assert once == again


def test_a_model_that_fails_leaves_the_training_alone(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Sigmoid):
        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            raise OSError("no such luck")

    assert measure_importance(Broken(), rows(), context(), "brier") is None
    assert "no such luck" in capsys.readouterr().out


def test_a_model_that_is_too_slow_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_importance(Sigmoid(), rows(), context(), "brier", most_seconds=-1) is None
    assert "takes too long" in capsys.readouterr().out


def test_a_model_that_uses_nothing_has_no_shares() -> None:
    class Constant(Sigmoid):
        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            return np.full((len(frame), 2), 0.5)

    found = measure_importance(Constant(), rows(), context(), "brier")
    assert found is not None
    assert found.share == {}
