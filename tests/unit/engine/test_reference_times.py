"""Windows, and what they are compared with, never share a row; local hours stay local hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.engine.reference_times import (
    furthest_start,
    longest_window,
    needed_from,
    reach,
    same_hours,
    shifted,
    sliding_stretch,
)
from ctrain.policy.files import parse_policy
from ctrain.policy.models import LastWindow, Policy, SameHours
from tests.support.world import POLICY

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
BASE = parse_policy(POLICY, Path("clicks.yaml"), {}).policy


def policy_of(reference: object, *, zone: str | None = None, pane: timedelta = HOUR) -> Policy:
    time = BASE.data.event_time.model_copy(update={"timezone": zone})
    data = BASE.data.model_copy(update={"event_time": time, "pane": pane})
    return BASE.model_copy(update={"reference": reference, "data": data})


def last(days: int, lag: timedelta | None = None) -> LastWindow:
    return LastWindow(last=days * DAY, lag=lag)


def weeks(number: int) -> SameHours:
    return SameHours(same_hours_last=7 * number * DAY)


def instants() -> st.SearchStrategy[datetime]:
    hours = st.integers(0, 3 * 365 * 24)
    return hours.map(lambda hour: datetime(2022, 1, 1, tzinfo=UTC) + hour * HOUR)


def references() -> st.SearchStrategy[Policy]:
    lags = st.one_of(st.none(), st.integers(0, 72).map(lambda hour: hour * HOUR))
    sliding = st.builds(last, st.integers(2, 60), lags)
    zones = st.sampled_from([None, "Europe/Berlin", "America/New_York", "Asia/Tokyo"])
    return st.builds(
        lambda reference, zone: policy_of(reference, zone=zone),
        st.one_of(sliding, st.builds(weeks, st.integers(3, 8))),
        zones,
    )


@given(references(), instants(), st.integers(1, 120))
def test_no_row_is_on_both_sides(policy: Policy, as_of: datetime, hours: int) -> None:
    window = min(hours * HOUR, longest_window(policy))
    start = furthest_start(policy, as_of, window, LONG_AGO)
    assert start < as_of
    if isinstance(policy.reference, LastWindow):
        others = [sliding_stretch(policy, as_of)]
        assert start <= as_of - window
    else:
        others = same_hours(policy, start, as_of)
    assert all(end <= start for _, end in others)


@given(references(), instants(), st.integers(0, 48))
def test_all_that_is_needed_is_within_reach(policy: Policy, first: datetime, later: int) -> None:
    as_of = first + later * HOUR
    start = furthest_start(policy, as_of, longest_window(policy), LONG_AGO)
    needed = [start]
    if isinstance(policy.reference, LastWindow):
        needed.append(sliding_stretch(policy, as_of)[0])
    else:
        needed += [one for one, _ in same_hours(policy, start, as_of)]
    assert min(needed) >= needed_from(policy, first, LONG_AGO)
    assert needed_from(policy, as_of, LONG_AGO) >= as_of - reach(policy)


def test_a_sliding_reference_moves_once_a_day() -> None:
    policy = policy_of(last(30, DAY))
    noon = datetime(2024, 3, 10, 12, tzinfo=UTC)
    day = {sliding_stretch(policy, noon + hour * HOUR) for hour in range(-12, 12)}
    assert day == {(datetime(2024, 2, 8, tzinfo=UTC), datetime(2024, 3, 9, tzinfo=UTC))}
    assert sliding_stretch(policy, noon + DAY)[1] == datetime(2024, 3, 10, tzinfo=UTC)


def test_a_lag_shorter_than_the_window_is_the_window() -> None:
    as_of = datetime(2024, 3, 10, 3, tzinfo=UTC)
    assert sliding_stretch(policy_of(last(30)), as_of)[1] == datetime(2024, 3, 9, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "expected"),
    [
        (None, "2024-04-01T07:00", "2024-03-25T07:00"),
        ("Europe/Berlin", "2024-03-25T07:00", "2024-03-18T07:00"),
        ("Europe/Berlin", "2024-04-01T07:00", "2024-03-25T08:00"),  # 9:00 CEST, 9:00 CET
        ("Europe/Berlin", "2024-10-28T08:00", "2024-10-21T07:00"),  # 9:00 CET, 9:00 CEST
        ("Europe/Berlin", "2024-11-03T01:00", "2024-10-27T00:00"),  # 2:00 occurs twice on the 27th: the first
        ("Europe/Berlin", "2024-04-07T00:00", "2024-03-31T01:00"),  # 2:00 does not occur on the 31st
        ("Asia/Kolkata", "2024-04-01T03:00", "2024-03-25T03:00"),
    ],
)
def test_the_same_local_hour(zone: str | None, instant: str, expected: str) -> None:
    at, earlier = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (instant, expected))
    assert shifted(policy_of(weeks(4), zone=zone), at, 1) == earlier


def test_days_as_panes_do_not_slip_when_clocks_change() -> None:
    policy = policy_of(weeks(4), zone="Europe/Berlin", pane=DAY)
    start = datetime(2024, 4, 1, tzinfo=UTC)
    assert same_hours(policy, start, start + DAY)[0] == (
        datetime(2024, 3, 25, tzinfo=UTC),
        datetime(2024, 3, 26, tzinfo=UTC),
    )


def test_the_weeks_are_the_newest_ones() -> None:
    start = datetime(2024, 6, 10, 8, tzinfo=UTC)
    found = same_hours(policy_of(weeks(4)), start, start + 3 * HOUR)
    assert found == [(start - 7 * k * DAY, start - 7 * k * DAY + 3 * HOUR) for k in (1, 2, 3, 4)]
