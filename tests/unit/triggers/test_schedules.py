from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrain.policy.triggers import Cron, Every
from ctrain.triggers.schedules import MAX_MISSED, Due, due_occurrence, next_occurrence

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron(cron=expression, timezone=zone)


def every_fire(trigger: Cron, start: str, end: str) -> list[str]:
    """All occurrences between two instants, as one catch-up after that downtime reports them."""
    due = due_occurrence(trigger, None, at(start), at(end))
    return [f"{one:%m-%d %H:%M}" for one in (*due.missed, due.at)] if due else []


@pytest.mark.parametrize(
    ("expression", "zone", "start", "end", "fires"),
    [
        # Spring: 2024-03-31 has no time from 02:00 to 03:00 in Berlin (01:00 UTC is 03:00 there).
        ("30 2 * * *", BERLIN, "2024-03-30 12:00", "2024-04-01 12:00", ["03-31 01:00", "04-01 00:30"]),
        ("0 3 * * *", BERLIN, "2024-03-30 12:00", "2024-04-01 12:00", ["03-31 01:00", "04-01 01:00"]),
        (
            "*/30 * * * *",
            BERLIN,
            "2024-03-31 00:15",
            "2024-03-31 01:45",
            ["03-31 00:30", "03-31 01:00", "03-31 01:30"],
        ),
        # Autumn: 2024-10-27 has the hour from 02:00 to 03:00 twice in Berlin (00:00 and 01:00 UTC).
        ("30 2 * * *", BERLIN, "2024-10-26 12:00", "2024-10-28 12:00", ["10-27 00:30", "10-28 01:30"]),
        ("30 2 * * *", BERLIN, "2024-10-27 00:30", "2024-10-27 12:00", []),
        ("30 2 * * *", BERLIN, "2024-10-27 01:10", "2024-10-27 12:00", []),
        (
            "*/30 * * * *",
            BERLIN,
            "2024-10-26 23:45",
            "2024-10-27 01:15",
            ["10-27 00:00", "10-27 00:30", "10-27 01:00"],
        ),
        # Sunday is 0 and 7; 2024-03-03 is one.
        ("0 0 * * 0", "UTC", "2024-03-01 00:00", "2024-03-09 00:00", ["03-03 00:00"]),
        ("0 0 * * 7", "UTC", "2024-03-01 00:00", "2024-03-09 00:00", ["03-03 00:00"]),
        ("0 0 * * SUN", "UTC", "2024-03-01 00:00", "2024-03-09 00:00", ["03-03 00:00"]),
        # A zone ahead of UTC; a day that only some years have; both day fields set mean either.
        ("0 3 * * *", "Asia/Tokyo", "2024-03-01 00:00", "2024-03-02 00:00", ["03-01 18:00"]),
        ("0 0 29 2 *", "UTC", "2021-01-01 00:00", "2024-03-01 00:00", ["02-29 00:00"]),
        ("0 0 1 * 0", "UTC", "2024-02-29 00:00", "2024-03-05 00:00", ["03-01 00:00", "03-03 00:00"]),
    ],
)
def test_cron_fires_by_the_clock_of_its_zone(
    expression: str, zone: str, start: str, end: str, fires: list[str]
) -> None:
    assert every_fire(cron(expression, zone), start, end) == fires


