"""Metrics of groups against the values that fairlearn's user guide publishes for its example."""

from __future__ import annotations

import numpy as np
import pytest

from ctrain.domain import Task
from ctrain.stats.groups import GroupMetrics, group_metrics, group_rates, metric_gap

TRUTH = [0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
PREDICTED = [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0]
GROUPS = ["b", "b", "a", "b", "b", "c", "c", "c", "a", "a", "c", "a", "b", "c", "c", "b", "c", "c"]
"""The example of "Performing a Fairness Assessment"; it lists tpr, fpr, selection rate and count by group."""
PUBLISHED = {
    "true_positive_rate": ({"a": 0.5, "b": 0.6, "c": 0.4}, 0.20),
    "false_positive_rate": ({"a": 1.0, "b": 0.0, "c": 0.666667}, 1.00),
    "selection_rate": ({"a": 0.75, "b": 0.50, "c": 0.50}, 0.25),
}
COUNTS = {"a": 4, "b": 6, "c": 8}


@pytest.fixture(scope="module")
def by_group() -> GroupMetrics:
    return group_metrics(Task.BINARY, TRUTH, PREDICTED, GROUPS, min_rows=4)


@pytest.mark.parametrize("metric", PUBLISHED)
def test_rates_and_their_differences_are_fairlearns(by_group: GroupMetrics, metric: str) -> None:
    published, difference = PUBLISHED[metric]
    found = {name: metrics[metric] for name, metrics in by_group.by_group.items()}
    assert found == pytest.approx(published, abs=1e-6)
    gap = metric_gap(by_group, metric)
    assert gap is not None
    assert gap.difference == pytest.approx(difference)


def test_equalized_odds_is_the_larger_gap_of_the_rates_given_the_truth(by_group: GroupMetrics) -> None:
    """The larger of the published differences; turned round, the one of the true positive rates decides."""
    gap = metric_gap(by_group, "equalized_odds")
    assert gap is not None
    assert (gap.difference, gap.metric) == (1.0, "false_positive_rate")
    assert (gap.lowest, gap.highest) == (("b", 0.0), ("a", 1.0))
    turned = group_metrics(Task.BINARY, 1 - np.array(TRUTH), PREDICTED, GROUPS, 4)
    other = metric_gap(turned, "equalized_odds")
    assert other is not None
    assert (other.difference, other.metric) == (1.0, "true_positive_rate")


def test_a_rate_of_no_rows_is_not_defined() -> None:
    assert group_rates([1, 1, np.nan], [0.5, 0.51, 0.9]) == {"selection_rate": 0.5, "true_positive_rate": 0.5}
    assert group_rates([], []) == {}
    groups = ["x", "x", "y", "y", "z"]
    found = group_metrics(Task.BINARY, [0, 1, 0, 1, 1], [0.1, 0.9, 0.9, 0.9, 0.1], groups, 1)
    gap = metric_gap(found, "equalized_odds")
    assert gap is not None
    assert (gap.metric, gap.difference, gap.undefined) == ("true_positive_rate", 1.0, ("z",))
    only_ones = group_metrics(Task.BINARY, [0, 1, 1, 1], [0.1, 0.9, 0.9, 0.2], ["x", "x", "y", "y"], 1)
    assert metric_gap(only_ones, "equalized_odds") is None
    assert "selection_rate" not in group_metrics(Task.REGRESSION, [1.0], [1.0], ["x"], 1).by_group["x"]


def test_groups_are_split_as_fairlearn_splits_them(by_group: GroupMetrics) -> None:
    """With p positives of n rows: sel n = tpr p + fpr (n - p); accuracy n = tpr p + (1 - fpr)(n - p)."""
    found = by_group
    assert found.too_few == {}
    for name, metrics in found.by_group.items():
        rates = ("true_positive_rate", "false_positive_rate", "selection_rate")
        tpr, fpr, sel = (PUBLISHED[key][0][name] for key in rates)
        n = COUNTS[name]
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


def test_only_rows_that_can_be_judged_make_a_group() -> None:
    scores = [*PREDICTED[:-1], float("nan")]
    assert GROUPS[-1] == "c"
    rows = {name: sum(one == name for one in GROUPS) - (name == "c") for name in set(GROUPS)}
    found = group_metrics(Task.BINARY, TRUTH, scores, GROUPS, min_rows=max(rows.values()) + 1)
    assert found.too_few == rows


def test_groups_in_which_a_metric_is_not_defined_are_named() -> None:
    groups = np.array(["x"] * 4 + ["y"] * 4 + ["z"] * 2)
    truth = [0, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    scores = [0.1, 0.9, 0.2, 0.8, 0.9, 0.1, 0.2, 0.8, 0.5, 0.5]
    gap = metric_gap(group_metrics(Task.BINARY, truth, scores, groups, 1), "roc_auc")
    assert gap is not None
    assert (gap.lowest, gap.highest, gap.undefined) == (("y", 0.25), ("x", 1.0), ("z",))
