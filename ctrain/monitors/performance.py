"""Performance: a metric of the champion on rows whose labels have matured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ctrain.domain import MonitorName, Status, Task, Verdict, Version
from ctrain.monitors.metric_segments import SegmentMetric, SegmentRows, with_segments
from ctrain.policy.monitors import PerformanceMonitor
from ctrain.stats.losses import Floats, row_losses
from ctrain.stats.metrics import evaluate_one
from ctrain.stats.uncertainty import standard_error


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
    segments: Sequence[SegmentRows] | None = None,
) -> Verdict:
    """Return BREACHED when the metric lies strictly above ``above`` or strictly below ``below``.

    With segments, also when that of a segment does, and not by chance (``with_segments``).

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
    segments
        of the rows handed over, where the monitor looks ``by`` a column; each is judged as the whole
        is, with as many rows and as good a coverage.

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
    truth, given = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    usable, value = _usable(task, truth, given), evaluate_one(task, monitor.metric, truth, given)
    lack = _lack(monitor, usable, window_rows, coverage, min_coverage)
    status, bound, reason = _judged(monitor, value, usable, lack)
    verdict = Verdict(name, as_of, status, value, bound, usable, reason, model_version=model_version)
    if segments is None:
        return verdict
    parts = [_part(monitor, task, truth, given, one, min_coverage) for one in segments]
    return with_segments(verdict, monitor, parts)


def _judged(
    monitor: PerformanceMonitor, value: float | None, usable: int, lack: str
) -> tuple[Status, float | None, str]:
    """Status, the bound that is shown, and the reason; with a ``lack`` nothing can be said."""
    bound = monitor.above if monitor.above is not None else monitor.below
    if lack or value is None:
        undefined = f"{monitor.metric} is not defined on these {usable} rows"
        return Status.INCONCLUSIVE, bound, lack or undefined
    seen = f"{monitor.metric} {value:.4g}"
    if monitor.above is not None and value > monitor.above:
        return Status.BREACHED, monitor.above, f"{seen} is above {monitor.above:g} on {usable} rows"
    if monitor.below is not None and value < monitor.below:
        return Status.BREACHED, monitor.below, f"{seen} is below {monitor.below:g} on {usable} rows"
    return Status.OK, bound, f"{seen} is within its bounds on {usable} rows"


def _part(
    monitor: PerformanceMonitor,
    task: Task,
    labels: Floats,
    scores: Floats,
    segment: SegmentRows,
    min_coverage: float,
) -> SegmentMetric:
    truth, given = labels[segment.mask], scores[segment.mask]
    usable = _usable(task, truth, given)
    coverage = truth.size / segment.window_rows if segment.window_rows else 0.0
    lack = _lack(monitor, usable, segment.window_rows, coverage, min_coverage)
    value = None if lack else evaluate_one(task, monitor.metric, truth, given)
    if not lack and value is None:
        lack = f"{monitor.metric} is not defined on these {usable} rows"
    deviation = None if lack else standard_error(task, monitor.metric, truth, given)
    return SegmentMetric(segment.name, value, deviation, usable, lack)


def _usable(task: Task, labels: Floats, scores: Floats) -> int:
    any_loss = "absolute_error" if task is Task.REGRESSION else "zero_one"
    return int(np.isfinite(row_losses(task, any_loss, labels, scores)).sum())


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
