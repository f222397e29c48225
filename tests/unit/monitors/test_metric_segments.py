"""Metrics by segment: significance with regard to how many segments there are, and too few rows."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from ctrain.domain import MonitorName, Status, Task, Verdict, Version
from ctrain.monitors.metric_segments import SegmentRows
from ctrain.monitors.performance import assess_performance
from ctrain.policy.monitors import PerformanceMonitor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RNG = np.random.default_rng(7)


def performance(**changed: Any) -> PerformanceMonitor:
    given = {"type": "performance", "metric": "zero_one", "window": "1d", "min_rows": 50, "by": "region"}
    return PerformanceMonitor(**{**given, **changed})


def assess(
    wrong: dict[str, tuple[int, int]], window: dict[str, int] | None = None, **changed: Any
) -> Verdict:
    """Errors and rows by segment; a model that says 1 is wrong where the label is 0."""
    labels = np.concatenate([np.arange(rows) >= errors for errors, rows in wrong.values()]).astype(float)
    ends = np.cumsum([rows for _, rows in wrong.values()])
    segments = []
    for (name, (_, rows)), end in zip(wrong.items(), ends, strict=True):
        mask = np.zeros(len(labels), dtype=bool)
        mask[end - rows : end] = True
        segments.append(SegmentRows(name, mask, (window or {}).get(name, rows)))
    return assess_performance(
        MonitorName("errors"),
        performance(**changed),
        Task.BINARY,
        labels,
        np.full(len(labels), 0.9),
        NOW,
        window_rows=len(labels),
        coverage=1.0,
        min_coverage=0.5,
        model_version=Version("3"),
        segments=segments,
    )


def test_a_segment_far_beyond_the_bound_breaches_though_the_whole_does_not() -> None:
    verdict = assess({"north": (10, 1000), "south": (40, 100)}, above=0.2)
    assert verdict.status is Status.BREACHED
    assert (verdict.value, verdict.threshold, verdict.n) == (0.4, 0.2, 1100)
    assert verdict.reason.startswith("region=south: zero_one 0.4 is above 0.2 on 100 rows (p ")
    assert verdict.reason.endswith(
        "among 2 segments); all rows: zero_one 0.04545 is within its bounds on 1100 rows"
    )
    assert [one.breached for one in verdict.features] == [False, True]
    assert verdict.features[0].note == "region=north: zero_one 0.01 is within its bounds on 1000 rows"
    assert verdict.features[1].p_value < 0.001


def test_a_segment_slightly_beyond_the_bound_may_be_chance() -> None:
    verdict = assess({"north": (10, 1000), "south": (22, 100)}, above=0.2)
    assert verdict.status is Status.OK
    assert verdict.reason.endswith("none of 2 segments of region is beyond them for certain")
    assert verdict.features[1].p_value == pytest.approx(0.31, abs=0.02)


def test_among_many_segments_more_is_needed() -> None:
    alone = {"south": (30, 100)}
    assert assess({"north": (0, 500), **alone}, above=0.2).status is Status.BREACHED
    many = {f"s{number}": (0, 60) for number in range(19)}
    assert assess({**many, **alone}, above=0.2).status is Status.OK


def test_a_whole_beyond_its_bound_stays_breached_with_its_own_value() -> None:
    verdict = assess({"north": (300, 1000), "south": (60, 100)}, above=0.2)
    assert verdict.status is Status.BREACHED
    assert verdict.value == pytest.approx(360 / 1100)
    assert "all rows: zero_one 0.3273 is above 0.2 on 1100 rows" in verdict.reason
    assert sum(one.breached for one in verdict.features) == 2
    verdict = assess({"north": (105, 500), "south": (105, 500)}, above=0.2)
    assert verdict.status is Status.BREACHED
    assert not any(one.breached for one in verdict.features)


def test_segments_with_too_few_rows_or_labels_are_not_judged() -> None:
    verdict = assess({"north": (10, 1000), "south": (40, 40)}, above=0.2)
    assert verdict.status is Status.OK
    assert verdict.reason.endswith(
        "none of 1 segments of region is beyond them for certain, 1 cannot be judged"
    )
    assert verdict.features[1].note == "40 of 50 matured rows with label and score, of 40 rows"
    assert math.isnan(verdict.features[1].statistic)
    verdict = assess({"north": (10, 1000), "south": (90, 100)}, {"south": 300}, above=0.2)
    assert verdict.features[1].note == "labels cover 33.33% of 300 rows, 50.00% are needed"


def test_without_a_segment_that_can_be_judged_nothing_is_healthy() -> None:
    verdict = assess({"north": (1, 40), "south": (1, 40)}, above=0.2)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason.startswith("no segment of region can be judged (40 of 50 matured rows")
    assert verdict.value == pytest.approx(2 / 80)


def test_a_metric_that_is_not_defined_in_a_segment_says_so() -> None:
    verdict = assess({"north": (50, 1000), "south": (0, 100)}, metric="roc_auc", below=0.4)
    assert verdict.features[1].note == "roc_auc is not defined on these 100 rows"
    assert verdict.status is Status.OK


def test_a_lower_bound_is_looked_at_from_the_other_side() -> None:
    verdict = assess({"north": (10, 1000), "south": (40, 100)}, metric="accuracy", below=0.8)
    assert "region=south: accuracy 0.6 is below 0.8 on 100 rows" in verdict.reason


def test_rows_that_all_agree_are_no_certainty_when_they_are_few() -> None:
    assert assess({"north": (0, 100), "south": (1, 1)}, above=0.5, min_rows=1).status is Status.OK
    assert assess({"north": (0, 100), "south": (9, 9)}, above=0.5, min_rows=1).status is Status.BREACHED


def test_more_than_five_segments_are_counted() -> None:
    wrong = {f"s{number}": (60, 100) for number in range(8)}
    verdict = assess({"north": (0, 5000), **wrong}, above=0.2)
    assert "; and 3 more; all rows:" in verdict.reason


def test_at_the_bound_segments_rarely_breach() -> None:
    """Twenty segments whose true rate is the bound: in at most about 5 % of the windows one breaches."""
    breached = 0
    for _ in range(100):
        wrong = {f"s{number}": (int(RNG.binomial(200, 0.2)), 200) for number in range(20)}
        breached += any(one.breached for one in assess(wrong, above=0.2).features)
    assert breached / 100 <= 0.1
