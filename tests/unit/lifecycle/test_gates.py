import math

import pytest

from ctrain.lifecycle.gates import judge_gates
from ctrain.policy.models import AbsoluteGate, ChampionGate, Gate, GroupGate, ServingGate

NAN = math.nan
SERVED = {"latency_p99_ms": 50.0, "size_bytes": 1000.0, "deterministic": 1.0}

ABSOLUTE = [
    # gate, metrics, passed
    (AbsoluteGate(metric="roc_auc", min=0.6), {"roc_auc": 0.6}, True),
    (AbsoluteGate(metric="roc_auc", min=0.6), {"roc_auc": 0.5999}, False),
    (AbsoluteGate(metric="brier", max=0.2), {"brier": 0.2}, True),
    (AbsoluteGate(metric="brier", max=0.2), {"brier": 0.2001}, False),
    (AbsoluteGate(metric="brier", max=0.2), {}, False),
    (AbsoluteGate(metric="brier", max=0.2), {"brier": NAN}, False),
    (AbsoluteGate(metric="brier", min=0.2), {"brier": math.inf}, False),
    (AbsoluteGate(metric="brier", min=0.1, max=0.2), {"brier": 0.15}, True),
    (AbsoluteGate(metric="brier", min=0.1, max=0.2), {"brier": 0.05}, False),
    (AbsoluteGate(metric="brier", min=0.1, max=0.2), {"brier": 0.25}, False),
    (AbsoluteGate.model_construct(metric="brier", min=None, max=None), {"brier": 0.1}, False),
    (ServingGate(latency_p99_ms=50, max_size=1000), SERVED, True),
    (ServingGate(latency_p99_ms=49), SERVED, False),
    (ServingGate(max_size=999), SERVED, False),
    (ServingGate(max_size=1000), SERVED | {"deterministic": 0.0}, False),
    (ServingGate(max_size=1000), {"size_bytes": 1000}, False),
    (ServingGate(max_size=1000), SERVED | {"same_signature": 1.0}, True),
    (ServingGate(max_size=1000), SERVED | {"same_signature": 0.0}, False),
    (ServingGate(max_size=1000, signature="any"), SERVED | {"same_signature": 0.0}, True),
    (ServingGate(max_size=1000), {}, False),
    (ServingGate(latency_p50_ms=5), SERVED | {"latency_p50_ms": 5.0}, True),
    (ServingGate(latency_p50_ms=5), SERVED | {"latency_p50_ms": 5.1}, False),
    (ServingGate(latency_p50_ms=5), SERVED, False),
    (ServingGate(signature="same"), SERVED | {"same_signature": 1.0}, True),
    (ServingGate(signature="same"), SERVED | {"same_signature": 0.0}, False),
    (ServingGate(signature="same"), {"deterministic": 0.0, "same_signature": 1.0}, False),
    (ServingGate(signature="any"), SERVED | {"same_signature": 0.0}, True),
    (ServingGate(), {}, False),
    (GroupGate(metric="selection_rate", by="origin", max_gap=0.1), {"selection_rate:gap:origin": 0.1}, True),
    (GroupGate(metric="equalized_odds", by="origin", max_gap=0.1), {}, False),
    (GroupGate(metric="brier", by="origin", max_gap=0.05), {"brier:gap:origin": 0.05}, True),
    (GroupGate(metric="brier", by="origin", max_gap=0.05), {"brier": 0.01}, False),
    (GroupGate(metric="accuracy", by="origin", max_gap=0.05), {"accuracy:gap:origin": 0.9 - 0.85}, True),
    (GroupGate(metric="accuracy", by="origin", max_gap=0.05), {"accuracy:gap:origin": 0.05001}, False),
    (ServingGate(max_size=10**12), SERVED | {"size_bytes": 10.0**12 + 10**6}, False),
]


@pytest.mark.parametrize(("gate", "metrics", "passed"), ABSOLUTE)
@pytest.mark.parametrize("champion", [None, {"brier": 0.1}])
def test_absolute_gates(
    gate: Gate, metrics: dict[str, float], passed: bool, champion: dict[str, float] | None
) -> None:
    report = judge_gates((gate,), metrics, champion, n=100)
    assert report.passed is passed
    assert all(result.reason for result in report.results)


