"""Metrics of groups of rows, and how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.losses import row_losses
from ctrain.stats.metrics import POSITIVE_ABOVE, evaluate

EQUALIZED_ODDS = "equalized_odds"
_ANY_LOSS = {Task.BINARY: "zero_one", Task.MULTICLASS: "zero_one", Task.REGRESSION: "absolute_error"}
RATES_GIVEN_THE_TRUTH = ("true_positive_rate", "false_positive_rate")


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """Every metric of each group that has enough rows, and how many rows the others have."""

    by_group: Mapping[str, Mapping[str, float]]
    too_few: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Gap:
    """The groups with the lowest and the highest value of a metric."""

    lowest: tuple[str, float]
    highest: tuple[str, float]
    undefined: tuple[str, ...]
    """Groups in which the metric is not defined, such as ROC AUC where one class occurred."""
    metric: str = ""
    """The metric of these values; of equalized odds the rate whose gap is the larger one."""

    @property
    def difference(self) -> float:
        return self.highest[1] - self.lowest[1]


def group_metrics(
    task: Task,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Sequence[str] | npt.NDArray[np.str_],
    min_rows: int,
) -> GroupMetrics:
    """Return every metric of the task in each group of rows with at least ``min_rows`` of them.

    Of a binary task also the rates of ``group_rates``.

    Parameters
    ----------
    task, labels, scores
        as ``evaluate`` takes them.
    groups
        the group of each row.
    min_rows
        groups with fewer rows that can be judged are left out: their metrics are mostly noise.

    Examples
    --------
    >>> found = group_metrics(Task.REGRESSION, [1.0, 2.0, 3.0], [1.0, 4.0, 3.0], ["a", "b", "b"], 2)
    >>> found.by_group["b"]["absolute_error"], dict(found.too_few)
    (1.0, {'a': 1})

    References
    ----------
    Disaggregated metrics as ``fairlearn.metrics.MetricFrame.by_group`` defines them: Bird, S. et al.
    (2020). Fairlearn: a toolkit for assessing and improving fairness in AI. Microsoft MSR-TR-2020-32.
    """
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    names, codes = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    judged = np.isfinite(row_losses(task, _ANY_LOSS[task], truth, predicted))
    by_group: dict[str, Mapping[str, float]] = {}
    too_few: dict[str, int] = {}
    for code, name in enumerate(names):
        inside = (codes == code) & judged
        rows = int(inside.sum())
        if rows < min_rows:
            too_few[str(name)] = rows
        else:
            metrics = evaluate(task, truth[inside], predicted[inside])
            rates = group_rates(truth[inside], predicted[inside]) if task is Task.BINARY else {}
            by_group[str(name)] = metrics | rates
    return GroupMetrics(by_group, too_few)


def group_rates(labels: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """Return how often class 1 is predicted: of all rows, of those of class 1, of those of class 0.

    Class 1 is predicted above one half. Rows that cannot be judged are left out, and a rate of no rows is
    absent.

    Examples
    --------
    >>> group_rates([1, 1, 0, 0], [0.9, 0.2, 0.7, 0.8])
    {'selection_rate': 0.75, 'true_positive_rate': 0.5, 'false_positive_rate': 1.0}

    References
    ----------
    Equal selection rates are demographic parity; equal rates given the truth are equalized odds, equal true
    positive rates alone equal opportunity: Hardt, M., Price, E. and Srebro, N. (2016). Equality of
    opportunity in supervised learning. Advances in Neural Information Processing Systems 29.
    """
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    judged = np.isfinite(row_losses(Task.BINARY, "zero_one", truth, predicted))
    positive, selected = truth[judged] == 1, predicted[judged] > POSITIVE_ABOVE
    rates = {
        "selection_rate": selected,
        "true_positive_rate": selected[positive],
        "false_positive_rate": selected[~positive],
    }
    return {name: float(rows.mean()) for name, rows in rates.items() if rows.size}


def metric_gap(found: GroupMetrics, metric: str) -> Gap | None:
    """Return the groups between which ``metric`` differs most; None with fewer than two to compare.

    The difference is ``MetricFrame.difference(method="between_groups")`` of fairlearn: the highest value
    minus the lowest, whichever of them is the better one. That of ``selection_rate`` is its
    ``demographic_parity_difference``; ``equalized_odds`` is the larger of the gaps of the true and of the
    false positive rate, as its ``equalized_odds_difference``, and None unless both can be had.

    Examples
    --------
    >>> gap = metric_gap(GroupMetrics({"a": {"f1": 0.5}, "b": {"f1": 0.75}, "c": {}}, {}), "f1")
    >>> gap.difference, gap.lowest, gap.undefined
    (0.25, ('a', 0.5), ('c',))

    References
    ----------
    Bird, S. et al. (2020). Fairlearn: a toolkit for assessing and improving fairness in AI.
    """
    if metric == EQUALIZED_ODDS:
        return _larger_gap([metric_gap(found, rate) for rate in RATES_GIVEN_THE_TRUTH])
    values = {name: metrics.get(metric, math.nan) for name, metrics in found.by_group.items()}
    defined: Mapping[str, float] = {name: value for name, value in values.items() if math.isfinite(value)}
    if len(defined) < 2:
        return None
    lowest, highest = min(defined, key=defined.__getitem__), max(defined, key=defined.__getitem__)
    undefined = tuple(name for name in values if name not in defined)
    return Gap((lowest, defined[lowest]), (highest, defined[highest]), undefined, metric)


def _larger_gap(gaps: Sequence[Gap | None]) -> Gap | None:
    both = [gap for gap in gaps if gap is not None]
    if len(both) < len(gaps):
        return None
    undefined = dict.fromkeys(name for gap in both for name in gap.undefined)
    return replace(max(both, key=lambda gap: gap.difference), undefined=tuple(undefined))
