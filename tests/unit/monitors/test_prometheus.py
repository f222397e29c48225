"""What answers of a metrics server mean: bounds, ``for``, silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import MonitorName, Sample, Series, Status, Verdict
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


def by_queue(*answers: dict[str, float] | str, **keys: Any) -> list[Verdict]:
    """Verdicts of answers a minute apart, a number for each series; a text is a problem."""
    one = monitor(by="queue", **{"for": "2m", "max_age": "2m", **keys})
    state, found = None, []
    for minute, given in enumerate(answers):
        at = NOON + minute * MINUTE
        series = {} if isinstance(given, str) else {name: Series(value, at) for name, value in given.items()}
        sample = Sample(at, problem=given if isinstance(given, str) else "", series=series)
        written, verdict = assess_sample(NAME, one, sample, state)
        state = json.loads(json.dumps(written))
        found.append(verdict)
    return found


def breached(verdict: Verdict) -> list[str]:
    return [one.column for one in verdict.features if one.breached]


def test_each_series_must_be_past_the_bound_for_a_while_by_itself() -> None:
    found = by_queue({"a": 0.3, "b": 0.1}, {"a": 0.1, "b": 0.3}, {"a": 0.3, "b": 0.4}, {"a": 0.3, "b": 0.5})
    assert [one.status.name for one in found] == ["OK", "OK", "OK", "BREACHED"]
    assert breached(found[-1]) == ["queue=b"]
    assert (found[-1].value, found[-1].threshold, found[-1].n) == (0.5, 0.2, 2)
    assert found[-1].reason == "queue=b: 0.5 is above 0.2, for 2m; 1 of 2 series"
    assert found[1].reason == "queue=b: 0.3 is above 0.2, for 0s of 2m, the worst of 2 series"
    assert [(one.column, one.effect) for one in found[0].features] == [("queue=a", 0.3), ("queue=b", 0.1)]


def test_the_series_farthest_past_its_bound_comes_first() -> None:
    (found,) = by_queue({"a": 0.3, "b": -5.0, "c": 0.15}, below=0.1, **{"for": "0s"})
    assert (found.value, found.threshold) == (-5.0, 0.1)
    assert breached(found) == ["queue=b", "queue=a"]


def test_a_series_that_vanishes_is_told_of_until_it_is_forgotten() -> None:
    """Its six minutes begin with the first answer without it, not with an answer of no use."""
    found = by_queue({"a": 0.1, "b": 0.1}, "no answer", *[{"a": 0.1}] * 7)
    assert [one.status.name for one in found] == ["OK", *["INCONCLUSIVE"] * 7, "OK"]
    assert found[1].reason == "no answer"
    assert found[3].reason == (
        "queue=b: it has vanished 1m ago; it is forgotten after 6m; "
        "1 series are not past their bound for long enough"
    )
    assert (found[3].value, found[3].n) == (None, 1)


def test_a_series_that_comes_back_goes_on_where_it_was_unless_that_was_too_long_ago() -> None:
    one, none = {"a": 0.3}, {"b": 0.1}
    back = by_queue({**one, **none}, none, {**one, **none}, {**one, **none})
    assert [v.status.name for v in back] == ["OK", "INCONCLUSIVE", "BREACHED", "BREACHED"]
    late = by_queue({**one, **none}, none, none, {**one, **none})
    assert [v.status.name for v in late] == ["OK", "INCONCLUSIVE", "INCONCLUSIVE", "OK"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "the query found no data"),
        ("the server cannot be reached", "the server cannot be reached"),
        (
            {"a": 1.0, "b": 1.0, "c": 1.0},
            "the query gives 3 series by queue, max_segments allows 2: aggregate them, or raise max_segments",
        ),
        ({"a": float("nan")}, "queue=a: the answer is not a number (NaN); 0 series are not past their bound"),
    ],
)
def test_what_says_nothing_of_series_is_inconclusive(answer: dict[str, float] | str, reason: str) -> None:
    (found,) = by_queue(answer, max_segments=2, **{"for": "0s"})
    assert found.status is Status.INCONCLUSIVE
    assert found.reason.startswith(reason)
    assert (found.value, found.threshold, found.n) == (None, 0.2, 0)


def test_a_breach_is_told_beside_series_that_say_nothing() -> None:
    found = by_queue({"a": 0.3, "b": 0.1}, {"a": 0.3}, **{"for": "0s"})[-1]
    assert found.status is Status.BREACHED
    assert found.reason == "queue=a: 0.3 is above 0.2, for 1m; 1 of 1 series; 1 say nothing"
    assert {one.column: one.note for one in found.features}["queue=b"].startswith("it has vanished now")


def test_an_old_series_says_nothing() -> None:
    one = monitor(by="queue", max_age="2m")
    series = {"a": Series(0.3, NOON - 3 * MINUTE), "b": Series(0.1, NOON)}
    _, found = assess_sample(NAME, one, Sample(NOON, series=series), None)
    assert found.status is Status.INCONCLUSIVE
    assert found.reason.startswith("queue=a: the newest sample is 3m old, 2m are allowed")


def test_names_that_change_all_the_time_are_not_all_remembered() -> None:
    one = monitor(by="pod", max_segments=2)
    state: dict[str, Any] | None = None
    for number in range(6):
        at = NOON + number * MINUTE
        state, found = assess_sample(NAME, one, Sample(at, series={f"p{number}": Series(0.1, at)}), state)
        assert state is not None
        assert sorted(state["series"]) == [f"p{n}" for n in range(max(0, number - 2), number + 1)]
        assert found.status is (Status.INCONCLUSIVE if number else Status.OK)


def test_another_label_begins_anew() -> None:
    state, _ = assess_sample(NAME, monitor(by="queue"), Sample(NOON, series={"a": Series(0.1)}), None)
    later = NOON + MINUTE
    sample = Sample(later, series={"b": Series(0.1)})
    assert assess_sample(NAME, monitor(by="region"), sample, state)[1].status is Status.OK
    assert assess_sample(NAME, monitor(), Sample(later, 0.1, later), state)[1].status is Status.OK
    single, _ = assess_sample(NAME, monitor(), Sample(NOON, 0.1, NOON), None)
    assert assess_sample(NAME, monitor(by="queue"), sample, single)[1].status is Status.OK