def test_a_whole_year_of_night_jobs_fires_once_a_day_through_both_changes() -> None:
    trigger = cron("30 2 * * *", BERLIN)
    found, last, now = [], at("2023-12-31 12:00"), at("2023-12-31 12:00")
    while now < at("2024-12-31 12:00"):
        now += timedelta(minutes=17)
        due = due_occurrence(trigger, last, at("2000-01-01 00:00"), now)
        if due is not None:
            assert due.missed == ()
            last = due.at
            found.append(due.at)
    assert len(found) == len(set(found)) == 366
    assert {one.date().isoformat() for one in found} == {
        (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat() for day in range(366)
    }


def test_an_occurrence_comes_at_its_moment_and_not_again() -> None:
    nightly = cron("0 3 * * *")
    since = at("2024-03-01 00:00")
    assert due_occurrence(nightly, None, since, at("2024-03-01 02:59")) is None
    assert due_occurrence(nightly, None, since, at("2024-03-01 03:00")) == Due(at("2024-03-01 03:00"))
    assert due_occurrence(nightly, at("2024-03-01 03:00"), since, at("2024-03-01 03:00")) is None
    assert due_occurrence(nightly, at("2024-03-01 03:00"), since, at("2024-03-02 02:59")) is None


def test_nothing_is_due_of_the_time_before_a_schedule_was_seen() -> None:
    monthly, seen = at("2024-03-01 03:00"), at("2024-03-20 12:00")
    assert due_occurrence(cron("0 3 * * *"), monthly, seen, at("2024-03-20 12:05")) is None
    assert due_occurrence(cron("0 3 * * *"), monthly, seen, at("2024-03-21 03:00")) == Due(
        at("2024-03-21 03:00")
    )


def test_after_downtime_the_latest_occurrence_is_caught_up_and_the_older_ones_are_reported() -> None:
    nightly = cron("0 3 * * *")
    due = due_occurrence(nightly, at("2024-03-01 03:00"), at("2024-02-01 00:00"), at("2024-03-05 10:00"))
    assert due == Due(
        at("2024-03-05 03:00"), (at("2024-03-02 03:00"), at("2024-03-03 03:00"), at("2024-03-04 03:00"))
    )


@pytest.mark.parametrize("expression", ["* * * * *", "0 3 * * *", "0 3 * * 1"])
def test_years_of_downtime_cost_little_and_end_with_the_latest_occurrence(expression: str) -> None:
    due = due_occurrence(
        cron(expression), at("2001-01-01 00:00"), at("2001-01-01 00:00"), at("2024-03-04 12:00")
    )
    assert due is not None
    assert due.at == (at("2024-03-04 12:00") if expression == "* * * * *" else at("2024-03-04 03:00"))
    assert len(due.missed) == MAX_MISSED
    assert due.missed == tuple(sorted(due.missed))


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    assert (
        due_occurrence(
            cron("* * * * *"), at("2024-03-01 03:00"), at("2024-01-01 00:00"), at("2024-02-01 00:00")
        )
        is None
    )
    assert (
        due_occurrence(
            Every(every="1h"), at("2024-03-01 03:00"), at("2024-01-01 00:00"), at("2024-02-01 00:00")
        )
        is None
    )


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, "2024-03-01 05:59", None),
        (None, "2024-03-01 06:00", Due(at("2024-03-01 06:00"))),
        ("2024-03-01 06:00", "2024-03-01 11:59", None),
        ("2024-03-01 06:00", "2024-03-01 12:30", Due(at("2024-03-01 12:00"))),
        (
            "2024-03-01 06:00",
            "2024-03-02 01:00",
            Due(at("2024-03-02 00:00"), (at("2024-03-01 12:00"), at("2024-03-01 18:00"))),
        ),
    ],
)
def test_an_interval_is_due_once_it_has_passed(last: str | None, now: str, due: Due | None) -> None:
    seen = at(last) if last else None
    assert due_occurrence(Every(every="6h"), seen, at("2024-03-01 00:00"), at(now)) == due


def test_every_minute_for_years_lists_a_bounded_number() -> None:
    due = due_occurrence(Every(every="1m"), None, at("2014-03-01 00:00"), at("2024-03-01 00:00"))
    assert due is not None
    assert due.at == at("2024-03-01 00:00")
    assert len(due.missed) == MAX_MISSED


def test_the_next_occurrence() -> None:
    assert next_occurrence(cron("30 2 * * *", BERLIN), at("2024-03-30 12:00")) == at("2024-03-31 01:00")
    assert next_occurrence(cron("0 0 */30 2 1#5"), at("2024-01-01 00:00")) is None
