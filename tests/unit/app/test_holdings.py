"""What a daemon holds beside others: taken, given away, lost and won again, without thrashing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ctrain.app.holdings import LEFTOVER_PATIENCE, Heartbeat, Holdings
from ctrain.app.lease import DaemonLeases
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.domain import PolicyName
from ctrain.domain.leases import policy_lease
from ctrain.engine.notice_delivery import ChannelBook
from ctrain.engine.pace import Pace
from ctrain.errors import StateConflict, TransientError
from ctrain.launchers.machine import this_machine
from ctrain.store import SqlStore, open_store
from tests.support.fakes import FakeClock, FakeTimer, QuietTelemetry
from tests.support.notices import channel
from tests.support.runs import a_run
from tests.waiting import wait_until

LEASE = timedelta(seconds=20)
NAMES = [PolicyName(f"p{number}") for number in range(4)]


def loaded(name: PolicyName) -> Any:
    return cast(Any, SimpleNamespace(policy=SimpleNamespace(policy=name), path=Path(f"{name}.yaml")))


@dataclass
class One:
    """A daemon's holdings over a real store; its ticks do nothing, and its watches are names."""

    store: SqlStore
    holder: str
    files: list[PolicyName]
    timer: FakeTimer = field(default_factory=FakeTimer)
    telemetry: QuietTelemetry = field(default_factory=QuietTelemetry)
    half_done: dict[PolicyName, Any] = field(default_factory=dict)
    faults: dict[PolicyName, Exception] = field(default_factory=dict)
    opened: list[tuple[PolicyName, int]] = field(default_factory=list)
    left: list[PolicyName] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    refused: list[tuple[PolicyName, str]] = field(default_factory=list)
    channels: ChannelBook = field(default_factory=ChannelBook)

    def __post_init__(self) -> None:
        launcher = SimpleNamespace(lose=self.lose)
        shell = SimpleNamespace(
            settings=SimpleNamespace(lease=LEASE, runs_folder=Path("runs")),
            channels=self.channels,
            **{"store": self.store, "timer": self.timer, "telemetry": self.telemetry, "launcher": launcher},
        )
        rhythm = Rhythm(tick=LEASE, lease=LEASE)
        self.loop = TickLoop({}, FakeClock(), self.timer, self.telemetry, rhythm)
        self.leases = DaemonLeases(self.store, LEASE, self.holder)
        self.leases.register(lambda _: "")
        self.holdings = Holdings(cast(Any, shell), self.leases, self.loop, self.open_watch, self.leftovers)
        self.holdings.leave = self.left.extend
        self.holdings.tell_refused = self.tell_refused  # type: ignore[assignment]  # the same, already bound
        self.holdings.want([loaded(name) for name in self.files])

    def tell_refused(self, one: Any, lease: tuple[str, int], why: str) -> None:
        with self.store.read() as tx:
            tx.require_token(*lease)
        self.refused.append((one.policy.policy, why))

    def lose(self, folder: str) -> int:
        self.killed.append(folder)
        return 1

    def open_watch(self, one: Any, lease: tuple[str, int]) -> Any:
        name = one.policy.policy
        if name in self.faults:
            raise self.faults[name]
        self.opened.append((name, lease[1]))
        self.channels.take(name, [channel()])
        return SimpleNamespace(name=name, lease=lease, pace=Pace())

    def leftovers(self, known: Collection[PolicyName]) -> dict[PolicyName, Any]:
        return {name: one for name, one in self.half_done.items() if name not in known}

    @property
    def watched(self) -> list[PolicyName]:
        return sorted(self.loop.watched)

    def logged(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.telemetry.logged if name == event]


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return open_store(f"sqlite:///{tmp_path / 'state.db'}")


def run_out(store: SqlStore, *names: PolicyName) -> None:
    """Let these leases end, as when nobody beat for long."""
    with store.write() as tx:
        for one in tx.live_leases(tx.database_now()):
            if one.name in map(policy_lease, names):
                tx.release_lease(one.name, one.holder)


def take(store: SqlStore, name: PolicyName, holder: str) -> None:
    with store.write() as tx:
        assert tx.acquire_lease(policy_lease(name), holder, tx.database_now(), LEASE) is not None


def test_daemons_share_and_the_one_that_comes_gets_its_part(store: SqlStore) -> None:
    one = One(store, "one", NAMES)
    one.holdings.balance(first=True)
    assert one.watched == NAMES
    other = One(store, "other", NAMES)
    other.holdings.balance(first=True)
    assert other.watched == []
    one.holdings.balance()
    other.holdings.balance()
    assert (one.watched, other.watched) == (NAMES[2:], NAMES[:2])
    assert (one.channels.policies(), other.channels.policies()) == (NAMES[2:], NAMES[:2])
    assert {key for key in one.telemetry.counted if key[0] == "leader"} == {
        ("leader", "p2"),
        ("leader", "p3"),
    }
    assert one.telemetry.counted["policies_held",] == 2
    moved = [*one.logged("policies_moved"), *other.logged("policies_moved")]
    for _ in range(3):
        one.holdings.balance()
        other.holdings.balance()
    assert moved == [*one.logged("policies_moved"), *other.logged("policies_moved")], "nothing moves again"
    one.leases.end()
    other.holdings.balance()
    assert other.watched == NAMES


