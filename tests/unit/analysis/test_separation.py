"""Telling two samples apart: level and power that are claimed, and rows that resemble their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from ctrain.analysis import separation
from ctrain.analysis.encoding import MOST_CATEGORIES, encode
from ctrain.analysis.separation import hold_out, separate

DAY = 86_400_000_000
FEATURES = {"numeric": ["x", "z"], "categorical": ["kind"]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded can be limited

    with threadpool_limits(1):
        yield


def sample(random: np.random.Generator, days: tuple[float, float], n: int = 600, **given: Any) -> pa.Table:
    """Independent rows; ``correlation`` of z with x."""
    moments = np.sort(random.uniform(days[0] * DAY, days[1] * DAY, n)).astype(np.int64)
    x, noise = random.normal(size=n), random.normal(size=n)
    r = given.pop("correlation", 0.8)
    columns = {
        "x": x,
        "z": r * x + np.sqrt(1 - r * r) * noise,
        "kind": random.choice(np.array(["a", "b", "c", None], dtype=object), n),
        **given,
    }
    return pa.table({"event_at": pa.array(moments, pa.timestamp("us", "UTC")), **columns})


def told(reference: pa.Table, current: pa.Table, seed: int = 0) -> tuple[float, float]:
    return separate(reference, current, FEATURES, DAY, seed, importance=False)[0]


def test_equal_samples_are_told_apart_as_rarely_as_the_p_value_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 pairs: the share below 5 % is what chance gives, and the p-values are uniform."""
    monkeypatch.setattr(separation, "ITERATIONS", 10)
    p_values = []
    for seed in range(80):
        random = np.random.default_rng([1, seed])
        p_values.append(told(sample(random, (0, 30), 200), sample(random, (30, 31), 200), seed)[1])
    below = int((np.array(p_values) < 0.05).sum())
    assert stats.binomtest(below, 80, 0.05).pvalue > 0.001
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_a_correlation_that_turned_round_is_found_every_time_and_no_column_shows_it() -> None:
    found = []
    for seed in range(5):
        random = np.random.default_rng([2, seed])
        reference, current = sample(random, (0, 30)), sample(random, (30, 31), correlation=-0.8)
        found.append(told(reference, current, seed))
        marginal = [stats.ks_2samp(reference[name], current[name]).pvalue for name in ("x", "z")]
        assert min(marginal) > 0.001
    assert min(auc for auc, _ in found) > 0.75
    assert max(p_value for _, p_value in found) < 1e-6


def test_the_features_that_give_it_away_are_named() -> None:
    random = np.random.default_rng(3)
    reference, current = sample(random, (0, 30)), sample(random, (30, 31), correlation=-0.8)
    _, importance = separate(reference, current, FEATURES, DAY, 0)
    assert min(importance["x"], importance["z"]) > 0.2
    assert abs(importance["kind"]) < 0.05


def test_rows_that_repeat_their_neighbours_are_not_told_apart() -> None:
    """Every row comes with nine copies; held out at random they would give the window away."""
    random = np.random.default_rng(4)
    reference, current = (
        sample(random, days, 100).take(np.repeat(np.arange(100), 10)) for days in ((0, 30), (30, 31))
    )
    auc, _ = told(reference, current)
    assert abs(auc - 0.5) < 0.1
    naive = np.random.default_rng(0).random(2000) < 0.5
    assert naive_auc(reference, current, naive) > 0.7


def naive_auc(reference: pa.Table, current: pa.Table, held_out: np.ndarray) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    values = encode(pa.concat_tables([reference, current]), FEATURES).values
    label = np.arange(2000) >= 1000
    model = HistGradientBoostingClassifier(random_state=0).fit(values[~held_out], label[~held_out])
    return float(roc_auc_score(label[held_out], model.predict_proba(values[held_out])[:, 1]))


def test_the_hour_of_the_day_gives_no_window_away() -> None:
    random = np.random.default_rng(5)
    reference, current = sample(random, (0, 30)), sample(random, (30, 31))
    reference, current = (
        one.set_column(
            1, "x", pa.array(one["event_at"].to_numpy().astype("datetime64[us]").astype(int) % DAY)
        )
        for one in (reference, current)
    )
    auc, p_value = told(reference, current)
    assert abs(auc - 0.5) < 0.06
    assert p_value > 0.01


def test_the_same_seed_gives_the_same_answer() -> None:
    random = np.random.default_rng(6)
    reference, current = sample(random, (0, 30)), sample(random, (30, 31))
    once, again = (separate(reference, current, FEATURES, DAY, 5) for _ in range(2))
    assert once == again


def test_pathological_columns_break_nothing() -> None:
    random = np.random.default_rng(7)
    odd = np.where(random.random(600) < 0.5, np.inf, np.nan)
    many = [f"user {number}" for number in range(600)]
    reference = sample(random, (0, 30), x=odd, z=np.zeros(600), kind=many)
    current = sample(random, (30, 31), x=np.full(600, np.nan), z=np.full(600, 1e300), kind=many)
    auc, _ = told(reference, current)
    assert auc == 1


def test_a_column_without_values_hides_no_other() -> None:
    random = np.random.default_rng(9)
    nothing = pa.nulls(600, pa.float64())
    reference = sample(random, (0, 30), x=nothing, kind=pa.nulls(600, pa.string()))
    current = sample(random, (30, 31), x=nothing, kind=pa.nulls(600, pa.string()), z=np.full(600, 9.0))
    (auc, _), importance = separate(reference, current, FEATURES, DAY, 0)
    assert auc > 0.95
    assert (importance["x"], importance["kind"]) == (0, 0)
    assert importance["z"] > 0.4


def test_a_daily_batch_is_held_out_at_random() -> None:
    phases = np.zeros(400, dtype=np.int64)
    held_out = hold_out(phases, np.arange(400) >= 200, seed=1)
    assert 150 < held_out.sum() < 250


def test_too_few_rows_are_an_error() -> None:
    random = np.random.default_rng(8)
    with pytest.raises(ValueError, match="fewer than 20 rows"):
        told(sample(random, (0, 30)), sample(random, (30, 31), 30))


def test_categories_are_numbered_by_frequency_and_the_rare_ones_are_one() -> None:
    names = ["a"] * 5 + ["b"] * 3 + [None] + [f"r{number:03d}" for number in range(MOST_CATEGORIES)]
    table = pa.table({"kind": names})
    codes = encode(table, {"categorical": ["kind"]}).values[:, 0]
    assert codes[:8].tolist() == [0] * 5 + [1] * 3
    assert np.isnan(codes[8])
    assert codes[9] == 2
    assert codes[-3:].tolist() == [MOST_CATEGORIES - 1, MOST_CATEGORIES, MOST_CATEGORIES]


def test_free_text_is_seen_by_its_statistics() -> None:
    encoded = encode(pa.table({"note": ["one two", None]}), {"text": ["note"]})
    assert encoded.names[:2] == ("note.length", "note.words")
    assert set(encoded.features) == {"note"}
    assert encoded.values[0, :2].tolist() == [7, 2]
    assert np.isnan(encoded.values[1]).all()
