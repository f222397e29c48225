"""Metrics of groups against the values that fairlearn's user guide publishes for its example."""

from __future__ import annotations

import numpy as np
import pytest

from ctrain.domain import Task
from ctrain.stats.groups import GroupMetrics, group_metrics, metric_gap

TRUTH = [0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
PREDICTED = [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0]
GROUPS = ["b", "b", "a", "b", "b", "c", "c", "c", "a", "a", "c", "a", "b", "c", "c", "b", "c", "c"]
"""The example of "Performing a Fairness Assessment"; it lists tpr, fpr, selection rate and count by group."""
PUBLISHED = {
    "tpr": ({"a": 0.5, "b": 0.6, "c": 0.4}, 0.20),
    "fpr": ({"a": 1.0, "b": 0.0, "c": 0.666667}, 1.00),
    "sel": ({"a": 0.75, "b": 0.50, "c": 0.50}, 0.25),
    "count": ({"a": 4.0, "b": 6.0, "c": 8.0}, 4.00),
}


@pytest.mark.parametrize("metric", PUBLISHED)
def test_the_difference_is_fairlearns(metric: str) -> None:
    by_group, difference = PUBLISHED[metric]
    gap = metric_gap(GroupMetrics({name: {metric: value} for name, value in by_group.items()}, {}), metric)
    assert gap is not None
    assert gap.difference == pytest.approx(difference)


def test_groups_are_split_as_fairlearn_splits_them() -> None:
    """With p positives of n rows: sel n = tpr p + fpr (n - p); accuracy n = tpr p + (1 - fpr)(n - p)."""
    found = group_metrics(Task.BINARY, TRUTH, PREDICTED, GROUPS, min_rows=4)
    assert found.too_few == {}
    for name, metrics in found.by_group.items():
        tpr, fpr, sel, n = (PUBLISHED[key][0][name] for key in ("tpr", "fpr", "sel", "count"))
        positives = (sel - fpr) * n / (tpr - fpr)
        accuracy = (tpr * positives + (1 - fpr) * (n - positives)) / n
        f1 = 2 * tpr * positives / (positives + sel * n)
        assert (metrics["accuracy"], metrics["f1"]) == pytest.approx((accuracy, f1), abs=1e-5)
    gap = metric_gap(found, "accuracy")
    assert gap is not None
    assert (gap.lowest, gap.highest[0]) == (("a", 0.25), "b")
    assert gap.difference == pytest.approx(4 / 6 - 1 / 4)


def test_small_groups_are_left_out_and_counted() -> None:
    found = group_metrics(Task.BINARY, TRUTH, PREDICTED, GROUPS, min_rows=5)
    assert (set(found.by_group), found.too_few) == ({"b", "c"}, {"a": 4})
    assert metric_gap(group_metrics(Task.BINARY, TRUTH, PREDICTED, GROUPS, min_rows=7), "accuracy") is None
    nobody = group_metrics(Task.BINARY, TRUTH, PREDICTED, GROUPS, min_rows=9)
    assert (nobody.by_group, metric_gap(nobody, "accuracy")) == ({}, None)


def test_groups_in_which_a_metric_is_not_defined_are_named() -> None:
    groups = np.array(["x"] * 4 + ["y"] * 4 + ["z"] * 2)
    truth = [0, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    scores = [0.1, 0.9, 0.2, 0.8, 0.9, 0.1, 0.2, 0.8, 0.5, 0.5]
    gap = metric_gap(group_metrics(Task.BINARY, truth, scores, groups, 1), "roc_auc")
    assert gap is not None
    assert (gap.lowest, gap.highest, gap.undefined) == (("y", 0.25), ("x", 1.0), ("z",))
