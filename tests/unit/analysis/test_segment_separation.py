"""Segments told apart one by one: a shift in one of them, those with few rows, and the level claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from ctrain.analysis import separation
from ctrain.analysis.segment_separation import answer_inside, answer_separation
from ctrain.stats.multiplicity import benjamini_hochberg

DAY = 86_400_000_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded can be limited

    monkeypatch.setattr(separation, "ITERATIONS", 20)
    with threadpool_limits(1):
        yield


def sample(seed: int, days: tuple[float, float], sizes: list[int], signs: list[int]) -> pa.Table:
    """Independent rows; in segment k the correlation of z with x is 0.8 times the k-th sign."""
    random = np.random.default_rng([9, seed])
    n = sum(sizes)
    codes = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x, noise = random.normal(size=n), random.normal(size=n)
    moments = np.sort(random.uniform(days[0] * DAY, days[1] * DAY, n)).astype(np.int64)
    return pa.table(
        {
            "event_at": pa.array(moments, pa.timestamp("us", "UTC")),
            "x": pa.array(x),
            "z": pa.array(0.8 * np.array(signs)[codes] * x + 0.6 * noise),
            "part": pa.array(codes),
        }
    )


def request(folder: Path, reference: pa.Table, **more: Any) -> dict[str, Any]:
    pq.write_table(reference, folder / "reference.parquet")
    return {
        "reference": str(folder / "reference.parquet"),
        "features": {"numeric": ["x", "z"]},
        "period_microseconds": DAY,
        "seed": 3,
        "segment_column": "part",
        "segments": 3,
        "min_rows": 100,
        "min_auc": 0.6,
        "alpha": 0.01,
        **more,
    }


def asked(folder: Path, reference: pa.Table, current: pa.Table, **more: Any) -> list[dict[str, Any]]:
    pq.write_table(current, folder / "current.parquet")
    given = request(folder, reference, current=str(folder / "current.parquet"), **more)
    found: list[dict[str, Any]] = answer_separation(folder, given)["segments"]
    return found


def test_the_segment_that_turned_round_is_found_and_the_others_are_not(tmp_path: Path) -> None:
    reference = sample(1, (0, 30), [500, 500, 90], [1, 1, 1])
    turned, steady, few = asked(
        tmp_path, reference, sample(2, (30, 31), [400, 400, 400], [-1, 1, -1]), segments=3
    )
    assert turned["auc"] > 0.75
    assert turned["p_value"] < 1e-6
    assert min(turned["importance"]["x"], turned["importance"]["z"]) > 0.1
    assert steady["auc"] < 0.6
    assert steady["importance"] == {}
    assert few == {"reference_rows": 90, "current_rows": 400}


def test_all_rows_together_hide_it(tmp_path: Path) -> None:
    """Two segments that change places look the same together."""
    reference = sample(3, (0, 30), [500, 500], [1, -1])
    current = sample(4, (30, 31), [400, 400], [-1, 1])
    together, _ = separation.separate(reference, current, {"numeric": ["x", "z"]}, DAY, 0, importance=False)
    assert together.auc < 0.6
    assert min(one["auc"] for one in asked(tmp_path, reference, current, segments=2)) > 0.75


def test_equal_samples_breach_as_rarely_as_the_rate_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 looks at five equal segments: a look breaches with at most the false discovery rate, here 10 %."""
    monkeypatch.setattr(separation, "ITERATIONS", 5)
    sizes, signs, breaches, p_values = [120] * 5, [1] * 5, 0, []
    for seed in range(40):
        reference, current = (
            sample(2 * seed, (0, 30), sizes, signs),
            sample(2 * seed + 1, (30, 31), sizes, signs),
        )
        told = asked(tmp_path, reference, current, segments=5, alpha=0.0)
        found = [one["p_value"] for one in told]
        p_values += found
        breaches += min(benjamini_hochberg(found)) < 0.1
    assert stats.binomtest(breaches, 40, 0.1).pvalue > 0.001
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_what_cannot_be_held_out_stops_no_other(tmp_path: Path) -> None:
    reference = sample(5, (0, 30), [60, 200], [1, 1])
    first, second = asked(
        tmp_path, reference, sample(6, (30, 31), [60, 200], [1, 1]), segments=2, min_rows=30
    )
    assert "p_value" in second
    assert "p_value" in first
    few = asked(tmp_path, reference, sample(7, (30, 31), [30, 200], [1, 1]), segments=2, min_rows=30)
    assert few[0]["problem"] == "fewer than 20 rows of a sample to fit or to judge a classifier on"
    assert "p_value" in few[1]


def test_windows_inside_are_told_from_the_rest_of_their_own_segment(tmp_path: Path) -> None:
    reference = sample(8, (0, 30), [600, 600], [1, 1])
    paths = []
    for number, signs in enumerate(([1, 1], [-1, 1], [1, 1])):
        rows = sample(10 + number, (number, number + 1), [300, 90 if number == 2 else 300], signs)
        pq.write_table(rows, tmp_path / f"window-{number}.parquet")
        paths.append(str(tmp_path / f"window-{number}.parquet"))
    spans = [[number * DAY, (number + 1) * DAY] for number in range(3)]
    given = request(tmp_path, reference, windows=paths, spans_microseconds=spans, segments=2)
    first, second = answer_inside(tmp_path, given)["aucs"]
    assert [one > 0.7 for one in first] == [False, True, False]
    assert [one > 0.7 for one in second] == [False, False]
