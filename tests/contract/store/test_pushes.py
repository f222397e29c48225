"""Batches are remembered by policy, kind and id; a reload is answered by each daemon."""

from __future__ import annotations

from datetime import timedelta

from ctrain.domain.pushes import PushedBatch, PushKind, Reload, ReloadOutcome
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START

ROWS, LABELS = PushKind.ROWS, PushKind.LABELS


def batch(number: int, digest: str = "d") -> PushedBatch:
    return PushedBatch(f"b{number}", digest, 10 * number, START + number * HOUR)


def test_batches_are_remembered_by_policy_kind_and_id(store: SqlStore) -> None:
    with store.write() as tx:
        tx.remember_batches(FLIGHTS, ROWS, [batch(1), batch(2)])
        tx.remember_batches(FLIGHTS, ROWS, [])
    with store.read() as tx:
        assert tx.pushed_batch(FLIGHTS, ROWS, "b2") == batch(2)
        others = [(FLIGHTS, LABELS, "b2"), (OTHER, ROWS, "b2"), (FLIGHTS, ROWS, "b3")]
        assert [tx.pushed_batch(*one) for one in others] == [None] * 3


def test_what_is_known_stays_as_it_is(store: SqlStore) -> None:
    with store.write() as tx:
        tx.remember_batches(FLIGHTS, ROWS, [batch(1)])
        tx.remember_batches(FLIGHTS, ROWS, [batch(1, "other"), batch(2)])
        assert [tx.pushed_batch(FLIGHTS, ROWS, one) for one in ("b1", "b2")] == [batch(1), batch(2)]


def test_old_batches_are_forgotten_a_few_at_a_time(store: SqlStore) -> None:
    with store.write() as tx:
        for policy, kind in ((FLIGHTS, ROWS), (FLIGHTS, LABELS), (OTHER, ROWS)):
            tx.remember_batches(policy, kind, [batch(number) for number in range(5)])
        dropped = [tx.forget_batches(FLIGHTS, ROWS, START + 3 * HOUR, 2) for _ in range(3)]
        left = [tx.pushed_batch(FLIGHTS, ROWS, f"b{number}") for number in range(5)]
        assert tx.pushed_batch(FLIGHTS, LABELS, "b0") == tx.pushed_batch(OTHER, ROWS, "b0") == batch(0)
    assert (dropped, left) == ([2, 1, 0], [None, None, None, batch(3), batch(4)])


def test_a_reload_is_answered_by_each_daemon_once(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.newest_reload() is None
        first, second = tx.ask_reload("ann", START), tx.ask_reload("bob", START + HOUR)
        assert tx.newest_reload() == Reload(second, "bob", START + HOUR)
    at = START + HOUR + timedelta(seconds=3)
    good, bad = ReloadOutcome("a:1", True, "", at), ReloadOutcome("b:2", False, "x.yaml:3: no", at)
    with store.write() as tx:
        for outcome in (bad, ReloadOutcome("a:1", False, "not yet", at), good):
            tx.save_reload_outcome(second, outcome)
    with store.write() as tx:
        third = tx.ask_reload("eve", START + HOUR)
        again = ReloadOutcome("b:2", True, "", at + HOUR)
        tx.save_reload_outcome(third, again)
    with store.read() as tx:  # whoever answers a later one has done the earlier one, too
        told = [tx.reload_outcomes(number) for number in (first, second, third, third + 1)]
    assert told == [[good, bad], [good, bad], [again], []]
