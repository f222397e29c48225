"""Threads that compute take turns, and none of them waits for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ctrain.turns import Turns, computing, waiting
from tests.waiting import wait_until

LONG = 3600.0
PATIENCE = 30.0
"""Of the tests; nothing takes so long."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Worker:
    """A thread that computes when it is let, and says so."""

    def __init__(self, turns: Turns, pool: ThreadPoolExecutor) -> None:
        self.turns = turns
        self.asks, self.computes, self.may_end = (threading.Event() for _ in range(3))
        self.ended: Future[None] = pool.submit(self._work)

    def _work(self) -> None:
        self.asks.set()
        with self.turns.computing():
            self.computes.set()
            assert self.may_end.wait(PATIENCE)

    def end(self) -> None:
        self.may_end.set()
        self.ended.result(PATIENCE)


def queued(turns: Turns) -> int:
    """How many wait for their turn."""
    return len(turns._new) + len(turns._begun) + len(turns._urgent)


def holder(turns: Turns) -> object:
    return turns._holder


def reach_queue(turns: Turns, length: int) -> None:
    wait_until(lambda: queued(turns) == length, PATIENCE, f"{length} wait for their turn")


def test_one_computes_at_a_time_in_the_order_of_asking(threads: ThreadPoolExecutor) -> None:
    turns = Turns(LONG)
    workers = []
    for number in range(3):
        workers.append(Worker(turns, threads))
        assert workers[0].computes.wait(PATIENCE)
        reach_queue(turns, number)
    for number, worker in enumerate(workers):
        assert worker.computes.wait(PATIENCE)
        assert [one.computes.is_set() for one in workers] == [place <= number for place in range(3)]
        worker.end()


def test_who_waits_lets_others_compute_and_goes_on_before_those_who_are_new(
    threads: ThreadPoolExecutor,
) -> None:
    turns = Turns(LONG)
    order: list[str] = []
    first_waits, first_may_go_on = threading.Event(), threading.Event()

    def first() -> None:
        with turns.computing():
            with turns.waiting():
                first_waits.set()
                assert first_may_go_on.wait(PATIENCE)
            order.append("first")

    def third() -> None:
        with turns.computing():
            order.append("third")

    goes_on = threads.submit(first)
    assert first_waits.wait(PATIENCE)
    second = Worker(turns, threads)
    assert second.computes.wait(PATIENCE)
    last = threads.submit(third)
    reach_queue(turns, 1)
    first_may_go_on.set()
    reach_queue(turns, 2)
    second.end()
    goes_on.result(PATIENCE)
    last.result(PATIENCE)
    assert order == ["first", "third"]


def test_who_keeps_the_turn_for_long_holds_up_nobody(threads: ThreadPoolExecutor) -> None:
    """It may wait for something that only the next one does."""
    turns = Turns(0.01)
    stuck = Worker(turns, threads)
    assert stuck.computes.wait(PATIENCE)
    others = [Worker(turns, threads) for _ in range(2)]
    for one in others:
        assert one.computes.wait(PATIENCE)
    for one in (stuck, *others):
        one.end()
    assert queued(turns) == 0
    after = Worker(turns, threads)
    assert after.computes.wait(PATIENCE)
    after.end()


def test_who_holds_what_others_wait_for_goes_on_first(threads: ThreadPoolExecutor) -> None:
    turns = Turns(LONG)
    order: list[str] = []
    away = {name: threading.Event() for name in ("patient", "urgent")}
    come_back = {name: threading.Event() for name in away}

    def leave(name: str) -> None:
        with turns.computing():
            with turns.waiting(urgent=name == "urgent"):
                away[name].set()
                assert come_back[name].wait(PATIENCE)
            order.append(name)

    going_on = [threads.submit(leave, name) for name in away]
    assert all(one.wait(PATIENCE) for one in away.values())
    computes = Worker(turns, threads)
    assert computes.computes.wait(PATIENCE)
    for number, name in enumerate(away, 1):
        come_back[name].set()
        reach_queue(turns, number)
    computes.end()
    for one in going_on:
        one.result(PATIENCE)
    assert order == ["urgent", "patient"]


def test_a_section_within_another_is_a_part_of_it() -> None:
    turns = Turns(LONG)
    with turns.computing():
        section = holder(turns)
        assert section is not None
        with turns.computing():
            assert holder(turns) is section
        assert holder(turns) is section
        with turns.waiting(), turns.waiting():
            assert holder(turns) is None
        assert holder(turns) is section
    assert holder(turns) is None


def test_what_fails_leaves_its_turn(threads: ThreadPoolExecutor) -> None:
    turns = Turns(LONG)
    with pytest.raises(OSError, match="full"), turns.computing(), turns.waiting():
        raise OSError("full")
    worker = Worker(turns, threads)
    assert worker.computes.wait(PATIENCE)
    worker.end()


def test_who_does_not_compute_waits_without_a_turn() -> None:
    turns = Turns(LONG)
    with turns.waiting():
        assert holder(turns) is None
    assert holder(turns) is None


def test_a_fork_has_turns_of_its_own() -> None:
    """Whoever had the turn when it was made is not in it."""
    with computing():
        child = os.fork()
        if not child:
            outcome = 1
            try:
                thread = threading.Thread(target=_compute_and_wait)
                thread.start()
                thread.join(PATIENCE)
                outcome = int(thread.is_alive())
            finally:
                os._exit(outcome)
        assert os.waitpid(child, 0)[1] == 0


def _compute_and_wait() -> None:
    with computing(), waiting():
        pass
