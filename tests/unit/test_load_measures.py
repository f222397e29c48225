"""What the load is measured with: the files that it feeds, and quantiles as Prometheus takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.benchmarks import load_feeder
from tests.benchmarks.load_feeder import Feed
from tests.benchmarks.load_report import Samples, change, quantile

BUCKETS = {"0.5": 10.0, "1.0": 30.0, "2.0": 40.0, "+Inf": 40.0}
"""Cumulated, as they are told."""


@pytest.mark.parametrize(
    ("share", "expected"),
    # By hand, as histogram_quantile does it: the rank lies linearly between the bounds of its bucket.
    [(0.25, 0.5), (0.5, 0.75), (0.75, 1.0), (0.875, 1.5), (1.0, 2.0)],
)
def test_quantiles_lie_linearly_inside_their_bucket(share: float, expected: float) -> None:
    samples: Samples = {("late_bucket", bound): count for bound, count in BUCKETS.items()}
    assert quantile([samples], "late", share) == pytest.approx(expected)


def test_daemons_count_together_and_what_was_before_does_not() -> None:
    before: Samples = {("late_bucket", "1.0"): 5.0, ("late_bucket", "+Inf"): 100.0}
    now: Samples = {("late_bucket", "1.0"): 15.0, ("late_bucket", "+Inf"): 110.0}
    other: Samples = {
        ("late_bucket", "1.0"): 0.0,
        ("late_bucket", "2.0"): 10.0,
        ("late_bucket", "+Inf"): 10.0,
    }
    changed = change(before, now)
    assert changed["late_bucket", "+Inf"] == 10
    assert quantile([changed], "late", 0.5) == pytest.approx(0.5)
    assert quantile([changed, other], "late", 1.0) == pytest.approx(2.0)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    for policy in range(2):
        for kind in ("rows", "labels"):
            (tmp_path / f"p{policy}" / kind).mkdir(parents=True)
    return Feed(tmp_path, policies=2, rows=20, every=10)


def test_every_row_has_an_id_of_its_own_and_later_a_label(feed: Feed) -> None:
    for number in range(3):
        feed.put(0, number, 1.7e9 + number * 10, 10, feed.rows)
    rows = pq.read_table(feed.folder / "p0" / "rows")
    labels = pq.read_table(feed.folder / "p0" / "labels")
    assert (rows.num_rows, len(set(rows["id"].to_pylist())), feed.written) == (60, 60, 60)
    assert set(labels["id"].to_pylist()) == set(rows["id"].to_pylist()[:40])
    seconds = np.sort(rows["at"].to_numpy().astype("int64")) / 1e6 - 1.7e9
    assert np.diff(seconds) == pytest.approx(0.5)


def test_files_are_whole_when_they_appear_and_old_ones_go(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_feeder, "KEPT_SECONDS", 20)
    for number in range(6):
        feed.put(1, number, 1.7e9, 10, feed.rows)
    assert sorted(one.name for one in (feed.folder / "p1" / "rows").iterdir()) == [
        f"{number:06d}.parquet" for number in (3, 4, 5)
    ]
