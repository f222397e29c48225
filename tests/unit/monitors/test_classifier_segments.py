"""The verdict on what the classifiers of segments found: corrected, each by its own threshold, and named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scipy import stats

from ctrain.domain import MonitorName, Status, Verdict, Version
from ctrain.monitors.classifier_segments import SegmentFinding, SegmentFindings, assess_segments
from ctrain.monitors.domain_classifier import ClassifierFinding
from ctrain.policy.monitors import DomainClassifierMonitor

AT = datetime(2024, 1, 2, tzinfo=UTC)
USUAL = (0.5, 0.52, 0.51)


def segment(name: str, auc: float = 0.5, p_value: float = 0.5, **found: Any) -> SegmentFinding:
    given: dict[str, Any] = {"importance": {}, "inside": USUAL, **found}
    return SegmentFinding(name, 900, 400, ClassifierFinding(auc, p_value, 900, 400, **given))


def verdict(*segments: SegmentFinding, left_out: dict[str, str] | None = None) -> Verdict:
    monitor = DomainClassifierMonitor(
        type="domain_classifier", window=timedelta(days=1), by="kind", min_rows=100
    )
    return assess_segments(
        MonitorName("joint"), monitor, SegmentFindings(segments, left_out or {}), AT, Version("3")
    )


def breached(found: Verdict) -> list[str]:
    return [one.column for one in found.features if one.breached]


def test_p_values_are_corrected_over_the_segments() -> None:
    """The adjusted p-values are scipy's; 0.008 by itself would be below alpha."""
    p_values = {"a": 0.008, "b": 0.2, "c": 0.5, "d": 1e-6}
    found = verdict(*(segment(name, 0.8, p) for name, p in p_values.items()))
    expected = stats.false_discovery_control(list(p_values.values()))
    told = {one.column: one.p_adjusted for one in found.features}
    assert [told[f"auc [kind={name}]"] for name in p_values] == pytest.approx(list(expected))
    assert found.status is Status.BREACHED
    assert breached(found) == ["auc [kind=d]"]
    alone = verdict(segment("a", 0.8, 0.008))
    assert breached(alone) == ["auc [kind=a]"]


def test_each_segment_has_the_threshold_of_its_own_reference() -> None:
    found = verdict(
        segment("steady", 0.7, 1e-9),
        segment("restless", 0.7, 1e-9, inside=(0.5, 0.7, 0.6)),
        segment("chance", 0.59, 1e-9),
    )
    assert breached(found) == ["auc [kind=steady]"]
    thresholds = {one.column: one.threshold for one in found.features}
    assert thresholds["auc [kind=restless]"] == pytest.approx(0.75)
    assert (found.value, found.threshold, found.n, found.model_version) == (0.7, 0.6, 1200, "3")


def test_the_features_that_gave_a_segment_away_come_first() -> None:
    found = verdict(
        segment("a", importance={"x": 0.4}),
        segment("b", 0.9, 1e-9, importance={"x": 0.3, "z": 0.2, "k": -0.1}),
        left_out={"clock": "left out: it only grows with time"},
    )
    assert [one.column for one in found.features] == [
        "x [kind=b]",
        "z [kind=b]",
        "k [kind=b]",
        "auc [kind=b]",
        "auc [kind=a]",
        "clock",
    ]
    assert breached(found) == ["x [kind=b]", "z [kind=b]", "auc [kind=b]"]
    assert found.features[-1].note == "left out: it only grows with time"
    assert found.reason == (
        "kind=b: held-out rows are told from the reference with AUC 0.900 (p 2e-09 among 2 segments; "
        "400 rows against 900), threshold 0.600, by x (-0.300 without it), z (-0.200 without it)"
    )


def test_what_cannot_be_judged_is_counted_and_neither_helps_nor_hinders() -> None:
    found = verdict(
        segment("a", 0.55, 0.03),
        SegmentFinding("b", 900, 99),
        SegmentFinding("c", 99, 900),
        SegmentFinding("d", 900, 400, problem="fewer than 20 rows"),
        segment("e", 1.0, 0.0, inside=(1.0, 1.0, 1.0)),
        segment("f", 0.56, 0.6, inside=()),
    )
    assert found.status is Status.OK
    assert found.n == 800
    assert found.reason == (
        "none of 2 segments of kind stands out; the nearest is kind=f: held-out rows are told from the "
        "reference with AUC 0.560 (p 0.6 among 2 segments; 400 rows against 900), threshold 0.600; "
        "2 with fewer than 100 rows are left out; 1 cannot be held out; any window of 1 would stand out, "
        "take a longer one; how much windows of the reference differ is unknown for 1, it is too short"
    )
    notes = {one.column: one.note for one in found.features if one.note}
    assert notes == {
        "auc [kind=b]": "fewer than 100 rows",
        "auc [kind=c]": "fewer than 100 rows",
        "auc [kind=d]": "fewer than 20 rows",
        "auc [kind=e]": "any window would stand out",
    }


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([], "no segment of kind can be judged"),
        (
            [SegmentFinding("a", 900, 20)],
            "no segment of kind can be judged; 1 with fewer than 100 rows is left out",
        ),
        (
            [segment("a", 1.0, 0.0, inside=(1.0, 1.0, 1.0))],
            "no segment of kind can be judged; any window of 1 would stand out, take a longer one",
        ),
    ],
)
def test_without_a_segment_to_judge_it_is_inconclusive(segments: list[SegmentFinding], reason: str) -> None:
    found = verdict(*segments)
    assert (found.status, found.value, found.threshold, found.n) == (Status.INCONCLUSIVE, None, None, 0)
    assert found.reason == reason


def test_the_rest_is_no_segment_where_the_reference_has_too_few_of_it() -> None:
    assert "left out" not in verdict(segment("a"), SegmentFinding("other", 99, 400)).reason
    assert "1 with fewer" in verdict(segment("a"), SegmentFinding("other", 100, 99)).reason


def test_not_more_than_three_segments_are_told_of() -> None:
    found = verdict(*(segment(name, 0.9, 1e-9) for name in "abcde"))
    assert found.reason.count("held-out rows") == 3
    assert found.reason.endswith("; and 2 more")
    assert len(breached(found)) == 5
