"""Transactions of several threads that share a commit: durable when told, each with its own failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ctrain.domain import IngestState, PolicyName
from ctrain.errors import TransientError
from ctrain.store import SqlStore, group_commit
from ctrain.store.group_commit import MOST_TOGETHER
from ctrain.turns import Turns, computing
from tests.contract.store.builders import Backend
from tests.waiting import wait_until

PATIENCE_SECONDS = 30.0
FOUR = [PolicyName(f"p{number}") for number in range(4)]


@contextmanager
def commits_of(store: SqlStore, then: Callable[[], None] = lambda: None) -> Iterator[list[None]]:
    """One entry for each commit from now on; ``then`` happens in it."""
    made: list[None] = []

    def note(_connection: Any) -> None:
        made.append(None)
        then()

    event.listen(store._engine, "commit", note)
    yield made
    event.remove(store._engine, "commit", note)


def together(
    store: SqlStore, policies: list[PolicyName], inside: Callable[[PolicyName], None] = lambda _: None
) -> list[Future[None]]:
    """Let a thread for each policy write; the first one goes on when all others wait for their turn."""
    first = threading.Event()

    def write(policy: PolicyName) -> None:
        with store.write() as tx:
            if not first.is_set():
                first.set()
                others = len(policies) - 1
                wait_until(lambda: store._writers._waiting == others, PATIENCE_SECONDS, "the others")
            tx.save_ingest_state(policy, IngestState(sequence=7))
            inside(policy)

    with ThreadPoolExecutor(len(policies)) as pool:
        return [pool.submit(write, policy) for policy in policies]


def written(store: SqlStore, policies: list[PolicyName]) -> list[PolicyName]:
    with store.read() as tx:
        return [one for one in policies if tx.ingest_state(one).sequence == 7]


def test_those_that_wait_for_their_turn_are_committed_together(store: SqlStore) -> None:
    with commits_of(store) as commits:
        for done in together(store, FOUR):
            done.result()
    assert len(commits) == 1
    assert written(store, FOUR) == FOUR


def test_nobody_is_told_of_a_commit_before_it_is_made(store: SqlStore) -> None:
    told: list[list[bool]] = []
    running: list[Future[None]] = []
    started = threading.Event()

    def write(policy: PolicyName) -> None:
        with store.write() as tx:
            started.wait(PATIENCE_SECONDS)
            tx.save_ingest_state(policy, IngestState(sequence=7))

    note = commits_of(store, lambda: told.append([one.done() for one in running]))
    with note, ThreadPoolExecutor(len(FOUR)) as pool:
        running += [pool.submit(write, policy) for policy in FOUR]
        wait_until(lambda: store._writers._waiting == 3, PATIENCE_SECONDS, "all of them")
        started.set()
    assert told == [[False] * 4]


def test_what_fails_takes_back_its_own_part_alone(store: SqlStore) -> None:
    failing = FOUR[1:3]

    def fail(policy: PolicyName) -> None:
        if policy in failing:
            raise ValueError(policy)

    outcomes = together(store, FOUR, fail)
    assert [type(one.exception()) for one in outcomes] == [type(None), ValueError, ValueError, type(None)]
    assert written(store, FOUR) == [FOUR[0], FOUR[3]]


def test_a_commit_that_fails_fails_for_all(store: SqlStore) -> None:
    def refuse() -> None:
        raise TransientError("the disk is full")

    with commits_of(store, refuse):
        outcomes = together(store, FOUR)
    assert all(isinstance(one.exception(), TransientError) for one in outcomes)
    assert all("the disk is full" in str(one.exception()) for one in outcomes)
    assert written(store, FOUR) == []
    with store.write() as tx:
        tx.save_ingest_state(FOUR[0], IngestState(sequence=7))
    assert written(store, FOUR) == FOUR[:1]


def test_a_connection_that_is_lost_between_two_parts_fails_no_more_than_these(store: SqlStore) -> None:
    lost: list[PolicyName] = []

    def lose(policy: PolicyName) -> None:
        if not lost:
            lost.append(policy)
            group = store._writers._group
            assert group is not None
            group.connection.invalidate()

    outcomes = [one.exception() for one in together(store, FOUR, lose)]
    failed = [one for one in outcomes if one is not None]
    assert [type(one) for one in failed] == [TransientError, TransientError]
    assert written(store, FOUR) == [one for one, error in zip(FOUR, outcomes, strict=True) if error is None]


def test_a_single_one_is_told_of_its_own_failure(store: SqlStore) -> None:
    def refuse() -> None:
        raise LookupError("nobody knows this")

    with (
        commits_of(store, refuse),
        pytest.raises(LookupError, match="nobody knows this"),
        store.write() as tx,
    ):
        tx.save_ingest_state(FOUR[0], IngestState(sequence=7))
    assert written(store, FOUR) == []


def test_a_crowd_is_committed_in_parts(store: SqlStore) -> None:
    crowd = [PolicyName(f"p{number}") for number in range(MOST_TOGETHER + 8)]
    with commits_of(store) as commits:
        for done in together(store, crowd):
            done.result()
    assert 2 <= len(commits) <= 10
    assert written(store, crowd) == crowd


def test_failures_that_follow_each_other_hold_up_nobodys_commit(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of policies whose leases have run out, which are tried again and again."""
    monkeypatch.setattr(group_commit, "MOST_TOGETHER", 3)
    committed: list[int] = []
    over = threading.Event()

    def with_one_behind(left: int) -> None:
        if left:
            pool.submit(fail, left - 1)
            wait_until(lambda: store._writers._waiting == 1, PATIENCE_SECONDS, "the next one")
        else:
            over.set()

    def fail(left: int) -> None:
        with store.write():
            committed.append(len(commits))
            with_one_behind(left)
            raise ValueError(left)

    with commits_of(store) as commits, ThreadPoolExecutor(4) as pool:
        with store.write() as tx:
            tx.save_ingest_state(FOUR[0], IngestState(sequence=7))
            with_one_behind(5)
        assert over.wait(PATIENCE_SECONDS)
    assert committed == [0, 0, 1, 1, 1]
    assert written(store, FOUR) == FOUR[:1]


@pytest.mark.parametrize("writer", ["a thread", "a process"])
def test_who_waits_to_write_lets_others_compute(
    store: SqlStore, filled: Backend, writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctrain.turns._OF_THIS_PROCESS", Turns(patience_seconds=3600.0))
    other = store if writer == "a thread" else filled.open()
    begins, computed = threading.Event(), threading.Event()

    def write() -> None:
        with computing():
            begins.set()
            with store.write() as tx:
                tx.save_ingest_state(FOUR[0], IngestState(sequence=7))

    def compute() -> None:
        with computing():
            computed.set()

    with ThreadPoolExecutor(2) as pool:
        with other.write():
            writing = pool.submit(write)
            assert begins.wait(PATIENCE_SECONDS)
            pool.submit(compute)
            assert computed.wait(PATIENCE_SECONDS)
            assert not writing.done()
        writing.result()
    assert written(store, FOUR) == FOUR[:1]
    other.close()
