"""The shipped policy of a regression: minutes of delay of the same flights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ctrain.demo.flights import CATEGORICAL, FEATURES, NUMERIC
from ctrain.demo.home import find_policy
from ctrain.domain import TrainingContext
from ctrain.policy.available import unavailable_parts
from ctrain.policy.files import load_policy
from ctrain.policy.models import Policy

COLUMNS = [*FEATURES, "arrival_delay"]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(find_policy().parent / "flight_arrival.yaml", {}).policy


@pytest.fixture(scope="module")
def training() -> Iterator[ModuleType]:
    """The training code as the child imports it: from the policy's folder."""
    from threadpoolctl import threadpool_limits

    folder = str(find_policy().parent)
    sys.path.insert(0, folder)
    try:
        import flight_arrival

        with threadpool_limits(1):
            yield flight_arrival
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def january(flights: pa.Table) -> pd.DataFrame:
    return flights.slice(0, 20_000).to_pandas().dropna(subset=["arrival_delay"])


def _context(policy: Policy) -> TrainingContext:
    features = {"numeric": NUMERIC, "categorical": CATEGORICAL}
    label = policy.data.labels.label
    return TrainingContext(policy.policy, "r", policy.model.task.value, label, features, "", "", 0, {})


def test_all_of_it_can_be_run_on_the_features_of_the_stream(policy: Policy) -> None:
    assert unavailable_parts(policy) == []
    assert (policy.data.features.numeric, policy.data.features.categorical) == (NUMERIC, CATEGORICAL)


def test_the_model_beats_the_median_on_later_flights(
    training: ModuleType, january: pd.DataFrame, policy: Policy
) -> None:
    train, later = january.iloc[:14_000], january.iloc[14_000:]
    model = training.train(train[COLUMNS], _context(policy))
    truth = later["arrival_delay"].to_numpy()
    error = np.abs(model.predict(later[list(FEATURES)]) - truth).mean()
    assert error < np.abs(np.median(train["arrival_delay"]) - truth).mean() - 0.5


def test_unknown_categories_and_missing_values_are_scored(
    training: ModuleType, january: pd.DataFrame, policy: Policy
) -> None:
    model = training.train(january[COLUMNS], _context(policy))
    odd = january.head(3).assign(carrier="??", dest="XXX", temperature=np.nan, visibility=np.nan)
    assert np.isfinite(model.predict(odd[list(FEATURES)])).all()
