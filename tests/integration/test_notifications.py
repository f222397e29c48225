"""From an event in the store to a message on a channel, through crashes, beside other daemons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from ctrain.app.noticing import NoticeLoop
from ctrain.domain import (
    Channel,
    Decision,
    Delivery,
    Event,
    Message,
    MonitorName,
    Notice,
    NoticeStatus,
    Outcome,
    Phase,
    PolicyName,
    Status,
    Suppression,
    TriggerName,
    Verdict,
)
from ctrain.domain.leases import policy_lease
from ctrain.engine.notice_delivery import CLAIM, GIVEN_UP, ChannelBook, Courier
from ctrain.engine.noticed_store import NoticedStore
from ctrain.notify import ChannelNotifier
from ctrain.notify.apprise_channel import judge, tell
from ctrain.ports import Transaction
from ctrain.store import SqlStore, open_store
from tests.support.fakes import QuietTelemetry
from tests.support.notices import CLICKS, FakeNotifier, SetTimer, at, channel, event
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiver
from tests.support.runs import a_run
from tests.waiting import wait_until

AGAIN = Delivery(False, "answered 503", again=True)
REFUSED = Delivery(False, "answered 410")


@dataclass
class Office:
    """A store with events, and couriers of several daemons on it."""

    store: SqlStore
    channels: tuple[Channel, ...] = (channel(),)
    timer: SetTimer = field(default_factory=SetTimer)
    notifier: Any = field(default_factory=FakeNotifier)
    telemetry: QuietTelemetry = field(default_factory=QuietTelemetry)
    watched: frozenset[PolicyName] = frozenset({CLICKS})

    def present(self, _tx: Transaction) -> datetime:
        return self.timer.now()

    def tell(self, *events: Event) -> None:
        noticed = NoticedStore(self.store, self.channels, "clicks-model", self.present)
        with noticed.write() as tx:
            for one in events:
                tx.append_event(one)

    def courier(self, holder: str = "a", channels: tuple[Channel, ...] | None = None) -> Courier:
        book = ChannelBook()
        book.take(CLICKS, self.channels if channels is None else channels)
        return Courier(
            self.store,
            self.notifier,
            book,
            self.telemetry,
            holder,
            lambda: self.watched,
            self.present,
            holder,
        )

    def move_to(self, daemon: str) -> None:
        """From now on this daemon watches the policy."""
        with self.store.write() as tx:
            now = tx.database_now()
            for one in tx.live_leases(now):
                tx.release_lease(one.name, one.holder)
            assert tx.acquire_lease(policy_lease(CLICKS), daemon, now, timedelta(minutes=1))

    def carry(self, holder: str = "a") -> list[Delivery]:
        courier = self.courier(holder)
        return [courier.deliver(one) for one in courier.claim_due(4)]

    def found(self, *statuses: NoticeStatus) -> list[Notice]:
        with self.store.read() as tx:
            every = [
                *tx.pending_notices(CLICKS, "1"),
                *tx.finished_notices(CLICKS, "1"),
                *tx.troubled_notices(CLICKS),
            ]
        return list({one.id: one for one in every if one.status in statuses}.values())

    def sent(self) -> list[tuple[str, list[str]]]:
        """Keys of the messages that went out, with the kinds of their notices."""
        return [(message.key, [one.kind for one in message.notices]) for _, message in self.notifier.sent]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "state.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def office(tmp_path: Path, migrated: Path) -> Iterator[Office]:
    shutil.copyfile(migrated, tmp_path / "state.db")
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    yield Office(store)
    store.close()


def outcomes(office: Office) -> dict[str, float]:
    return {
        key[-1]: number for key, number in office.telemetry.counted.items() if key[0] == "notifications_total"
    }


def test_events_of_a_short_time_become_one_message(office: Office) -> None:
    office.tell(event("promoted"), event("alias_intent"))
    office.timer.seconds = 20
    office.tell(event("run_failed", "exit 3"))
    assert office.carry() == []
    office.timer.seconds = 30
    assert [one.done for one in office.carry()] == [True]
    [(_, kinds)] = office.sent()
    assert kinds == ["promoted", "failed"]
    assert [one.status for one in office.found(*NoticeStatus)] == [NoticeStatus.DELIVERED] * 2
    assert office.carry() == []
    assert outcomes(office) == {"delivered": 2}


def test_the_same_again_is_not_told_until_the_repeat_interval_is_over(office: Office) -> None:
    for hours in (0, 1, 2, 5):
        office.timer.seconds = hours * 3600
        office.tell(event("run_failed", f"exit 3 after {hours} s"))
        office.timer.seconds += 31
        office.carry()
    assert [kinds for _, kinds in office.sent()] == [["failed"], ["failed"]]
    assert office.notifier.sent[-1][1].repeated == {"failed: exit # after # s": 2}
    assert outcomes(office) == {"delivered": 2, "suppressed": 2}


def test_verdicts_and_held_back_triggers_are_told_when_they_are_news(office: Office) -> None:
    office.channels = (channel(kinds=frozenset({"breached", "recovered", "suppressed"})),)
    noticed = NoticedStore(office.store, office.channels, "clicks-model", office.present)
    held = Decision(TriggerName("degraded"), Outcome.SUPPRESSED, "2 h left", Suppression.COOLDOWN)
    for pane, status in enumerate(["OK", "BREACHED", "BREACHED", "OK"]):
        verdict = Verdict(MonitorName("brier"), at(pane), Status(status), 0.25, 0.2, 10, "why")
        with noticed.write() as tx:
            if pane % 2:
                tx.record_verdict(CLICKS, "h1", verdict)
            else:
                tx.record_verdicts(CLICKS, "h1", [verdict])
            tx.record_decision(CLICKS, "h1", held, at(pane))
            tx.record_decision(CLICKS, "h1", replace(held, outcome=Outcome.NOT_MET), at(pane))
    office.timer.seconds = 30
    office.carry()
    [(_, kinds)] = office.sent()
    assert kinds == ["suppressed", "breached", "recovered"]
    with office.store.read() as tx:
        assert len(tx.verdicts(CLICKS)) == 4
        assert tx.decisions(CLICKS) != []


def test_a_channel_that_fails_is_tried_again_with_the_same_message(office: Office) -> None:
    office.notifier.answers = [AGAIN, AGAIN]
    office.tell(event("promoted"))
    for seconds in (30, 60, 120):
        office.timer.seconds = seconds
        office.tell(event("promoted", "another"))
        office.carry()
    [first, *later] = office.sent()
    assert later == [first, first]
    assert first[1] == ["promoted", "promoted"]
    assert len(office.found(NoticeStatus.PENDING)) == 2
    assert outcomes(office) == {"retried": 4, "delivered": 2}


def test_what_a_channel_refuses_is_dead_until_somebody_asks_for_it(office: Office) -> None:
    office.notifier.answers = [REFUSED]
    office.tell(event("promoted"))
    office.timer.seconds = 30
    office.carry()
    [dead] = office.found(NoticeStatus.DEAD)
    assert (dead.last_error, dead.attempts) == ("answered 410", 1)
    office.courier().measure()
    gauges = {
        key[1:]: number for key, number in office.telemetry.counted.items() if key[0] == "notifications_open"
    }
    assert gauges == {("clicks", "pending"): 0, ("clicks", "dead"): 1}
    with office.store.write() as tx:
        tx.revive_notices(None, office.timer.now())
    office.carry()
    assert [key for key, _ in office.sent()] == [dead.message_key] * 2
    assert office.found(NoticeStatus.DEAD) == []


def test_a_daemon_that_dies_between_sending_and_its_record_has_it_sent_again_by_another(
    office: Office,
) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    [message] = office.courier("dead").claim_due(4)
    office.notifier.send(office.channels[0], message)  # and there it was killed
    assert office.carry("b") == []
    office.timer.seconds = 30 + CLAIM.total_seconds()
    assert [one.done for one in office.carry("b")] == [True]
    assert len({key for key, _ in office.sent()}) == 1
    assert len(office.sent()) == 2
    [delivered] = office.found(NoticeStatus.DELIVERED)
    assert delivered.attempts == 2


def test_a_daemon_that_wakes_up_late_changes_nothing(office: Office) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    paused = office.courier("paused")
    [message] = paused.claim_due(4)
    office.timer.seconds = 200
    office.carry("b")
    before = office.found(*NoticeStatus)
    office.notifier.answers = [REFUSED]
    paused.deliver(message)
    assert office.found(*NoticeStatus) == before
    assert "notification_claim_lost" in [event for event, _ in office.telemetry.logged]


def test_of_two_daemons_one_sends(office: Office) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    assert len(office.courier("a").claim_due(4)) == 1
    assert office.courier("b").claim_due(4) == []


def test_what_many_policies_have_to_tell_is_found_as_fast_as_what_few_have(office: Office) -> None:
    """A registry that is away is a trouble of each of them, at the same time."""
    names = [PolicyName(f"p{number}") for number in range(50)]
    courier = office.courier()
    for name in names:
        office.channels = (channel(policy=name),)
        courier.book.take(name, office.channels)
        office.tell(event("promoted", policy=name))
    office.timer.seconds = 30
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    listen(office.store._engine, "before_cursor_execute", note)
    assert len(courier.claim_due(2)) == 2
    remove(office.store._engine, "before_cursor_execute", note)
    assert len([one for one in asked if "FROM leases" in one]) <= 3


def test_only_the_daemon_that_watches_a_policy_speaks_for_it(office: Office) -> None:
    """The other one has read the policy before it got another address and a second channel."""
    new, pager = channel(url="https://new.example/hook"), replace(channel(), name="pager")
    office.channels = (new, pager)
    office.move_to("b")
    office.tell(event("promoted"))
    office.timer.seconds = 31
    former = office.courier("a", (channel(url="https://old.example/hook"),))
    assert former.claim_due(4) == []
    former.remind()
    assert [one.done for one in office.carry("b")] == [True, True]
    assert [one for one, _ in office.notifier.sent] == [new, pager]


def test_what_was_claimed_before_a_policy_moved_is_sent_by_its_new_daemon(office: Office) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    former = office.courier("a")
    [message] = former.claim_due(4)
    former.book.forget(CLICKS)
    office.move_to("b")
    assert (former.deliver(message).done, office.sent()) == (False, [])
    assert former.claim_due(4) == []
    office.timer.seconds = 30 + CLAIM.total_seconds()
    assert [one.done for one in office.carry("b")] == [True]
    assert outcomes(office) == {"delivered": 1}


def test_nobody_carries_for_a_policy_that_it_does_not_know_and_after_a_day_it_is_given_up(
    office: Office,
) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 86401
    stranger = office.courier("b", channels=())
    assert stranger.claim_due(4) == []
    stranger.tidy()
    [dead] = office.found(NoticeStatus.DEAD)
    assert dead.last_error == GIVEN_UP
    assert outcomes(office) == {"dead": 1}


def test_a_promotion_that_waits_is_told_again_once_whoever_looks_and_not_after_its_answer(
    office: Office,
) -> None:
    office.channels = (channel(kinds=frozenset({"awaiting_approval"})),)
    run = a_run(phase=Phase.AWAITING_APPROVAL, at=at(0), details={"approval": {"expires_at": None}})
    with office.store.write() as tx:
        tx.create_run(run)
    office.tell(event("run_awaiting_approval", "won; waits for a person", run_id=run.id))
    office.timer.seconds = 60
    office.carry()
    for seconds in (4 * 3600 - 1, 4 * 3600, 4 * 3600 + 5):
        office.timer.seconds = seconds
        for holder in ("a", "b"):
            office.courier(holder).remind()
    office.watched = frozenset()
    office.timer.seconds = 9 * 3600
    office.courier().remind()
    office.watched = frozenset({CLICKS})
    office.carry()
    [(_, first), (_, again)] = office.sent()
    assert (first, again) == (["awaiting_approval"], ["awaiting_approval"])
    [reminder] = office.notifier.sent[1][1].notices
    assert (reminder.payload["event"], reminder.payload["model"]) == ("approval_reminder", "clicks-model")
    with office.store.write() as tx:
        ended = replace(run, phase=Phase.REJECTED, ended_at=at(9 * 3600))
        tx.save_run(ended, expected=Phase.AWAITING_APPROVAL)
    office.timer.seconds = 30 * 3600
    office.courier().remind()
    assert office.carry() == []


def test_a_channel_that_the_policy_has_no_more_is_no_channel(office: Office) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    assert office.courier(channels=(replace(channel(), name="pager"),)).claim_due(4) == []
    [dead] = office.found(NoticeStatus.DEAD)
    assert dead.last_error == "the policy has no channel 1 any more"


def test_a_policy_that_is_gone_has_its_say_but_no_metrics(office: Office) -> None:
    office.tell(event("promoted"))
    office.timer.seconds = 30
    office.watched = frozenset()
    assert [one.done for one in office.carry()] == [True]
    office.courier().tidy()
    assert office.telemetry.counted == {}


def test_the_channels_of_a_policy_that_is_gone_are_kept_for_what_it_has_still_to_say() -> None:
    book = ChannelBook()
    book.take(PolicyName("silent"), ())
    book.take(CLICKS, (channel(),))
    assert book.policies() == [CLICKS]
    assert book.find(CLICKS, "1") == channel()
    assert book.find(PolicyName("silent"), "1") is None


def test_of_channels_that_two_threads_note_at_once_none_is_lost() -> None:
    book, other = ChannelBook(), PolicyName("other")

    class Meanwhile(tuple[Channel, ...]):
        def __iter__(self) -> Iterator[Channel]:
            book.take(other, (channel(policy=other),))
            return super().__iter__()

    book.take(CLICKS, Meanwhile((channel(),)))
    assert book.policies() == [CLICKS, other]


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def test_the_daemons_loop_sends_signed_webhooks_and_no_secret_reaches_log_or_store(
    office: Office, server: Receiver
) -> None:
    server.answers = [(503, {}), (200, {})]
    secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    one = channel(url=f"{server.url}/T0K3N-path", secret=secret, group_wait=at(0) - at(0))
    office.channels = (one,)
    office.notifier = ChannelNotifier({}, "http://mlflow:5000")
    office.tell(event("promoted", evidence={"version": "2"}))
    loop = NoticeLoop(office.courier(), office.telemetry, look_seconds=0.01)
    loop.start()
    wait_until(
        lambda: (
            bool(office.found(NoticeStatus.PENDING))
            and bool(office.found(NoticeStatus.PENDING)[0].last_error)
        )
    )
    [waiting] = office.found(NoticeStatus.PENDING)
    assert waiting.last_error == "answered 503"
    office.timer.seconds = 60
    wait_until(lambda: bool(office.found(NoticeStatus.DELIVERED)))
    loop.stop()
    first, second = server.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    body = json.loads(second.body)
    assert [one["key"] for one in body["notices"]] == [waiting.key]
    assert body["notices"][0]["links"] == {"model": "http://mlflow:5000/#/models/clicks-model/versions/2"}
    everything = (
        repr(office.telemetry.logged) + repr(office.telemetry.counted) + repr(office.found(*NoticeStatus))
    )
    assert "T0K3N" not in everything
    assert secret not in everything


def test_a_notifier_that_breaks_does_not_end_the_loop(office: Office) -> None:
    class Broken(FakeNotifier):
        def send(self, channel: Channel, message: Message) -> Delivery:
            self.sent.append((channel, message))
            raise ValueError("broken")

    office.notifier = Broken()
    office.channels = (channel(group_wait=at(0) - at(0)), channel(name="2", group_wait=at(0) - at(0)))
    office.tell(event("promoted"))
    loop = NoticeLoop(office.courier(), office.telemetry, look_seconds=0.01)
    loop.start()
    wait_until(lambda: len(office.sent()) == 2)
    loop.stop()
    assert "notices_failed" in [event for event, _ in office.telemetry.logged]


def test_apprise_tells_in_a_child_of_its_own_and_splits_what_is_too_long(server: Receiver) -> None:
    url = server.url.replace("http://", "json://") + "/T0K3N"
    assert tell(url, "clicks: promoted", "word " * 8000, "success", {}) == Delivery(True, "apprise sent it")
    first, second = (json.loads(one.body) for one in server.received)
    assert (first["title"], first["type"]) == ("clicks: promoted [1/2]", "success")
    assert (first["message"] + second["message"]).count("word") == 8000


def test_apprise_says_what_it_could_not_send_without_the_address() -> None:
    url = f"json://127.0.0.1:{free_port()}/T0K3N"
    delivery = ChannelNotifier({}, None).send(
        channel(url=url), Message("msg", CLICKS, "1", (), at(0), test=True)
    )
    assert (delivery.done, delivery.again) == (False, True)
    assert delivery.detail.startswith("apprise could not send it: ")
    assert "T0K3N" not in delivery.detail


@pytest.mark.parametrize(
    ("answer", "done", "again"),
    [
        ('{"known": true, "done": true, "said": ""}', True, False),
        ('{"known": true, "done": false, "said": "no"}', False, True),
        ('{"known": false, "done": false, "said": ""}', False, False),
        ("", False, True),
        ("[]", False, True),
    ],
)
def test_what_the_child_of_apprise_says(answer: str, done: bool, again: bool) -> None:
    delivery = judge(answer)
    assert (delivery.done, delivery.again) == (done, again)


def test_a_child_that_takes_too_long_is_ended() -> None:
    delivery = tell("json://127.0.0.1", "title", "text", "info", {}, seconds=0.01)
    assert delivery == Delivery(False, "it took too long", again=True)
