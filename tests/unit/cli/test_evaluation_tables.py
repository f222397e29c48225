"""What `ctrain show` prints of held-out rows and of serving."""

from __future__ import annotations

from ctrain.cli.evaluation_tables import metric_rows, serving_rows

PROBE = {"latency_p50_ms": 1.25, "latency_p99_ms": 2.5, "size_bytes": 1234567, "deterministic": True}


def test_metrics_stand_beside_the_champions_on_the_same_rows() -> None:
    evaluation = {
        "challenger": {"brier": 0.181, "brier:gap:kind": 0.02},
        "paired": {"brier": 0.18, "f1:gap:kind": 0.1},
        "champion": {"brier": 0.19, "f1:gap:kind": 0.3},
    }
    assert metric_rows(evaluation) == [
        ["brier", "0.181", "0.18", "0.19"],
        ["brier:gap:kind", "0.02", "", ""],
        ["f1:gap:kind", "", "0.1", "0.3"],
    ]
    first = {"challenger": {"brier": 0.181}, "champion": None, "paired": None}
    assert metric_rows(first) == [["brier", "0.181", "", ""]]
    assert metric_rows({}) == []


def test_of_serving_that_of_the_version_that_goes_on_is_shown() -> None:
    serving = {"challenger": PROBE, "champion": {**PROBE, "latency_p50_ms": 2.0}}
    assert serving_rows({"serving": serving}) == [
        ["p50 in ms", "1.25", "2"],
        ["p99 in ms", "2.5", "2.5"],
        ["size in bytes", "1,234,567", "1,234,567"],
    ]
    refitted = {"challenger": {**PROBE, "latency_p50_ms": 7.0}}
    assert serving_rows({"serving": serving, "refit_serving": refitted})[0] == ["p50 in ms", "7", ""]
    assert serving_rows({}) == []
