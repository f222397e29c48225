"""The names under which MLflow shows what the gates saw."""

from __future__ import annotations

from ctrain.engine.advance.told_metrics import holdout_metrics, probe_metrics


def test_metrics_of_both_models_have_names_of_their_own() -> None:
    evaluation = {
        "challenger": {"brier": 0.18},
        "paired": {"brier": 0.17},
        "champion": {"brier": 0.2, "f1:gap:kind": 0.3},
        "gates": {"passed": True},
    }
    assert holdout_metrics(evaluation) == {
        "holdout.brier": 0.18,
        "holdout.paired.brier": 0.17,
        "holdout.champion.brier": 0.2,
        "holdout.champion.f1:gap:kind": 0.3,
    }
    assert holdout_metrics({"challenger": {"brier": 0.18}, "champion": None}) == {"holdout.brier": 0.18}
    assert holdout_metrics({}) == {}


def test_what_probes_measured_is_told_where_they_did() -> None:
    probe = {"latency_p50_ms": 1, "latency_p99_ms": 2.5, "size_bytes": 5000, "batch_rows": 100}
    ours = {"serving.latency_p50_ms": 1.0, "serving.latency_p99_ms": 2.5, "serving.size_bytes": 5000.0}
    assert probe_metrics({"challenger": probe}) == ours
    both = probe_metrics({"challenger": probe, "champion": {"latency_p50_ms": 9.0}})
    assert both == {**ours, "serving.champion.latency_p50_ms": 9.0}
    assert probe_metrics({}) == {}
