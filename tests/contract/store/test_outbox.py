from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from ctrain.domain import Event, Notice, NoticeStatus, PolicyName
from ctrain.errors import StateConflict
from ctrain.store import SqlStore
from tests.support.notices import CLICKS, at, notice

DEAD, DELIVERED, PENDING, SUPPRESSED = (
    NoticeStatus.DEAD,
    NoticeStatus.DELIVERED,
    NoticeStatus.PENDING,
    NoticeStatus.SUPPRESSED,
)


def add(store: SqlStore, *numbers: int, **changes: Any) -> list[int]:
    """Notices with these numbers in their keys; returns the ids that the database gave them."""
    with store.write() as tx:
        for number in numbers:
            assert tx.add_notice(notice(number, **changes), event_id=number)
    return [one.id for one in pending(store, changes.get("policy", CLICKS), changes.get("channel", "1"))][
        -len(numbers) :
    ]


def pending(store: SqlStore, policy: PolicyName = CLICKS, channel: str = "1") -> list[Notice]:
    with store.read() as tx:
        return tx.pending_notices(policy, channel)


def finished(store: SqlStore) -> list[Notice]:
    with store.read() as tx:
        return tx.finished_notices(CLICKS, "1")


def claim(
    store: SqlStore, ids: list[int], holder: str = "a", seconds: float = 0, message: str = "msg"
) -> None:
    with store.write() as tx:
        tx.claim_notices(ids, message, holder, at(seconds), at(seconds + 120))


def settle(store: SqlStore, status: NoticeStatus, holder: str = "a", **changes: Any) -> int:
    with store.write() as tx:
        return tx.settle_notices("msg", holder, status, at(60), **changes)


def test_a_notice_comes_back_as_it_was_written(store: SqlStore) -> None:
    written = notice(1, payload={"message": "ünïcode", "version": "2"}, next_attempt_at=at(30))
    with store.write() as tx:
        event_id = tx.append_event(Event(CLICKS, "promoted", at(0), "ctrain", "version 2"))
        tx.add_notice(written, event_id)
    [found] = pending(store)
    assert replace(found, id=written.id) == written


def test_events_have_numbers_that_grow(store: SqlStore) -> None:
    with store.write() as tx:
        numbers = [tx.append_event(Event(CLICKS, "paused", at(0), "ann", "")) for _ in range(3)]
    assert numbers == sorted(set(numbers))


def test_an_event_and_its_notice_are_lost_together(store: SqlStore) -> None:
    with suppress(OSError), store.write() as tx:
        tx.add_notice(notice(), tx.append_event(Event(CLICKS, "promoted", at(0), "ctrain", "")))
        raise OSError
    assert pending(store) == []
    with store.read() as tx:
        assert tx.events(CLICKS) == []


