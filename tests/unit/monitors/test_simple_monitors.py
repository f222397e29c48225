"""Performance, freshness and volume: bounds, boundary values and what is too little to say."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import MonitorName, Status, Task, Version
from ctrain.monitors.freshness import assess_freshness
from ctrain.monitors.performance import assess_performance
from ctrain.monitors.volume import assess_volume
from ctrain.policy.monitors import FreshnessMonitor, PerformanceMonitor, VolumeMonitor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = MonitorName("watched")
NAN = math.nan

LABELS = [0, 1, 0, 1]
HALVES = [0.5, 0.5, 0.5, 0.5]  # brier 0.25
ORDERED = [0.1, 0.9, 0.2, 0.8]  # roc_auc 1


def performance(**changed: Any) -> PerformanceMonitor:
    return PerformanceMonitor(
        **{"type": "performance", "metric": "brier", "window": 24 * HOUR, "min_rows": 4, **changed}
    )


PERFORMANCES = [
    # monitor, labels, scores, coverage, status, reason
    ({"above": 0.2}, LABELS, HALVES, 1.0, "BREACHED", "brier 0.25 is above 0.2 on 4 rows"),
    ({"above": 0.25}, LABELS, HALVES, 1.0, "OK", "brier 0.25 is within its bounds on 4 rows"),
    ({"below": 0.25}, LABELS, HALVES, 1.0, "OK", "brier 0.25 is within its bounds on 4 rows"),
    ({"below": 0.3}, LABELS, HALVES, 1.0, "BREACHED", "brier 0.25 is below 0.3 on 4 rows"),
    ({"above": 0.3, "below": 0.2}, LABELS, HALVES, 1.0, "OK", "brier 0.25 is within its bounds on 4 rows"),
    ({"above": 0.2}, LABELS, HALVES, 0.5, "BREACHED", "brier 0.25 is above 0.2 on 4 rows"),
    (
        {"above": 0.3},
        LABELS,
        HALVES,
        0.4999,
        "INCONCLUSIVE",
        "labels cover 49.99% of 9 rows, 50.00% are needed",
    ),
    (
        {"above": 0.2, "min_rows": 5},
        LABELS,
        HALVES,
        1.0,
        "INCONCLUSIVE",
        "4 of 5 matured rows with label and score, of 9 rows",
    ),
    (
        {"above": 0.2},
        [0, 1, 0, NAN],
        HALVES,
        1.0,
        "INCONCLUSIVE",
        "3 of 4 matured rows with label and score, of 9 rows",
    ),
    (
        {"above": 0.2},
        LABELS,
        [0.5, NAN, NAN, 0.5],
        1.0,
        "INCONCLUSIVE",
        "2 of 4 matured rows with label and score, of 9 rows",
    ),
    ({"above": 0.2}, [], [], 0.0, "INCONCLUSIVE", "0 of 4 matured rows with label and score, of 9 rows"),
    ({}, LABELS, HALVES, 1.0, "INCONCLUSIVE", "neither above nor below is set"),
    (
        {"metric": "roc_auc", "below": 0.6},
        LABELS,
        ORDERED,
        1.0,
        "OK",
        "roc_auc 1 is within its bounds on 4 rows",
    ),
    (
        {"metric": "roc_auc", "below": 0.6},
        [1, 1, 1, 1],
        ORDERED,
        1.0,
        "INCONCLUSIVE",
        "roc_auc is not defined on these 4 rows",
    ),
]


@pytest.mark.parametrize(("changed", "labels", "scores", "coverage", "status", "reason"), PERFORMANCES)
def test_performance_is_breached_beyond_its_bounds(
    changed: dict[str, Any],
    labels: list[float],
    scores: list[float],
    coverage: float,
    status: str,
    reason: str,
) -> None:
    verdict = assess_performance(
        NAME,
        performance(**changed),
        Task.BINARY,
        labels,
        scores,
        NOW,
        window_rows=9,
        coverage=coverage,
        min_coverage=0.5,
        model_version=Version("3"),
    )
    assert (verdict.status, verdict.reason) == (status, reason)
    assert (verdict.monitor, verdict.as_of, verdict.model_version) == (NAME, NOW, "3")


def test_performance_tells_value_threshold_and_rows() -> None:
    verdict = assess_performance(
        NAME,
        performance(metric="rmse", above=1.5, below=0.5, min_rows=2),
        Task.REGRESSION,
        [1.0, 2.0, NAN],
        [3.0, 4.0, 5.0],
        NOW,
        window_rows=3,
        coverage=2 / 3,
        min_coverage=0.5,
        model_version=None,
    )
    assert (verdict.status, verdict.value, verdict.threshold, verdict.n) == (Status.BREACHED, 2.0, 1.5, 2)


FRESHNESS = [
    # age, status, reason
    (timedelta(0), "OK", "the newest row is 0s old, 2h are allowed"),
    (2 * HOUR, "OK", "the newest row is 2h old, 2h are allowed"),
    (2 * HOUR + timedelta(seconds=1), "BREACHED", "the newest row is 2h1s old, 2h are allowed"),
    (-HOUR, "OK", "the newest row is 0s old, 2h are allowed"),
]


@pytest.mark.parametrize(("age", "status", "reason"), FRESHNESS)
def test_freshness_is_breached_beyond_its_age(age: timedelta, status: str, reason: str) -> None:
    verdict = assess_freshness(NAME, FreshnessMonitor(type="freshness", max_age=2 * HOUR), NOW - age, NOW)
    assert (verdict.status, verdict.reason, verdict.as_of) == (status, reason, NOW)
    assert (verdict.value, verdict.threshold) == (max(age, timedelta(0)).total_seconds(), 7200)


def test_before_the_first_row_freshness_is_not_known() -> None:
    verdict = assess_freshness(NAME, FreshnessMonitor(type="freshness", max_age=HOUR), None, NOW)
    assert (verdict.status, verdict.value) == (Status.INCONCLUSIVE, None)
    assert verdict.reason == "no row has been seen yet"


VOLUMES = [
    # min_rows, max_rows, rows, status, threshold, reason
    (10, None, 10, "OK", 10, "10 rows in 1h, as expected"),
    (10, None, 9, "BREACHED", 10, "9 rows in 1h, at least 10 are expected"),
    (10, None, 0, "BREACHED", 10, "0 rows in 1h, at least 10 are expected"),
    (0, None, 0, "OK", 0, "0 rows in 1h, as expected"),
    (None, 10, 10, "OK", 10, "10 rows in 1h, as expected"),
    (None, 10, 11, "BREACHED", 10, "11 rows in 1h, at most 10 are expected"),
    (5, 10, 7, "OK", 5, "7 rows in 1h, as expected"),
    (5, 10, 11, "BREACHED", 10, "11 rows in 1h, at most 10 are expected"),
    (None, None, 7, "INCONCLUSIVE", None, "7 rows in 1h; neither min_rows nor max_rows is set"),
]


@pytest.mark.parametrize(("least", "most", "rows", "status", "threshold", "reason"), VOLUMES)
def test_volume_is_breached_beyond_its_bounds(
    least: int | None, most: int | None, rows: int, status: str, threshold: float | None, reason: str
) -> None:
    monitor = VolumeMonitor.model_construct(type="volume", window=HOUR, min_rows=least, max_rows=most)
    verdict = assess_volume(NAME, monitor, rows, NOW)
    assert (verdict.status, verdict.threshold, verdict.reason) == (status, threshold, reason)
    assert (verdict.value, verdict.n, verdict.as_of) == (rows, rows, NOW)


def test_volume_by_segment_bounds_each_segment_and_not_all_rows() -> None:
    monitor = VolumeMonitor(type="volume", window=HOUR, min_rows=10, max_rows=100, by="carrier")
    verdict = assess_volume(NAME, monitor, 260, NOW, {"UA": 100, "AA": 0, "other": 60, "null": 100})
    assert (verdict.status, verdict.value, verdict.threshold, verdict.n) == (Status.BREACHED, 0, 10, 260)
    assert verdict.reason == "carrier=AA: 0 rows in 1h, at least 10 are expected"
    assert [(one.column, one.breached) for one in verdict.features][:2] == [
        ("rows [carrier=AA]", True),
        ("rows [carrier=UA]", False),
    ]
    fine = assess_volume(NAME, monitor, 200, NOW, {"UA": 100, "AA": 100})
    assert (fine.status, fine.reason) == (Status.OK, "200 rows in 1h, 2 segments as expected")


def test_volume_names_five_segments_and_counts_the_others() -> None:
    monitor = VolumeMonitor(type="volume", window=HOUR, min_rows=1, by="carrier")
    verdict = assess_volume(NAME, monitor, 0, NOW, {f"c{at}": 0 for at in range(8)})
    assert verdict.reason.count("carrier=") == 5
    assert verdict.reason.endswith("; and 3 more")


def test_without_a_segment_ever_seen_volume_is_not_known() -> None:
    monitor = VolumeMonitor(type="volume", window=HOUR, min_rows=1, by="carrier")
    verdict = assess_volume(NAME, monitor, 0, NOW, {})
    assert (verdict.status, verdict.reason) == (
        Status.INCONCLUSIVE,
        "no value of carrier has been seen yet",
    )


def test_freshness_by_segment_is_that_of_the_oldest() -> None:
    monitor = FreshnessMonitor(type="freshness", max_age=2 * HOUR, by="carrier")
    newest = {"UA": NOW, "AA": NOW - 3 * HOUR, "null": NOW - 4 * HOUR}
    verdict = assess_freshness(NAME, monitor, NOW, NOW, newest)
    assert (verdict.status, verdict.value, verdict.threshold) == (Status.BREACHED, 4 * 3600, 7200)
    assert verdict.reason == (
        "carrier=null: the newest row is 4h old, 2h are allowed; "
        "carrier=AA: the newest row is 3h old, 2h are allowed"
    )
    fine = assess_freshness(NAME, monitor, NOW, NOW, {"UA": NOW, "AA": NOW - 2 * HOUR})
    assert (fine.status, fine.reason) == (
        Status.OK,
        "carrier=AA: the newest row is 2h old, 2h are allowed",
    )
    assert assess_freshness(NAME, monitor, None, NOW, {}).status is Status.INCONCLUSIVE
