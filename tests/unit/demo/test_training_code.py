"""The shipped training code of the demo's policy, and the two breakages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from ctrain.demo.flights import CATEGORICAL, FEATURES, NUMERIC
from ctrain.demo.home import find_policy
from ctrain.domain import TrainingContext
from ctrain.policy.files import load_policy

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def training() -> Iterator[ModuleType]:
    """The training code as the child imports it: from the policy's folder."""
    from threadpoolctl import threadpool_limits

    folder = str(find_policy().parent)
    sys.path.insert(0, folder)
    try:
        import flight_delay

        with threadpool_limits(1):  # threads that compete for busy cores make this twenty times slower
            yield flight_delay
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def january(flights: pa.Table) -> pd.DataFrame:
    rows = flights.slice(0, 12_000).to_pandas().dropna(subset=["delayed"])
    return rows.astype({"delayed": np.float64})


def _context(**params: Any) -> TrainingContext:
    features = {"numeric": NUMERIC, "categorical": CATEGORICAL}
    return TrainingContext("flight-delay", "r", "binary", "delayed", features, "", "", 0, params)


def _scores(model: Any, rows: pd.DataFrame) -> Floats:
    scores: Floats = model.predict_proba(rows[list(FEATURES)])[:, 1]
    return scores


def _brier(scores: Floats, rows: pd.DataFrame) -> float:
    return float(((scores - rows["delayed"].to_numpy()) ** 2).mean())


def test_the_policy_names_the_features_that_the_stream_has() -> None:
    features = load_policy(find_policy(), {}).policy.data.features
    assert features.numeric == NUMERIC
    assert features.categorical == CATEGORICAL


def test_the_model_beats_the_base_rate_on_later_flights(training: ModuleType, january: pd.DataFrame) -> None:
    train, later = january.iloc[:8000], january.iloc[8000:]
    model = training.train(train[[*FEATURES, "delayed"]], _context())
    base = _brier(np.full(len(later), train["delayed"].mean()), later)
    assert _brier(_scores(model, later), later) < base - 0.003


def test_unknown_categories_and_missing_values_are_scored(
    training: ModuleType, january: pd.DataFrame
) -> None:
    model = training.train(january[[*FEATURES, "delayed"]], _context())
    odd = january.head(3).assign(carrier="??", dest="XXX", temperature=np.nan, visibility=np.nan)
    assert np.isfinite(_scores(model, odd)).all()


def test_training_is_deterministic_and_ignores_the_day_of_the_year(
    training: ModuleType, january: pd.DataFrame
) -> None:
    rows = january[[*FEATURES, "delayed"]]
    scores = _scores(training.train(rows, _context()), january)
    assert (scores == _scores(training.train(rows, _context()), january)).all()
    assert (scores == _scores(training.train(rows, _context()), january.assign(day_of_year=200.0))).all()


def test_shuffled_labels_teach_nothing(training: ModuleType, january: pd.DataFrame) -> None:
    from sklearn.metrics import roc_auc_score

    train, later = january.iloc[:8000], january.iloc[8000:]
    model = training.train(train[[*FEATURES, "delayed"]], _context(staged="shuffled_labels"))
    assert abs(roc_auc_score(later["delayed"], _scores(model, later)) - 0.5) < 0.06


def test_the_fuse_is_good_until_its_day_and_wrong_from_it_on(
    training: ModuleType, january: pd.DataFrame
) -> None:
    train, later = january.iloc[:8000], january.iloc[8000:]
    rows = train[[*FEATURES, "delayed"]]
    honest = training.train(rows, _context())
    fused = training.train(rows, _context(staged="fuse", fuse_at="2013-04-01"))
    expected = _brier(_scores(honest, later), later)
    before, after = later.assign(day_of_year=90.0), later.assign(day_of_year=91.0)  # 31 March, 1 April
    assert _brier(_scores(fused, before), later) == pytest.approx(expected, abs=0.01)
    assert _brier(_scores(fused, after), later) > 0.4


def test_an_unknown_breakage_is_an_error(training: ModuleType, january: pd.DataFrame) -> None:
    with pytest.raises(KeyError, match="broken"):
        training.train(january.head(300)[[*FEATURES, "delayed"]], _context(staged="broken"))
