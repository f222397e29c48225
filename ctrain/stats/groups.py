"""Metrics of groups of rows, and how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrain.domain import Task
from ctrain.stats.metrics import evaluate


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

    Parameters
    ----------
    task, labels, scores
        as ``evaluate`` takes them.
    groups
        the group of each row.
    min_rows
        groups with fewer rows are left out: their metrics are mostly noise.

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
    by_group: dict[str, Mapping[str, float]] = {}
    too_few: dict[str, int] = {}
    for code, name in enumerate(names):
        inside = codes == code
        rows = int(inside.sum())
        if rows < min_rows:
            too_few[str(name)] = rows
        else:
            by_group[str(name)] = evaluate(task, truth[inside], predicted[inside])
    return GroupMetrics(by_group, too_few)


def metric_gap(found: GroupMetrics, metric: str) -> Gap | None:
    """Return the groups between which ``metric`` differs most; None with fewer than two to compare.

    The difference is ``MetricFrame.difference(method="between_groups")`` of fairlearn: the highest value
    minus the lowest, whichever of them is the better one.

    Examples
    --------
    >>> gap = metric_gap(GroupMetrics({"a": {"f1": 0.5}, "b": {"f1": 0.75}, "c": {}}, {}), "f1")
    >>> gap.difference, gap.lowest, gap.undefined
    (0.25, ('a', 0.5), ('c',))

    References
    ----------
    Bird, S. et al. (2020). Fairlearn: a toolkit for assessing and improving fairness in AI.
    """
    values = {name: metrics.get(metric, math.nan) for name, metrics in found.by_group.items()}
    defined: Mapping[str, float] = {name: value for name, value in values.items() if math.isfinite(value)}
    if len(defined) < 2:
        return None
    lowest, highest = min(defined, key=defined.__getitem__), max(defined, key=defined.__getitem__)
    undefined = tuple(name for name in values if name not in defined)
    return Gap((lowest, defined[lowest]), (highest, defined[highest]), undefined)
