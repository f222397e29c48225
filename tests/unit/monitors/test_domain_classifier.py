"""The verdict on what a classifier told apart: all conditions must hold, and the reason names them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import MonitorName, Status, Verdict, Version
from ctrain.monitors.domain_classifier import ClassifierFinding, assess_domain_classifier
from ctrain.policy.monitors import DomainClassifierMonitor

AT = datetime(2024, 1, 2, tzinfo=UTC)


def verdict(**found: Any) -> Verdict:
    given: dict[str, Any] = {
        "auc": 0.7,
        "p_value": 1e-6,
        "reference_rows": 2000,
        "current_rows": 1000,
        "importance": {"a": 0.01, "b": 0.15, "c": -0.02, "d": 0.1},
        "inside": (0.5, 0.52, 0.51),
    }
    monitor = DomainClassifierMonitor(type="domain_classifier", window=timedelta(days=1))
    return assess_domain_classifier(
        MonitorName("joint"), monitor, ClassifierFinding(**{**given, **found}), AT, Version("3")
    )


@pytest.mark.parametrize(
    ("found", "status", "threshold"),
    [
        ({}, Status.BREACHED, 0.6),
        ({"auc": 0.6}, Status.BREACHED, 0.6),
        ({"auc": 0.599}, Status.OK, 0.6),
        ({"p_value": 0.01}, Status.OK, 0.6),
        ({"inside": (0.5, 0.7, 0.6)}, Status.OK, 0.75),
        ({"inside": (0.5, 0.7, 0.6), "auc": 0.76}, Status.BREACHED, 0.75),
        ({"inside": (0.5, 0.9)}, Status.BREACHED, 0.6),
        ({"inside": (0.9, 0.96, 0.9), "auc": 0.985}, Status.BREACHED, 0.98),
        ({"inside": (1.0, 1.0, 1.0), "auc": 1.0}, Status.INCONCLUSIVE, 1.0),
        ({"inside": (0.9, 0.985, 0.9), "auc": 0.99}, Status.INCONCLUSIVE, 0.9925),
    ],
)
def test_all_conditions_must_hold(found: dict[str, Any], status: Status, threshold: float) -> None:
    given = verdict(**found)
    assert given.status is status
    assert given.threshold == pytest.approx(threshold)
    assert (given.value, given.n, given.model_version) == (found.get("auc", 0.7), 1000, "3")


def test_the_features_that_gave_it_away_come_first_and_are_marked() -> None:
    given = verdict(left_out={"month": "left out: it is the month of the event time"})
    assert [one.column for one in given.features] == ["b", "d", "a", "c", "month"]
    assert [one.column for one in given.features if one.breached] == ["b", "d"]
    assert given.features[-1].note == "left out: it is the month of the event time"
    assert given.reason.endswith("by b (-0.150 without it), d (-0.100 without it)")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"inside": ()}, "how much windows of the reference differ is unknown, it is too short"),
        ({"inside": (0.7, 0.6, 0.65)}, "threshold 0.750, as windows of the reference reach 0.700"),
        ({"inside": (1.0, 0.9, 1.0)}, "any window would stand out: windows of the reference are told"),
        ({"p_value": 0.2, "auc": 0.62}, "by chance as likely as alpha 0.01 allows"),
    ],
)
def test_the_reason_says_what_held_it_back(found: dict[str, Any], said: str) -> None:
    assert said in verdict(**found).reason
