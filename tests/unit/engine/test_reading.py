"""What is remembered of the store, and until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from ctrain.domain import IngestState, MonitorName, PolicyName, Status, Verdict
from ctrain.engine.reading import TickReads
from ctrain.engine.store_answers import CHANGED_BY, FEW, OF_ONE_TICK, OF_PAGES, STANDING
from ctrain.ports import Transaction

if TYPE_CHECKING:
    from ctrain.ports import Store

CLICKS = PolicyName("clicks")


@dataclass
class CountingStore:
    """A store of pauses and policies that counts what it is asked."""

    is_paused: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    kept: list[Verdict] = field(default_factory=list)

    @contextmanager
    def write(self) -> Iterator[CountingStore]:
        before = self.is_paused
        try:
            yield self
        except BaseException:
            self.is_paused = before
            raise

    @contextmanager
    def read(self) -> Iterator[CountingStore]:
        yield self

    def paused(self, policy: PolicyName) -> bool:
        self.asked[f"paused {policy}"] += 1
        return self.is_paused

    def set_paused(self, policy: PolicyName, paused: bool) -> None:
        self.is_paused = paused

    def ingest_state(self, policy: PolicyName) -> IngestState:
        self.asked[f"ingest_state {policy}"] += 1
        return IngestState()

    def save_ingest_state(self, policy: PolicyName, state: IngestState) -> None: ...

    def policies(self) -> list[PolicyName]:
        return [CLICKS]

    def newest_numbers(self) -> tuple[int, ...]:
        self.asked["newest_numbers"] += 1
        return (0,)

    def champion(self, policy: PolicyName) -> None:
        self.asked[f"champion {policy}"] += 1

    def runs(self, policy: PolicyName, limit: int) -> list[int]:
        self.asked[f"runs {policy}"] += 1
        return list(range(limit))

    def record_verdicts(self, policy: PolicyName, policy_hash: str, verdicts: Sequence[Verdict]) -> None:
        self.kept += verdicts

    def latest_verdicts(self, policy: PolicyName) -> list[Verdict]:
        self.asked[f"latest_verdicts {policy}"] += 1
        return list({one.monitor: one for one in self.kept}.values())

    def verdicts(self, policy: PolicyName, monitor: MonitorName, limit: int) -> list[Verdict]:
        self.asked[f"verdicts {policy} {monitor}"] += 1
        return [one for one in self.kept[::-1] if one.monitor == monitor][:limit]

    def panes(self, policy: PolicyName) -> None:
        self.asked[f"panes {policy}"] += 1


def reads_of(store: CountingStore, *, alone: bool = False) -> TickReads:
    return TickReads(cast("Store", store), alone=alone)


def ask(reads: TickReads) -> bool:
    with reads.read() as tx:
        tx.champion(CLICKS)
        return tx.paused(CLICKS)


def pause(reads: TickReads, paused: bool) -> None:
    with reads.write() as tx:
        tx.set_paused(CLICKS, paused)


def test_every_write_says_which_questions_it_changes() -> None:
    methods = {name for name in dir(Transaction) if not name.startswith("_")}
    questions = frozenset().union(*CHANGED_BY.values())
    assert questions < methods
    assert CHANGED_BY.keys() | questions | OF_PAGES == methods
    assert not CHANGED_BY.keys() & questions
    assert not OF_PAGES & (CHANGED_BY.keys() | questions)


def test_what_pages_ask_is_never_remembered() -> None:
    store = CountingStore()
    reads = reads_of(store)
    with reads.remembering(OURS), reads.read() as tx:
        for _ in range(2):
            assert tx.newest_numbers() == (0,)
    assert store.asked["newest_numbers"] == 2


def test_a_tick_asks_once_until_it_writes_what_changes_the_answer() -> None:
    store = CountingStore()
    reads = reads_of(store)
    with reads.remembering():
        ask(reads)
        assert ask(reads) is False
        assert store.asked == {"paused clicks": 1, "champion clicks": 1}
        pause(reads, True)
        assert ask(reads) is True
        assert store.asked == {"paused clicks": 2, "champion clicks": 1}


def test_outside_a_tick_everything_is_asked_anew() -> None:
    store = CountingStore()
    reads = reads_of(store)
    with reads.remembering():
        ask(reads)
    store.is_paused = True
    assert ask(reads) is True
    with reads.remembering():
        ask(reads)
    assert store.asked["paused clicks"] == 3


def test_who_writes_alone_remembers_between_ticks_and_while_writing() -> None:
    store = CountingStore()
    reads = reads_of(store, alone=True)
    with reads.remembering():
        ask(reads)
    ask(reads)
    with reads.write() as tx:
        assert tx.paused(CLICKS) is False
        assert store.asked["paused clicks"] == 1
        tx.set_paused(CLICKS, not tx.paused(CLICKS))
        assert tx.paused(CLICKS) is True
    ask(reads)
    assert store.asked == {"paused clicks": 2, "champion clicks": 1}


@pytest.mark.parametrize(("alone", "asked"), [(True, 0), (False, 1)])
def test_what_was_saved_is_known_to_who_writes_alone(alone: bool, asked: int) -> None:
    store = CountingStore()
    reads = reads_of(store, alone=alone)
    saved = IngestState(sequence=7) if alone else IngestState()
    with reads.remembering():
        with reads.write() as tx:
            tx.save_ingest_state(CLICKS, saved)
        with reads.read() as tx:
            assert tx.ingest_state(CLICKS) == saved
    assert store.asked["ingest_state clicks"] == asked


def test_a_transaction_of_a_tick_asks_the_store_itself() -> None:
    store = CountingStore()
    reads = reads_of(store)
    with reads.remembering():
        ask(reads)
        with reads.write() as tx:
            tx.paused(CLICKS)
    assert store.asked["paused clicks"] == 2


def test_a_write_that_failed_leaves_nothing_remembered() -> None:
    store = CountingStore()
    reads = reads_of(store, alone=True)

    def fail() -> None:
        with reads.write() as tx:
            tx.set_paused(CLICKS, True)
            assert tx.paused(CLICKS) is True
            raise ValueError("it went wrong")

    with pytest.raises(ValueError, match="it went wrong"):
        fail()
    assert ask(reads) is False


def test_long_answers_are_kept_for_one_tick_only() -> None:
    store = CountingStore()
    reads = reads_of(store, alone=True)
    for _ in range(2):
        with reads.remembering():
            for _ in range(2):
                with reads.read() as tx:
                    cast("CountingStore", tx).panes(CLICKS)
    assert store.asked["panes clicks"] == 2


OURS, THEIRS = ("policy:clicks", 3), ("policy:clicks", 4)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ingested(reads: TickReads, lease: tuple[str, int] | None) -> IngestState:
    with reads.remembering(lease), reads.read() as tx:
        return tx.ingest_state(CLICKS)


@pytest.mark.parametrize(
    ("leases", "asked"),
    [((OURS, OURS, OURS), 1), ((OURS, THEIRS, OURS), 3), ((None, None), 2), ((OURS, None), 2)],
)
def test_what_only_the_holder_of_the_lease_writes_stands_while_it_holds_it(
    leases: Sequence[tuple[str, int] | None], asked: int
) -> None:
    store = CountingStore()
    reads = reads_of(store)
    for lease in leases:
        ingested(reads, lease)
    assert store.asked["ingest_state clicks"] == asked


def test_what_people_write_is_asked_in_every_tick_and_every_transaction() -> None:
    store = CountingStore()
    reads = reads_of(store)
    for is_paused in (False, True):
        store.is_paused = is_paused
        with reads.remembering(OURS):
            assert ask(reads) is is_paused
            with reads.write() as tx:
                assert tx.paused(CLICKS) is is_paused
    assert store.asked == {"paused clicks": 4, "champion clicks": 1}


def test_what_was_saved_under_the_lease_is_known_until_a_write_fails() -> None:
    store = CountingStore()
    reads = reads_of(store)
    saved = IngestState(sequence=7)

    def fail() -> None:
        with reads.remembering(OURS), reads.write() as tx:
            tx.save_ingest_state(CLICKS, IngestState(sequence=8))
            assert tx.ingest_state(CLICKS).sequence == 8
            raise ValueError("it went wrong")

    with reads.remembering(OURS), reads.write() as tx:
        tx.save_ingest_state(CLICKS, saved)
    assert ingested(reads, OURS) == saved
    assert store.asked["ingest_state clicks"] == 0
    with pytest.raises(ValueError, match="it went wrong"):
        fail()
    assert ingested(reads, OURS) == IngestState()


def test_what_is_written_between_two_ticks_is_asked_again() -> None:
    store = CountingStore()
    reads = reads_of(store)
    ingested(reads, OURS)
    with reads.write() as tx:
        tx.save_ingest_state(CLICKS, IngestState(sequence=7))
    ingested(reads, OURS)
    assert store.asked["ingest_state clicks"] == 2


def test_long_answers_do_not_stand() -> None:
    store = CountingStore()
    reads = reads_of(store)
    for limit in (FEW, FEW + 1):
        for _ in range(2):
            with reads.remembering(OURS), reads.read() as tx:
                assert len(tx.runs(CLICKS, limit=limit)) == limit
    assert store.asked["runs clicks"] == 1 + 2


def test_nothing_stands_that_is_kept_for_one_tick_or_that_people_write() -> None:
    assert not STANDING & OF_ONE_TICK
    assert not STANDING & (CHANGED_BY["add_request"] | CHANGED_BY["set_paused"] | CHANGED_BY["append_event"])


def verdict(monitor: str, hours: int, status: Status = Status.OK) -> Verdict:
    as_of = NOON + timedelta(hours=hours)
    return Verdict(MonitorName(monitor), as_of, status, 1.0, 2.0, 10, "because")


def test_the_newest_verdicts_are_known_from_those_before_and_those_recorded() -> None:
    store = CountingStore(kept=[verdict("brier", 0), verdict("loss", 0)])
    reads = reads_of(store)
    with reads.remembering(OURS):
        for given in ([], [verdict("loss", 1)], [verdict("fresh", 2), verdict("brier", 2, Status.BREACHED)]):
            with reads.write() as tx:
                tx.record_verdicts(CLICKS, "hash", given)
                latest = tx.latest_verdicts(CLICKS)
                newest = [tx.verdicts(CLICKS, one.monitor, limit=1) for one in latest]
            assert newest == [[one] for one in latest]
            assert sorted(latest, key=str) == sorted(store.latest_verdicts(CLICKS), key=str)
    assert store.asked["latest_verdicts clicks"] == 1 + 3
    assert {name: store.asked[f"verdicts clicks {name}"] for name in ("brier", "loss", "fresh")} == {
        "brier": 1,
        "loss": 1,
        "fresh": 1,
    }
