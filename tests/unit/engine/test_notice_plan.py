from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ctrain.domain import Delivery, Notice, NoticeStatus
from ctrain.engine.notice_plan import LARGEST_MESSAGE, MAX_ATTEMPTS, Plan, next_attempt, plan_message
from tests.support.notices import at, channel, notice

FAILED = {"kind": "failed", "subject": "outcome", "fingerprint": "failed: exit #"}
REJECTED = {"kind": "rejected", "subject": "outcome", "fingerprint": "rejected: auc"}


def told(number: int, seconds: float, **changes: Any) -> Notice:
    return notice(number, status=NoticeStatus.DELIVERED, finished_at=at(seconds), **changes)


def suppressed(number: int, seconds: float, **changes: Any) -> Notice:
    return notice(number, status=NoticeStatus.SUPPRESSED, finished_at=at(seconds), **changes)


def plan(pending: list[Notice], seconds: float, *finished: Notice, **changes: Any) -> Plan:
    newest_first = sorted(finished, key=lambda one: -one.id)
    return plan_message(channel(**changes), pending, newest_first, at(seconds))


def ids(notices: tuple[Notice, ...]) -> list[int]:
    return [one.id for one in notices]


@pytest.mark.parametrize(
    ("seconds", "last_told", "sent", "until"),
    [
        (0, None, [], 30),
        (29.9, None, [], 30),
        (30, None, [1, 2], None),
        (30, -100, [], 200),  # five minutes after the last message
        (30, -1000, [1, 2], None),
        (200, -100, [1, 2], None),
    ],
)
def test_a_message_waits_for_more_and_keeps_its_distance(
    seconds: float, last_told: float | None, sent: list[int], until: float | None
) -> None:
    pending = [notice(1), notice(2, waiting_since=at(20))]
    before = [] if last_told is None else [told(0, last_told)]
    found = plan(pending, seconds, *before)
    assert ids(found.send) == sent
    assert found.until == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("case", "finished", "seconds", "sent", "left_out"),
    [
        ("the first time", [], 60, [10], []),
        ("again within four hours", [told(1, -3600, **FAILED)], 60, [], [10]),
        ("again after four hours", [told(1, -4 * 3600, **FAILED)], 60, [10], []),
        ("another reason", [told(1, -3600, **{**FAILED, "fingerprint": "failed: other"})], 60, [10], []),
        ("something else since", [told(1, -3600, **FAILED), told(2, -1800, **REJECTED)], 60, [10], []),
        ("another matter since", [told(1, -3600, **FAILED), told(2, -1800)], 60, [], [10]),
        ("told, then left out", [told(1, -3600, **FAILED), suppressed(2, -60, **FAILED)], 60, [], [10]),
        ("left out only", [suppressed(2, -60, **FAILED)], 60, [10], []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_told_is_not_told_again_unless_it_is_news(
    case: str, finished: list[Notice], seconds: float, sent: list[int], left_out: list[int]
) -> None:
    found = plan([notice(10, **FAILED)], seconds, *finished)
    assert (ids(found.send), ids(found.suppress)) == (sent, left_out)


def test_the_same_in_one_message_is_told_once_with_how_often() -> None:
    pending = [notice(1, **FAILED), notice(2, **FAILED), notice(3), notice(4, **FAILED)]
    found = plan(pending, 60)
    assert (ids(found.send), ids(found.suppress)) == ([1, 3], [2, 4])
    assert found.repeated == {"failed: exit #": 2}


def test_what_was_left_out_since_the_last_time_is_counted_when_it_is_told_again() -> None:
    finished = [
        suppressed(1, -30000, **FAILED),
        told(2, -20000, **FAILED),
        suppressed(3, -9000, **FAILED),
        suppressed(4, -8000, **REJECTED),
        suppressed(5, -7000, **FAILED),
    ]
    found = plan([notice(10, **FAILED)], 60, *finished)
    assert ids(found.send) == [10]
    assert found.repeated == {"failed: exit #": 2}


def test_a_message_that_was_not_taken_goes_out_again_as_it_was() -> None:
    first = plan([notice(1), notice(2)], 60)
    begun = {"message_key": first.message_key, "attempts": 1, "next_attempt_at": at(100)}
    pending = [notice(1, **begun), notice(2, **begun), notice(3)]
    assert plan(pending, 99).until == at(100)
    again = plan(pending, 100)
    assert (ids(again.send), again.message_key) == ([1, 2], first.message_key)


def test_nothing_goes_out_beside_what_another_daemon_is_sending() -> None:
    claimed = notice(1, message_key="msg", claimed_by="other", claimed_until=at(120))
    found = plan([claimed, notice(2)], 60)
    assert (found.send, found.until) == ((), at(65))
    assert plan([claimed, notice(2)], 118).until == at(120)
    assert ids(plan([claimed, notice(2)], 120).send) == [1]


def test_a_message_stands_for_so_many_notices_and_the_next_for_the_rest() -> None:
    pending = [notice(number) for number in range(LARGEST_MESSAGE + 5)]
    found = plan(pending, 60)
    assert len(found.send) == LARGEST_MESSAGE
    rest = plan(pending[LARGEST_MESSAGE:], 60)
    assert rest.message_key not in ("", found.message_key)


def test_nothing_pending_is_nothing_to_do() -> None:
    assert plan([], 60) == Plan()


AGAIN = Delivery(False, "answered 503", again=True)


def delays(message: str) -> list[float]:
    found = [next_attempt(message, attempts, AGAIN, at(0)) for attempts in range(1, MAX_ATTEMPTS)]
    return [(one - at(0)).total_seconds() for one in found if one is not None]


def test_the_delay_doubles_up_to_an_hour_and_half_of_it_is_by_chance_but_the_same_each_time() -> None:
    longest = [min(10.0 * 2**step, 3600.0) for step in range(MAX_ATTEMPTS - 1)]
    found = delays("msg_a")
    assert len(found) == MAX_ATTEMPTS - 1
    assert all(bound / 2 <= delay <= bound for delay, bound in zip(found, longest, strict=True))
    assert found == delays("msg_a")
    assert found != delays("msg_b")


@pytest.mark.parametrize(
    ("attempts", "delivery", "tried_again"),
    [
        (1, AGAIN, True),
        (MAX_ATTEMPTS - 1, AGAIN, True),
        (MAX_ATTEMPTS, AGAIN, False),
        (1, Delivery(False, "answered 410"), False),
    ],
)
def test_it_is_given_up_after_many_attempts_and_where_another_cannot_help(
    attempts: int, delivery: Delivery, tried_again: bool
) -> None:
    assert (next_attempt("msg", attempts, delivery, at(0)) is not None) == tried_again


@pytest.mark.parametrize(("wish", "seconds"), [(300, 300), (1, 5), (10**6, 6 * 3600)])
def test_the_receiver_may_ask_for_more_time(wish: int, seconds: float) -> None:
    answer = Delivery(False, "answered 429", again=True, retry_after=timedelta(seconds=wish))
    found = next_attempt("msg_a", 1, answer, at(0))
    assert found is not None
    assert (found - at(0)).total_seconds() == pytest.approx(seconds, rel=1.0 if wish == 1 else 0)
