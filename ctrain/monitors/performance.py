"""Performance: a metric of the champion on rows whose labels have matured."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from ctrain.domain import MonitorName, Status, Task, Verdict, Version
from ctrain.policy.monitors import PerformanceMonitor
from ctrain.stats.losses import row_losses
from ctrain.stats.metrics import evaluate


def assess_performance(
    name: MonitorName,
    monitor: PerformanceMonitor,
    task: Task,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    as_of: datetime,
    window_rows: int,
    coverage: float,
    min_coverage: float,
    model_version: Version | None,
) -> Verdict:
    """Return BREACHED when the metric lies strictly above ``above`` or strictly below ``below``.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    task, labels, scores
        the matured rows of the window, as ``ctrain.stats.losses`` describes them.
    as_of
        end of the closed pane.
    window_rows
        all rows of the window, labelled or not.
    coverage, min_coverage
        share of them that has a label, and the least share to judge by; exactly that is enough.
    model_version
        the version that is judged.

    Returns
    -------
    Verdict
        INCONCLUSIVE with fewer than ``min_rows`` rows that have label and score, with too low a
        coverage, when the metric is not defined on these rows, or without a bound.

    Examples
    --------
    >>> from datetime import UTC
    >>> monitor = PerformanceMonitor(type="performance", metric="brier", window="1d", above=0.2, min_rows=2)
    >>> verdict = assess_performance(
    ...     MonitorName("brier"),
    ...     monitor,
    ...     Task.BINARY,
    ...     [1, 0],
    ...     [0.25, 0.5],
    ...     datetime(2026, 5, 1, tzinfo=UTC),
    ...     2,
    ...     1.0,
    ...     0.5,
    ...     Version("3"),
    ... )
    >>> verdict.status.value, verdict.reason
    ('BREACHED', 'brier 0.4062 is above 0.2 on 2 rows')

    References
    ----------
    The metrics are those of ``ctrain.stats.metrics.evaluate``.
    """
    usable = int(np.isfinite(row_losses(task, _any_loss(task), labels, scores)).sum())
    threshold = monitor.above if monitor.above is not None else monitor.below
    value = evaluate(task, labels, scores).get(monitor.metric)

    def verdict(status: Status, reason: str, bound: float | None = threshold) -> Verdict:
        return Verdict(name, as_of, status, value, bound, usable, reason, model_version=model_version)

    lack = _lack(monitor, usable, window_rows, coverage, min_coverage)
    if lack:
        return verdict(Status.INCONCLUSIVE, lack)
    if value is None:
        return verdict(Status.INCONCLUSIVE, f"{monitor.metric} is not defined on these {usable} rows")
    seen = f"{monitor.metric} {value:.4g}"
    if monitor.above is not None and value > monitor.above:
        return verdict(Status.BREACHED, f"{seen} is above {monitor.above:g} on {usable} rows", monitor.above)
    if monitor.below is not None and value < monitor.below:
        return verdict(Status.BREACHED, f"{seen} is below {monitor.below:g} on {usable} rows", monitor.below)
    return verdict(Status.OK, f"{seen} is within its bounds on {usable} rows")


def _any_loss(task: Task) -> str:
    return "absolute_error" if task is Task.REGRESSION else "zero_one"


def _lack(
    monitor: PerformanceMonitor, usable: int, window_rows: int, coverage: float, min_coverage: float
) -> str:
    """Why nothing can be said, or an empty text."""
    if monitor.above is None and monitor.below is None:
        return "neither above nor below is set"
    if usable < monitor.min_rows:
        return f"{usable} of {monitor.min_rows} matured rows with label and score, of {window_rows} rows"
    if coverage < min_coverage:
        return f"labels cover {coverage:.2%} of {window_rows} rows, {min_coverage:.2%} are needed"
    return ""
