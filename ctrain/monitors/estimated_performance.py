"""Estimated performance: a metric of rows whose labels nobody knows yet, from calibrated scores.

The calibration comes from labelled rows that the champion was not trained on: those held out at its
training, and the first that matured since. It is made once for a champion and then stays: a relation
of scores to labels that changes is for the monitors that see labels. Until there are ``min_rows`` such
rows they are collected, and the verdict is INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, MonitorName, Status, Task, Verdict, Version
from ctrain.monitors.metric_segments import SegmentMetric, SegmentRows, beyond, nearest_bound, with_segments
from ctrain.policy.monitors import EstimatedPerformanceMonitor
from ctrain.stats.calibration import Calibration, fit_calibration
from ctrain.stats.cbpe import Estimate, estimate, missed
from ctrain.stats.losses import UNKNOWN_CLASS, Floats, row_losses

MEMORY_VERSION = 1


@dataclass(frozen=True, slots=True)
class CalibrationMemory:
    """The calibration of a champion with what it misses, or the rows that it will be made from."""

    metric: str
    calibration: Calibration | None = None
    missed: float = 0.0
    labels: Floats | None = None
    scores: Floats | None = None
    classes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that were collected or are behind the calibration."""
        if self.calibration is not None:
            return self.calibration.n
        return 0 if self.labels is None else len(self.labels)

    def with_rows(
        self,
        monitor: EstimatedPerformanceMonitor,
        task: Task,
        labels: Floats,
        scores: Floats,
        classes: tuple[str, ...] = (),
    ) -> CalibrationMemory:
        """Return what is known with these rows, too; with a calibration they are not needed.

        Rows that cannot be judged are left out. ``classes`` names the columns of ``scores``.
        """
        if self.calibration is not None:
            return self
        usable = np.isfinite(row_losses(task, "zero_one", labels, scores))
        labels, scores = labels[usable], scores[usable]
        if task is Task.MULTICLASS:
            names = tuple(dict.fromkeys((*self.classes, *classes)))
            labels, scores = _in_order(labels, scores, classes, names)
            older = _in_order(*self._collected(len(self.classes)), self.classes, names)
        else:
            names, older = (), self._collected(0)
        truth, given = np.concatenate([older[0], labels]), np.concatenate([older[1], scores])
        if len(truth) < max(monitor.min_rows, 1):
            return CalibrationMemory(self.metric, None, 0.0, truth, given, names)
        fitted = fit_calibration(truth, given, names)
        several = task is Task.MULTICLASS
        error = missed(task, self.metric, truth, given, fitted, names) if several else 0.0
        return CalibrationMemory(self.metric, fitted, error, classes=names)

    def _collected(self, width: int) -> tuple[Floats, Floats]:
        if self.labels is None or self.scores is None:
            return np.empty(0), np.empty((0, width)) if width or self.classes else np.empty(0)
        return self.labels, self.scores

    def to_json(self) -> dict[str, Any]:
        return {
            "version": MEMORY_VERSION,
            "metric": self.metric,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "missed": self.missed,
            "labels": [] if self.labels is None else self.labels.tolist(),
            "scores": [] if self.scores is None else self.scores.tolist(),
            "classes": list(self.classes),
        }

    @classmethod
    def of(cls, monitor: EstimatedPerformanceMonitor, stored: Json | None) -> CalibrationMemory:
        """What was stored; of another metric nothing but the rows can be used, and nothing is missed."""
        if stored is None:
            return cls(monitor.metric)
        if stored.get("version") != MEMORY_VERSION:
            raise ValueError(f"unknown version of a calibration's memory: {stored.get('version')}")
        calibration = stored["calibration"]
        same = stored["metric"] == monitor.metric
        labels = np.asarray(stored["labels"], dtype=np.float64)
        return cls(
            monitor.metric,
            None if calibration is None else Calibration.from_json(calibration),
            float(stored["missed"]) if same else 0.0,
            labels if len(labels) else None,
            np.asarray(stored["scores"], dtype=np.float64) if len(labels) else None,
            tuple(stored["classes"]),
        )


def _in_order(
    labels: Floats, scores: Floats, classes: Sequence[str], names: Sequence[str]
) -> tuple[Floats, Floats]:
    """Labels and scores of ``classes`` as those of ``names``, which has all of them and more."""
    columns = [names.index(name) for name in classes]
    codes = np.append(np.array(columns, dtype=np.float64), UNKNOWN_CLASS)
    matrix: Floats = np.zeros((len(labels), len(names)))
    if len(labels):
        matrix[:, columns] = scores
    return codes[labels.astype(np.intp)], matrix


