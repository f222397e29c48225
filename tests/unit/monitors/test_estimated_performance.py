"""Estimated performance: calibrations that are collected, bounds with an error, segments, several classes."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from ctrain.domain import MonitorName, Status, Task, Verdict, Version
from ctrain.monitors.estimated_performance import CalibrationMemory, assess_estimated_performance
from ctrain.monitors.metric_segments import SegmentRows
from ctrain.policy.monitors import EstimatedPerformanceMonitor
from ctrain.stats.metrics import evaluate

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAME = MonitorName("unseen")
RNG = np.random.default_rng(7)
KINDS = ("a", "b", "c")


def estimated(**changed: Any) -> EstimatedPerformanceMonitor:
    given = {"type": "estimated_performance", "metric": "brier", "window": "1d", "min_rows": 300, **changed}
    return EstimatedPerformanceMonitor(**given)


def draw(rows: int, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    chances = 1 / (1 + np.exp(-2 * RNG.normal(centre, 1, rows)))
    return (RNG.random(rows) < chances).astype(float), chances


LABELS, SCORES = draw(2000)
MONITOR = estimated()
MEMORY = CalibrationMemory("brier").with_rows(MONITOR, Task.BINARY, LABELS, SCORES)
EXPECTED = float((SCORES * (1 - SCORES)).mean())


def judged(
    scores: Any, *, memory: CalibrationMemory = MEMORY, segments: Any = None, **bounds: Any
) -> Verdict:
    monitor = estimated(**bounds)
    return assess_estimated_performance(
        NAME, monitor, Task.BINARY, scores, memory, NOW, Version("3"), segments=segments
    )


@pytest.mark.parametrize(
    ("bounds", "status", "words"),
    [
        ({"above": EXPECTED + 0.03}, "OK", "within its bounds"),
        ({"above": EXPECTED - 0.05}, "BREACHED", ", above 0."),
        ({"above": EXPECTED - 0.003}, "INCONCLUSIVE", "by less than its error"),
        ({"below": EXPECTED + 0.05}, "BREACHED", ", below 0."),
        ({"below": EXPECTED + 0.003}, "INCONCLUSIVE", "by less than its error"),
        ({"below": EXPECTED - 0.05}, "OK", "within its bounds"),
        ({}, "INCONCLUSIVE", "neither above nor below is set"),
    ],
)
def test_a_bound_is_passed_by_more_than_the_error(bounds: dict[str, Any], status: str, words: str) -> None:
    verdict = judged(SCORES, **bounds)
    assert verdict.status == status
    assert words in verdict.reason
    assert (verdict.monitor, verdict.as_of, verdict.model_version, verdict.n) == (NAME, NOW, "3", 2000)
    if bounds:
        assert verdict.value == pytest.approx(EXPECTED, abs=0.01)
        assert "brier is estimated at 0.1" in verdict.reason
        assert verdict.reason.endswith("on 2000 rows without regard to labels")


@pytest.mark.parametrize(
    ("scores", "bounds", "reason"),
    [
        ([], {"above": 0.2}, "0 of 300 scored rows, of 0 rows"),
        ([math.nan] * 400, {"above": 0.2}, "0 of 300 scored rows, of 400 rows"),
        ([0.5] * 299 + [math.nan], {"above": 0.2}, "299 of 300 scored rows, of 300 rows"),
    ],
)
def test_too_few_scores_say_nothing(scores: list[float], bounds: dict[str, Any], reason: str) -> None:
    verdict = judged(scores, **bounds)
    assert (verdict.status, verdict.reason, verdict.value) == (Status.INCONCLUSIVE, reason, None)


def test_a_metric_that_cannot_be_expected_is_not_judged() -> None:
    monitor = estimated(metric="f1", below=0.5, min_rows=1)
    empty = CalibrationMemory("f1").with_rows(monitor, Task.BINARY, np.zeros(500), np.full(500, 1e-6))
    for function in [] if empty.calibration is None else empty.calibration.functions:
        assert function.calibrate([1e-6]) < 1e-3
    verdict = judged([], memory=empty, metric="f1", below=0.5)
    assert verdict.status is Status.INCONCLUSIVE


def test_one_row_is_judged_with_its_whole_error() -> None:
    verdict = judged([0.5], above=0.2, min_rows=1)
    assert verdict.n == 1
    assert verdict.value == pytest.approx(0.25, abs=0.01)
    verdict = judged([0.4], above=0.2, min_rows=1)
    assert verdict.status is Status.INCONCLUSIVE


def test_rows_are_collected_until_they_are_enough_and_then_stay() -> None:
    memory = CalibrationMemory("brier")
    for first in range(0, 250, 50):
        part = slice(first, first + 50)
        memory = memory.with_rows(MONITOR, Task.BINARY, LABELS[part], SCORES[part])
        memory = CalibrationMemory.of(MONITOR, json.loads(json.dumps(memory.to_json())))
    verdict = judged(SCORES, memory=memory, above=0.2)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason == "collecting a calibration: 250 of 300 matured, labelled rows"
    lost = np.array([math.nan, 0.5]), np.array([0.5, math.nan])
    memory = memory.with_rows(MONITOR, Task.BINARY, *lost)
    assert memory.rows == 250
    memory = memory.with_rows(MONITOR, Task.BINARY, LABELS[250:400], SCORES[250:400])
    assert memory.rows == 400
    whole = CalibrationMemory("brier").with_rows(MONITOR, Task.BINARY, LABELS[:400], SCORES[:400])
    assert memory.to_json() == whole.to_json()
    assert memory.to_json()["labels"] == []
    assert memory.with_rows(MONITOR, Task.BINARY, LABELS, SCORES) is memory


def test_of_another_metric_the_calibration_stays_and_what_it_missed_does_not() -> None:
    kept = CalibrationMemory("brier", MEMORY.calibration, missed=0.1).to_json()
    assert CalibrationMemory.of(estimated(), kept).missed == 0.1
    assert CalibrationMemory.of(estimated(metric="accuracy"), kept).missed == 0.0
    with pytest.raises(ValueError, match="unknown version of a calibration's memory: 2"):
        CalibrationMemory.of(estimated(), {**kept, "version": 2})


def of_kinds(rows: int) -> tuple[np.ndarray, np.ndarray]:
    scores = RNG.dirichlet([1, 1, 1], rows)
    labels = (RNG.random(rows)[:, np.newaxis] > scores.cumsum(axis=1)).sum(axis=1)
    return labels.clip(0, 2).astype(float), scores


@pytest.mark.parametrize("metric", ["brier", "accuracy", "f1", "roc_auc"])
def test_several_classes(metric: str) -> None:
    labels, scores = of_kinds(1500)
    monitor = estimated(metric=metric, below=0.0)
    memory = CalibrationMemory(metric).with_rows(monitor, Task.MULTICLASS, labels, scores, KINDS)
    later, unseen = of_kinds(1500)
    verdict = assess_estimated_performance(
        NAME, monitor, Task.MULTICLASS, unseen, memory, NOW, Version("3"), KINDS
    )
    assert verdict.status is Status.OK
    assert verdict.value == pytest.approx(evaluate(Task.MULTICLASS, later, unseen)[metric], abs=0.05)


def test_rows_of_classes_may_come_in_another_order_and_with_new_ones() -> None:
    labels, scores = of_kinds(400)
    monitor = estimated()
    straight = CalibrationMemory("brier").with_rows(monitor, Task.MULTICLASS, labels, scores, KINDS)
    parts = CalibrationMemory("brier").with_rows(monitor, Task.MULTICLASS, labels[:200], scores[:200], KINDS)
    turned = 2 - labels[200:]
    parts = parts.with_rows(monitor, Task.MULTICLASS, turned, scores[200:, ::-1], KINDS[::-1])
    assert parts.to_json() == straight.to_json()
    known = CalibrationMemory("brier").with_rows(
        monitor, Task.MULTICLASS, np.array([0.0, -1.0]), np.array([[1.0], [1.0]]), ("a",)
    )
    wider = known.with_rows(monitor, Task.MULTICLASS, np.array([0.0]), np.array([[0.5, 0.5]]), ("b", "a"))
    assert wider.classes == ("a", "b")
    assert wider.labels is not None
    assert wider.scores is not None
    assert wider.labels.tolist() == [0.0, -1.0, 1.0]
    assert wider.scores.tolist() == [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]]


def test_a_segment_whose_rows_are_harder_is_named() -> None:
    easy, hard = draw(3000, 2.5)[1], draw(1000)[1]
    scores = np.concatenate([easy, hard])
    masks = {"north": slice(0, 3000), "south": slice(3000, 4000)}
    segments = []
    for name, part in masks.items():
        mask = np.zeros(4000, dtype=bool)
        mask[part] = True
        segments.append(SegmentRows(name, mask, int(mask.sum())))
    verdict = judged(scores, segments=segments, above=0.09, by="region")
    assert verdict.status is Status.BREACHED
    assert verdict.reason.startswith("region=south: brier 0.1")
    assert "is above 0.09 on 1000 rows (p " in verdict.reason
    assert [(one.column, one.breached, one.n) for one in verdict.features] == [
        ("brier [region=north]", False, 3000),
        ("brier [region=south]", True, 1000),
    ]
