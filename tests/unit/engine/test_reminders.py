"""When a person is reminded of a promotion that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ctrain.domain import Channel, Notice, Phase, Run, RunId, Version
from ctrain.engine.notice_plan import plan_message
from ctrain.engine.reminders import approval_reminder
from tests.support.notices import START, at, channel, notice
from tests.support.runs import a_run

HOUR = 3600.0
PAGER = channel(kinds=frozenset({"awaiting_approval"}), repeat_interval=timedelta(hours=4))


def waiting(expires_hours: float | None = None, **approval: Any) -> Run:
    """A run that waits since the start."""
    expires_at = None if expires_hours is None else at(expires_hours * HOUR).isoformat()
    return a_run(
        phase=Phase.AWAITING_APPROVAL,
        at=START,
        challenger_version=Version("7"),
        details={"approval": {"challenger": "7", "expires_at": expires_at, **approval}},
    )


def asked(hours: float = 0.0, run: str = "clicks-1") -> Notice:
    payload = {"run": run, "model": "clicks-model", "message": "waits for a person"}
    return notice(kind="awaiting_approval", payload=payload, waiting_since=at(hours * HOUR))


def told_at(run: Run, one: Channel, until_hours: int) -> list[float]:
    """The hours at which a channel is reminded, looked at every quarter of an hour."""
    told = [asked()]
    hours = []
    for quarter in range(until_hours * 4 + 1):
        reminder = approval_reminder(one, run, told, at(quarter * HOUR / 4))
        if reminder is not None:
            told.append(reminder)
            hours.append(quarter / 4)
    return hours


@pytest.mark.parametrize(
    ("repeat_hours", "expires_hours", "expected"),
    [
        (4, None, [4, 8, 12, 16, 20, 24]),
        (4, 10, [4, 7.5]),
        (24, 8, [6]),
        (0, 8, [6]),
        (0, None, []),
        (4, 16, [4, 8, 12]),
        (5, 24, [5, 10, 15, 18, 23]),
    ],
)
def test_it_is_told_every_repeat_interval_and_when_a_quarter_of_the_time_is_left(
    repeat_hours: int, expires_hours: float | None, expected: list[float]
) -> None:
    one = channel(repeat_interval=timedelta(hours=repeat_hours))
    assert told_at(waiting(expires_hours), one, 24) == expected


@pytest.mark.parametrize(
    "run",
    [
        waiting(approved=True),
        waiting(expires_hours=9),
        a_run(phase=Phase.SHADOWING),
        a_run(phase=Phase.PROMOTING, details={"approval": {"approved": True}}),
    ],
    ids=["approved in a blackout", "expired", "not asked yet", "answered"],
)
def test_what_waits_for_nobody_is_not_told(run: Run) -> None:
    assert approval_reminder(PAGER, run, [asked()], at(9 * HOUR)) is None


def test_a_reminder_says_how_long_it_waits_and_what_to_type() -> None:
    reminder = approval_reminder(PAGER, waiting(30), [asked()], at(5.5 * HOUR))
    assert reminder is not None
    assert (reminder.kind, reminder.channel, reminder.policy) == ("awaiting_approval", "1", "clicks")
    assert reminder.payload["message"] == (
        "version 7 has waited for a person for 5h30m: `ctrain approve clicks-1`; it expires in 1d30m"
    )
    assert (reminder.payload["model"], reminder.payload["version"]) == ("clicks-model", "7")
    assert reminder.next_attempt_at == at(5.5 * HOUR) + PAGER.group_wait


def test_whoever_looks_finds_the_same_and_the_next_is_another() -> None:
    run = waiting()
    one = approval_reminder(PAGER, run, [asked()], at(4 * HOUR))
    other = approval_reminder(PAGER, run, [asked()], at(4 * HOUR + 20))
    assert one is not None
    assert other is not None
    assert one.key == other.key
    later = approval_reminder(PAGER, run, [asked(), one], at(8 * HOUR))
    assert later is not None
    assert later.key != one.key
    other_run = approval_reminder(PAGER, a_run_like(run), [asked()], at(4 * HOUR))
    assert other_run is not None
    assert other_run.key != one.key


def a_run_like(run: Run) -> Run:
    return a_run(2, run.phase, details=run.details, challenger_version=run.challenger_version)


def test_a_channel_that_was_told_of_another_run_only_counts_from_when_this_one_began_to_wait() -> None:
    assert approval_reminder(PAGER, waiting(), [asked(3, run="clicks-0")], at(3.9 * HOUR)) is None
    assert approval_reminder(PAGER, waiting(), [asked(3, run="clicks-0")], at(4 * HOUR)) is not None


def test_a_reminder_is_not_taken_for_a_repetition() -> None:
    """The plan of messages leaves out what was told of the same matter a short time before."""
    first = approval_reminder(PAGER, waiting(10), [asked()], at(4 * HOUR))
    assert first is not None
    last_call = approval_reminder(PAGER, waiting(10), [asked(), first], at(7.5 * HOUR))
    assert last_call is not None
    plan = plan_message(PAGER, [last_call], [], at(7.6 * HOUR))
    assert plan.send == (last_call,)
    assert RunId(last_call.payload["run"]) == "clicks-1"