def assess_estimated_performance(
    name: MonitorName,
    monitor: EstimatedPerformanceMonitor,
    task: Task,
    scores: npt.ArrayLike,
    memory: CalibrationMemory,
    as_of: datetime,
    model_version: Version | None,
    classes: tuple[str, ...] = (),
    segments: Sequence[SegmentRows] | None = None,
) -> Verdict:
    """Return BREACHED when the estimated metric lies beyond a bound by more than its error.

    The error is half the band that holds the metric which the labels will show in 95 of 100 cases, if
    labels still follow scores as they did. An estimate beyond a bound by less is INCONCLUSIVE: it may
    be chance, and it is not health either.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    task, scores, classes
        the rows of the window, labelled or not, as ``ctrain.stats.losses`` describes them, and what the
        columns of several classes mean.
    memory
        the calibration of the same version.
    as_of
        end of the closed pane.
    model_version
        the version that is judged.
    segments
        of the rows handed over, where the monitor looks ``by`` a column.

    Returns
    -------
    Verdict
        INCONCLUSIVE without a calibration, with fewer than ``min_rows`` scored rows, when the metric
        is not defined on them, or without a bound. The value is the estimate.

    Examples
    --------
    >>> from datetime import UTC
    >>> monitor = EstimatedPerformanceMonitor(
    ...     type="estimated_performance", metric="brier", window="1d", above=0.1, min_rows=100
    ... )
    >>> labels, scores = np.tile([0.0, 1.0, 0.0, 1.0], 100), np.tile([0.1, 0.9, 0.4, 0.4], 100)
    >>> memory = CalibrationMemory("brier").with_rows(monitor, Task.BINARY, labels, scores)
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> verdict = assess_estimated_performance(
    ...     MonitorName("est"), monitor, Task.BINARY, [0.4] * 200, memory, noon, Version("3")
    ... )
    >>> verdict.status.value, verdict.reason
    ('BREACHED', 'brier is estimated at 0.26 +- 0.02, above 0.1, on 200 rows without regard to labels')

    References
    ----------
    ``ctrain.stats.cbpe``.
    """
    given = np.asarray(scores, dtype=np.float64)
    if memory.calibration is None:
        reason = f"collecting a calibration: {memory.rows} of {monitor.min_rows} matured, labelled rows"
        return Verdict(name, as_of, Status.INCONCLUSIVE, None, None, 0, reason, model_version=model_version)
    found, lack = _estimated(monitor, task, given, memory, classes)
    bound = nearest_bound(monitor)
    verdict = Verdict(
        name,
        as_of,
        Status.INCONCLUSIVE,
        None if found is None else found.value,
        None if np.isnan(bound) else bound,
        _scored(given),
        lack,
        model_version=model_version,
    )
    if not lack and found is not None:
        verdict = _judged(monitor, verdict, found)
    if segments is None:
        return verdict
    parts = [_part(monitor, task, given[one.mask], memory, classes, one.name) for one in segments]
    return with_segments(verdict, monitor, parts)


def _scored(scores: Floats) -> int:
    return int(np.isfinite(scores if scores.ndim == 1 else scores.sum(axis=1)).sum())


def _estimated(
    monitor: EstimatedPerformanceMonitor,
    task: Task,
    scores: Floats,
    memory: CalibrationMemory,
    classes: tuple[str, ...],
) -> tuple[Estimate | None, str]:
    """The estimate, and why nothing can be said of it, or an empty text."""
    assert memory.calibration is not None
    rows = _scored(scores)
    if monitor.above is None and monitor.below is None:
        return None, "neither above nor below is set"
    if rows < monitor.min_rows:
        return None, f"{rows} of {monitor.min_rows} scored rows, of {len(scores)} rows"
    found = estimate(task, monitor.metric, scores, memory.calibration, classes)
    if found is None:
        return None, f"{monitor.metric} cannot be expected to be defined on these {rows} rows"
    highest = np.inf if monitor.metric == "log_loss" else 1.0
    return replace(found, value=float(np.clip(found.value + memory.missed, 0.0, highest))), ""


def _judged(monitor: EstimatedPerformanceMonitor, verdict: Verdict, found: Estimate) -> Verdict:
    seen = f"{monitor.metric} is estimated at {found.value:.4g} +- {found.error:.2g}"
    on = f"on {found.n} rows without regard to labels"
    bound = beyond(monitor, found.value)
    if bound is None:
        return replace(verdict, status=Status.OK, reason=f"{seen}, within its bounds, {on}")
    side = "above" if bound == monitor.above else "below"
    if abs(found.value - bound) > found.error:
        return replace(
            verdict, status=Status.BREACHED, threshold=bound, reason=f"{seen}, {side} {bound:g}, {on}"
        )
    return replace(verdict, threshold=bound, reason=f"{seen}, {side} {bound:g} by less than its error, {on}")


def _part(
    monitor: EstimatedPerformanceMonitor,
    task: Task,
    scores: Floats,
    memory: CalibrationMemory,
    classes: tuple[str, ...],
    segment: str,
) -> SegmentMetric:
    found, lack = _estimated(monitor, task, scores, memory, classes)
    if found is None:
        return SegmentMetric(segment, None, None, _scored(scores), lack)
    return SegmentMetric(segment, found.value, found.deviation, found.n)