def test_a_notice_is_written_once(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.add_notice(notice(1), 1)
        assert not tx.add_notice(notice(1), 1)
    assert len(pending(store)) == 1


def test_the_newest_notice_of_each_subject_whatever_became_of_it(store: SqlStore) -> None:
    add(store, 1, kind="breached", subject="monitor brier")
    ids = add(store, 2, kind="recovered", subject="monitor brier")
    add(store, 3, kind="breached", subject="monitor inputs")
    add(store, 4, kind="promoted", subject="monitor inputs")
    add(store, 5, kind="breached", subject="monitor brier", channel="pager")
    with store.write() as tx:
        tx.suppress_notices(ids, at(5))
    with store.read() as tx:
        newest = tx.newest_notices(CLICKS, "1", ["breached", "recovered"])
        assert {subject: one.key for subject, one in newest.items()} == {
            "monitor brier": "key-2",
            "monitor inputs": "key-3",
        }
        assert tx.newest_notices(CLICKS, "1", ["failed"]) == {}


def test_channels_are_due_when_the_time_has_come(store: SqlStore) -> None:
    add(store, 1, next_attempt_at=at(30))
    add(store, 2, 3, channel="pager", next_attempt_at=at(60))
    add(store, 4, policy=PolicyName("other"), next_attempt_at=at(90))
    with store.read() as tx:
        assert tx.due_channels(at(29)) == []
        assert tx.due_channels(at(60)) == [(CLICKS, "1"), (CLICKS, "pager")]
        assert tx.due_channels(at(90)) == [(CLICKS, "1"), (CLICKS, "pager"), ("other", "1")]


def test_one_claims_and_the_other_waits_until_the_claim_runs_out(store: SqlStore) -> None:
    ids = add(store, 1, 2)
    claim(store, ids, "a")
    with pytest.raises(StateConflict, match="another daemon is sending"):
        claim(store, ids, "b", seconds=119)
    with store.read() as tx:
        assert tx.due_channels(at(119)) == []
        assert tx.due_channels(at(120)) == [(CLICKS, "1")]
    claim(store, ids, "b", seconds=120)
    assert [(one.claimed_by, one.attempts, one.message_key) for one in pending(store)] == [
        ("b", 2, "msg")
    ] * 2


def test_who_cannot_have_all_gets_none(store: SqlStore) -> None:
    ids = add(store, 1, 2, 3)
    claim(store, ids[:1], "a")
    with pytest.raises(StateConflict):
        claim(store, ids, "b")
    assert [one.claimed_by for one in pending(store)] == ["a", None, None]


def test_of_many_who_claim_at_once_one_has_it(store: SqlStore) -> None:
    ids = add(store, 1, 2)
    start, won = Barrier(4), []

    def try_it(holder: str) -> None:
        start.wait()
        try:
            claim(store, ids, holder)
        except StateConflict:
            return
        won.append(holder)

    threads = [Thread(target=try_it, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert {one.claimed_by for one in pending(store)} == set(won)


def test_delivered_ones_are_finished(store: SqlStore) -> None:
    claim(store, add(store, 1, 2))
    assert settle(store, DELIVERED) == 2
    assert pending(store) == []
    assert [(one.key, one.finished_at, one.claimed_by) for one in finished(store)] == [
        ("key-2", at(60), None),
        ("key-1", at(60), None),
    ]


def test_failed_ones_wait_with_their_error_for_the_next_attempt(store: SqlStore) -> None:
    claim(store, add(store, 1))
    settle(store, PENDING, error="answered 503", next_attempt_at=at(100))
    [found] = pending(store)
    assert (found.last_error, found.next_attempt_at, found.attempts) == ("answered 503", at(100), 1)
    assert (found.claimed_until, found.message_key) == (None, "msg")
    with store.read() as tx:
        assert tx.troubled_notices(CLICKS) == [found]


def test_who_lost_its_claim_settles_nothing(store: SqlStore) -> None:
    ids = add(store, 1)
    claim(store, ids, "a")
    claim(store, ids, "b", seconds=200)
    assert settle(store, DELIVERED, "a") == 0
    assert settle(store, DELIVERED, "b") == 1
    assert settle(store, DEAD, "b") == 0
    assert [one.status for one in finished(store)] == [DELIVERED]


def test_postponed_ones_keep_a_later_time(store: SqlStore) -> None:
    add(store, 1, next_attempt_at=at(10))
    add(store, 2, next_attempt_at=at(90))
    with store.write() as tx:
        tx.postpone_notices(CLICKS, "1", at(60))
    assert [one.next_attempt_at for one in pending(store)] == [at(60), at(90)]


def test_suppressed_ones_are_finished_without_having_been_told(store: SqlStore) -> None:
    ids = add(store, 1, 2)
    with store.write() as tx:
        tx.suppress_notices(ids[:1], at(5))
    assert [one.key for one in pending(store)] == ["key-2"]
    assert [(one.key, one.status) for one in finished(store)] == [("key-1", SUPPRESSED)]


def test_dead_ones_are_counted_shown_and_revived(store: SqlStore) -> None:
    claim(store, add(store, 1, 2))
    settle(store, DEAD, error="answered 410")
    add(store, 3, policy=PolicyName("other"))
    with store.read() as tx:
        assert tx.notice_counts() == {CLICKS: {DEAD: 2}, "other": {PENDING: 1}}
        assert tx.notice_counts(CLICKS) == {CLICKS: {DEAD: 2}}
        assert tx.notice_counts(PolicyName("nobody")) == {}
        assert [one.last_error for one in tx.troubled_notices(CLICKS, limit=1)] == ["answered 410"]
    with store.write() as tx:
        assert tx.revive_notices(PolicyName("other"), at(500)) == 0
        assert tx.revive_notices(CLICKS, at(500)) == 2
    found = pending(store)
    assert [(one.attempts, one.waiting_since, one.finished_at) for one in found] == [(0, at(500), None)] * 2
    with store.write() as tx:
        assert tx.revive_notices(None, at(500)) == 0


def test_old_ones_are_buried_with_their_last_error_but_not_while_they_are_sent(store: SqlStore) -> None:
    old, tried, sent = add(store, 1, 2, 3)
    claim(store, [tried])
    settle(store, PENDING, error="answered 503", next_attempt_at=at(100))
    claim(store, [sent], seconds=50, message="other")
    with store.write() as tx:
        assert tx.bury_old_notices(at(1), at(60), "too old") == {CLICKS: 2}
    with store.read() as tx:
        errors = {one.id: one.last_error for one in tx.troubled_notices(CLICKS)}
    assert errors == {old: "too old", tried: "too old; answered 503"}
    assert [one.id for one in pending(store)] == [sent]


def test_finished_ones_are_forgotten_after_a_time(store: SqlStore) -> None:
    ids = add(store, 1, 2, 3)
    with store.write() as tx:
        tx.suppress_notices(ids[:1], at(0))
        tx.bury_notices(ids[1:2], at(10), "no such channel")
        assert tx.drop_notices(at(0) + timedelta(seconds=5)) == 1
    assert finished(store) == []
    assert [one.key for one in pending(store)] == ["key-3"]


def test_what_was_told_last_of_a_matter_is_known_however_often_it_was_not_told_since(store: SqlStore) -> None:
    ids = add(store, 1, 2, 3, 4, 5, 6, subject="file")
    ids += add(store, 7, subject="outcome")
    for delivered in (ids[0], ids[1], ids[6]):
        claim(store, [delivered])
        settle(store, DELIVERED)
    with store.write() as tx:
        tx.suppress_notices(ids[2:6], at(60))
    with store.read() as tx:
        found = tx.finished_notices(CLICKS, "1", limit=3)
    assert [(one.key, one.status) for one in found] == [
        ("key-7", DELIVERED),
        ("key-6", SUPPRESSED),
        ("key-5", SUPPRESSED),
        ("key-2", DELIVERED),
    ]
