"""What is remembered of the store, and until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from ctrain.domain import IngestState, PolicyName
from ctrain.engine.reading import CHANGED_BY, TickReads
from ctrain.ports import Transaction

if TYPE_CHECKING:
    from ctrain.ports import Store

CLICKS = PolicyName("clicks")


@dataclass
class CountingStore:
    """A store of pauses and policies that counts what it is asked."""

    is_paused: bool = False
    asked: Counter[str] = field(default_factory=Counter)

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

    def champion(self, policy: PolicyName) -> None:
        self.asked[f"champion {policy}"] += 1

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
    assert CHANGED_BY.keys() | questions == methods
    assert not CHANGED_BY.keys() & questions


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
