"""What answers of a metrics server mean: bounds, ``for``, silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import MonitorName, Sample, Status, Verdict
from ctrain.monitors.prometheus import assess_sample
from ctrain.policy.monitors import PrometheusMonitor

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAME = MonitorName("latency")


def monitor(**keys: Any) -> PrometheusMonitor:
    given = {"type": "prometheus", "url": "http://localhost:9090", "query": "latency", "above": 0.2, **keys}
    return PrometheusMonitor.model_validate(given)


def verdicts(one: PrometheusMonitor, *values: float | str | None) -> list[Verdict]:
    """Verdicts of samples a minute apart; a text is a problem. The state goes through JSON each time."""
    state, found = None, []
    for minute, value in enumerate(values):
        at = NOON + minute * MINUTE
        sample = Sample(at, problem=value) if isinstance(value, str) else Sample(at, value, at)
        written, verdict = assess_sample(NAME, one, sample, state)
        state = json.loads(json.dumps(written))
        found.append(verdict)
    return found


@pytest.mark.parametrize(
    ("keys", "value", "status", "threshold", "reason"),
    [
        ({}, 0.2, Status.OK, 0.2, "0.2 is at most 0.2"),
        ({}, 0.21, Status.BREACHED, 0.2, "0.21 is above 0.2, for 0s"),
        ({}, float("inf"), Status.BREACHED, 0.2, "inf is above 0.2, for 0s"),
        ({"above": None, "below": 5}, 5.0, Status.OK, 5.0, "5 is at least 5"),
        ({"above": None, "below": 5}, 4.0, Status.BREACHED, 5.0, "4 is below 5, for 0s"),
        ({"below": 0.1}, 0.15, Status.OK, 0.2, "0.15 is within 0.1 and 0.2"),
        ({"below": 0.1}, 0.05, Status.BREACHED, 0.1, "0.05 is below 0.1, for 0s"),
        ({}, float("nan"), Status.INCONCLUSIVE, 0.2, "the answer is not a number (NaN)"),
        ({}, "the query found no data", Status.INCONCLUSIVE, 0.2, "the query found no data"),
    ],
)
def test_a_value_and_its_bounds(
    keys: dict[str, Any], value: float | str, status: Status, threshold: float, reason: str
) -> None:
    (found,) = verdicts(monitor(**keys), value)
    assert (found.status, found.threshold, found.reason) == (status, threshold, reason)
    assert found.as_of == NOON
    assert found.n == (status is not Status.INCONCLUSIVE)
    assert found.value == (None if status is Status.INCONCLUSIVE else value)


@pytest.mark.parametrize(
    ("values", "statuses"),
    [
        ((0.3, 0.3, 0.3), "OK OK BREACHED"),
        ((0.3, 0.1, 0.3, 0.3, 0.3), "OK OK OK OK BREACHED"),
        ((0.3, "no answer", 0.3, 0.1), "OK INCONCLUSIVE BREACHED OK"),
        ((0.3, 0.3, 0.3, "no answer", 0.3), "OK OK BREACHED INCONCLUSIVE BREACHED"),
        ((0.3, *["no answer"] * 6, 0.3, 0.3, 0.3), "OK " + "INCONCLUSIVE " * 6 + "OK OK BREACHED"),
    ],
    ids=["long enough", "a break begins anew", "silence is no break", "nor an end", "but long silence is"],
)
def test_a_bound_must_be_passed_for_a_while(values: tuple[float | str, ...], statuses: str) -> None:
    found = verdicts(monitor(**{"for": "2m"}), *values)
    assert " ".join(one.status.name for one in found) == statuses


def test_how_long_it_has_lasted_is_told() -> None:
    found = verdicts(monitor(**{"for": "2m"}), 0.3, 0.4, 0.5)
    assert [one.reason for one in found] == [
        "0.3 is above 0.2, for 0s of 2m",
        "0.4 is above 0.2, for 1m of 2m",
        "0.5 is above 0.2, for 2m",
    ]


@pytest.mark.parametrize(("seconds", "status"), [(300, Status.BREACHED), (301, Status.INCONCLUSIVE)])
def test_an_old_sample_says_nothing(seconds: int, status: Status) -> None:
    sample = Sample(NOON, 0.3, NOON - timedelta(seconds=seconds))
    _, found = assess_sample(NAME, monitor(), sample, None)
    assert found.status is status
    if status is Status.INCONCLUSIVE:
        assert found.reason == "the newest sample is 5m1s old, 5m are allowed"


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown version of a prometheus monitor's state: 9"):
        assess_sample(NAME, monitor(), Sample(NOON, 0.1, NOON), {"version": 9})