AGAINST_CHAMPION = [
    # metric, tolerance, challenger, champion, passed
    ("brier", 0.0, 0.2, 0.2, True),
    ("brier", 0.0, 0.2001, 0.2, False),
    ("brier", 0.25, 0.5, 0.25, True),
    ("accuracy", 0.1, 0.3, 0.4, True),  # 0.4 - 0.1 is more than 0.3 in floating point
    ("roc_auc", 0.0, 0.7, 0.7, True),
    ("roc_auc", 0.0, 0.6999, 0.7, False),
    ("roc_auc", 0.25, 0.5, 0.75, True),
    ("roc_auc", 0.0, 0.9, 0.7, True),
    ("r2", 0.0, -0.1, 0.0, False),
    ("brier", 0.0, NAN, 0.2, False),
    ("brier", 0.0, 0.2, NAN, False),
]


@pytest.mark.parametrize(("metric", "tolerance", "challenger", "champion", "passed"), AGAINST_CHAMPION)
def test_gates_against_the_champion(
    metric: str, tolerance: float, challenger: float, champion: float, passed: bool
) -> None:
    gate = ChampionGate(metric=metric, not_worse_than_champion_by=tolerance)
    report = judge_gates((gate,), {metric: challenger}, {metric: champion}, n=10)
    assert report.passed is passed


def test_without_a_champion_absolute_gates_alone_are_judged() -> None:
    gates = (
        AbsoluteGate(metric="roc_auc", min=0.6),
        ChampionGate(metric="brier", not_worse_than_champion_by=0),
    )
    report = judge_gates(gates, {"roc_auc": 0.7, "brier": 0.2}, None, n=10)
    assert report.passed
    assert [result.gate for result in report.results] == ["roc_auc >= 0.6"]
    assert report.note == (
        "there is no champion to compare with: 1 absolute bounds judged,"
        " 1 gates against the champion left out"
    )


def test_a_first_champion_whose_gates_are_all_against_a_champion_says_so() -> None:
    report = judge_gates((ChampionGate(metric="brier", not_worse_than_champion_by=0),), {}, None, n=9)
    assert report.passed
    assert report.reasons == (
        "no gate judges it (there is no champion to compare with: no absolute gate is declared, 1 gates"
        " against the champion left out)",
    )
    assert judge_gates((), {}, {"brier": 0.1}, n=9).reasons == ("no gates are declared",)


def test_a_first_champion_without_gates_passes_and_says_so() -> None:
    report = judge_gates((), {}, None, n=0, note="holdout of 0 rows")
    assert report.passed
    expected = "holdout of 0 rows; there is no champion to compare with: no absolute gate is declared"
    assert report.note == expected


def test_a_champion_without_metrics_is_not_the_same_as_no_champion() -> None:
    gate = ChampionGate(metric="brier", not_worse_than_champion_by=1)
    report = judge_gates((gate,), {"brier": 0.1}, {}, n=3, note="only 3 rows are later than its training")
    assert not report.passed
    assert report.note == "only 3 rows are later than its training"
    assert report.reasons[0].endswith("by 1: failed, only 3 rows are later than its training")
    unknown = judge_gates((gate,), {"brier": 0.1}, {}, n=3)
    assert unknown.reasons[0].endswith("by 1: failed, the champion has no brier on these rows")


def test_the_champion_is_met_on_its_own_rows() -> None:
    gates = (
        AbsoluteGate(metric="brier", max=0.2),
        ChampionGate(metric="brier", not_worse_than_champion_by=0),
    )
    report = judge_gates(gates, {"brier": 0.1}, {"brier": 0.2}, n=50, challenger_paired={"brier": 0.3})
    assert [(result.value, result.passed) for result in report.results] == [(0.1, True), (0.3, False)]


def test_report_as_json() -> None:
    report = judge_gates((AbsoluteGate(metric="brier", max=0.25),), {"brier": 0.125}, {"brier": 0.3}, n=7)
    assert report.to_json() == {
        "passed": True,
        "n": 7,
        "note": "",
        "results": [
            {
                "gate": "brier <= 0.25",
                "value": 0.125,
                "threshold": 0.25,
                "passed": True,
                "reason": "brier <= 0.25: passed with 0.125",
            }
        ],
    }