def test_what_is_given_away_together_is_given_back_together(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow database one after the other would keep the leases of the rest from being prolonged."""
    given: list[list[PolicyName]] = []
    one, busy = One(store, "one", NAMES), NAMES[0]
    one.holdings.balance(first=True)
    other = One(store, "other", NAMES)
    leases = one.leases

    def give_back(names: Collection[PolicyName]) -> None:
        given.append(sorted(names))
        DaemonLeases.give_back(leases, names)

    monkeypatch.setattr(leases, "give_back", give_back)
    with one.loop._turn(busy):
        one.holdings.balance()
        assert (given, one.loop.parting) == ([[NAMES[1]]], {busy})
    assert given == [[NAMES[1]], [busy]]
    other.holdings.balance()
    one.holdings.want([])
    one.loop.forget(NAMES[2])
    one.loop.forget(NAMES[3])
    one.holdings.balance()
    assert given[2:] == [NAMES[2:]]
    assert other.watched == NAMES[:2]


@pytest.mark.parametrize("noticed_by", ["beat", "balance"])
def test_a_lease_that_ran_out_goes_on_under_the_next_token(store: SqlStore, noticed_by: str) -> None:
    one = One(store, "one", NAMES[:1])
    one.holdings.balance(first=True)
    run_out(store, NAMES[0])
    getattr(one.holdings, noticed_by)()
    assert one.loop.tokens == {NAMES[0]: 2}
    assert one.opened == [(NAMES[0], 1)], "nobody else had it: what is remembered holds"
    with store.write() as tx:
        tx.require_token(policy_lease(NAMES[0]), 2)


def test_what_somebody_else_had_meanwhile_is_opened_anew(store: SqlStore) -> None:
    one = One(store, "one", NAMES[:1])
    one.holdings.balance(first=True)
    run_out(store, NAMES[0])
    take(store, NAMES[0], "other")
    run_out(store, NAMES[0])
    one.holdings.beat()
    assert one.watched == []
    one.holdings.balance()
    assert one.opened == [(NAMES[0], 1), (NAMES[0], 3)]


@pytest.mark.parametrize(
    ("holder", "kills"), [("far:1:2:elsewhere", True), (f"near:x:2:{this_machine()}", False)]
)
def test_a_lost_policy_ticks_no_more_and_its_trainings_go_on_only_where_they_can_be_followed(
    store: SqlStore, holder: str, kills: bool
) -> None:
    one = One(store, "one", NAMES[:2])
    one.holdings.balance(first=True)
    with store.write() as tx:
        tx.create_run(a_run(policy=NAMES[0]))
    run_out(store, NAMES[0])
    take(store, NAMES[0], holder)
    one.holdings.beat()
    assert one.watched == [NAMES[1]]
    (lost,) = one.logged("lease_lost")
    assert (lost["policy"], lost["holder"], lost["trainings_killed"]) == (NAMES[0], holder, int(kills))
    assert len(one.killed) == int(kills)
    assert one.channels.policies() == [NAMES[1]]
    one.holdings.balance()
    assert one.watched == [NAMES[1]]


def test_a_policy_that_no_other_wants_comes_back_and_stays(store: SqlStore) -> None:
    """Files may differ for a while, as when they are rolled out one machine after the other."""
    one, other = One(store, "one", NAMES), One(store, "other", NAMES[:1])
    one.holdings.balance(first=True)
    one.holdings.balance()
    for _ in range(5):
        for daemon in (other, one):
            daemon.timer.seconds += LEASE.total_seconds()
            daemon.holdings.balance()
    assert (one.watched, other.watched) == (NAMES[1:], NAMES[:1])
    moves = len(one.logged("policies_moved"))
    one.holdings.balance()
    assert len(one.logged("policies_moved")) == moves


def test_a_policy_without_a_file_is_left_to_its_daemon_for_a_while(store: SqlStore) -> None:
    One(store, "other", [])
    one = One(store, "one", NAMES[:1], half_done={NAMES[1]: loaded(NAMES[1])})
    one.holdings.balance(first=True)
    one.holdings.balance()
    assert one.watched == NAMES[:1]
    one.timer.seconds = one.timer.monotonic() + LEFTOVER_PATIENCE * LEASE.total_seconds()
    one.holdings.balance()
    assert (one.watched, one.left) == (NAMES[:2], [NAMES[1]])
    one.half_done.clear()
    one.loop.forget(NAMES[1])
    one.holdings.balance()
    assert one.leases.look().holders == {NAMES[0]: "one"}, "what is finished is given back"


def test_alone_it_takes_what_is_half_done_at_once(store: SqlStore) -> None:
    one = One(store, "one", NAMES[:1], half_done={NAMES[1]: loaded(NAMES[1])})
    one.holdings.balance(first=True)
    assert (one.watched, one.left) == (NAMES[:2], [NAMES[1]])


def test_what_cannot_be_opened_for_a_moment_is_tried_again_and_what_never_can_is_not(store: SqlStore) -> None:
    one = One(store, "one", NAMES[:3])
    one.faults = {NAMES[0]: TransientError("the disk is full"), NAMES[1]: StateConflict("another model")}
    one.holdings.balance()
    assert one.watched == [NAMES[2]]
    assert one.leases.look().holders == {NAMES[0]: "one", NAMES[2]: "one"}
    one.faults.pop(NAMES[0])
    one.holdings.balance()
    assert one.watched == [NAMES[0], NAMES[2]]
    assert [fields["policy"] for fields in one.logged("policy_refused")] == [NAMES[1]]
    assert one.refused == [(NAMES[1], "another model")]
    assert one.holdings.refused == {NAMES[1]: "p1.yaml: another model"}
    one.faults.clear()
    one.holdings.want([loaded(name) for name in NAMES[:3]])
    one.holdings.balance()
    assert one.watched == NAMES[:3], "its file was touched"


def test_a_policy_that_another_took_while_it_was_opened_is_not_refused_for_ever(store: SqlStore) -> None:
    one = One(store, "one", NAMES[:1])
    fenced_off = StateConflict("lease policy:p0: token 1 is fenced off, valid is 2")

    def overtaken(loaded: Any, lease: tuple[str, int]) -> Any:
        run_out(store, NAMES[0])
        take(store, NAMES[0], "other")
        raise fenced_off

    one.holdings._open_watch = overtaken
    one.holdings.balance()
    assert (one.watched, one.logged("policy_refused")) == ([], [])
    one.holdings._open_watch = one.open_watch
    run_out(store, NAMES[0])
    one.holdings.beat()
    one.holdings.balance()
    assert (one.watched, one.opened) == (NAMES[:1], [(NAMES[0], 3)])


@pytest.mark.parametrize("first", [True, False])
def test_a_lease_that_is_won_again_while_its_policy_is_opened_is_no_refusal(
    store: SqlStore, first: bool
) -> None:
    one = One(store, "one", NAMES[:1])

    def slow(loaded: Any, lease: tuple[str, int]) -> Any:
        one.holdings._open_watch = one.open_watch
        run_out(store, NAMES[0])
        one.holdings.beat()
        with store.read() as tx:
            tx.require_token(*lease)

    one.holdings._open_watch = slow
    one.holdings.balance(first=first)
    assert (one.watched, one.refused, one.holdings.refused) == ([], [], {})
    one.holdings.balance()
    assert (one.watched, one.opened) == (NAMES[:1], [(NAMES[0], 2)])


def test_what_was_measured_of_a_policy_goes_when_its_file_changes(store: SqlStore) -> None:
    one = One(store, "one", NAMES[:1])
    one.holdings.balance(first=True)
    one.telemetry.gauge("monitor_status", 1.0, policy=NAMES[0], monitor="taken_out", status="BREACHED")
    one.telemetry.count("promotions_total", policy=NAMES[0])
    one.loop.watch(NAMES[0], lambda: one.holdings.open(loaded(NAMES[0])))
    left = {key for key in one.telemetry.counted if NAMES[0] in key}
    begun = {("leader", NAMES[0]), ("tick_last_success_timestamp_seconds", NAMES[0])}
    assert left == {*begun, ("promotions_total", NAMES[0])}


def test_the_first_time_a_fault_is_raised(store: SqlStore) -> None:
    one = One(store, "one", NAMES, faults={NAMES[3]: StateConflict("another model")})
    with pytest.raises(StateConflict, match="another model"):
        one.holdings.balance(first=True)


def test_beats_go_on_after_a_fault_until_they_are_stopped() -> None:
    telemetry, beats = QuietTelemetry(), []

    def beat() -> None:
        beats.append(1)
        raise TransientError("the database does not answer")

    heart = Heartbeat(beat, 0.01, telemetry)
    heart.start()
    wait_until(lambda: len(beats) > 2, 20, "three beats")
    heart.stop()
    count = len(beats)
    heart.stop()
    assert len(beats) == count
    assert {event for event, _ in telemetry.logged} == {"heartbeat_failed"}
