"""Leases of many daemons: who holds what, by the clock of the database and nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import AliasIntent, Version
from ctrain.errors import StateConflict
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, START

HOUR = timedelta(hours=1)
NAMES = [f"policy:p{number:04}" for number in range(1203)]


def test_the_present_is_the_databases(store: SqlStore) -> None:
    """Here that is the clock of this machine, too: a PostgreSQL elsewhere tells its own."""
    before = RealTimer().now()
    with store.write() as tx:
        seen = [tx.database_now(), tx.database_now()]
    after = RealTimer().now()
    slack = timedelta(milliseconds=1)
    assert before - slack <= seen[0] <= seen[1] <= after + slack
    assert seen[0].utcoffset() == timedelta(0)


def test_many_leases_at_once_go_to_one_holder_each(store: SqlStore) -> None:
    with store.write() as tx:
        first = tx.acquire_leases(NAMES[:700], "a", START, HOUR)
        rest = tx.acquire_leases(NAMES, "b", START, HOUR)
        held = tx.live_leases(START)
    assert first == dict.fromkeys(NAMES[:700], 1)
    assert rest == dict.fromkeys(NAMES[700:], 1)
    assert [(one.name, one.holder) for one in held] == [
        (name, "a" if name in first else "b") for name in NAMES
    ]


def test_a_beat_prolongs_what_has_not_run_out_and_nothing_else(store: SqlStore) -> None:
    with store.write() as tx:
        tx.acquire_leases(["policy:x", "daemon:a"], "a", START, HOUR)
        tx.acquire_leases(["policy:y"], "a", START, HOUR / 4)
        tx.acquire_leases(["policy:z"], "b", START, HOUR)
        assert tx.renew_leases("a", START + HOUR / 2, HOUR) == {"daemon:a": 1, "policy:x": 1}
        live = {one.name: one.expires_at for one in tx.live_leases(START + HOUR / 2)}
    assert live == {
        "daemon:a": START + 1.5 * HOUR,
        "policy:x": START + 1.5 * HOUR,
        "policy:z": START + HOUR,
    }


def test_a_token_grows_with_every_tenure(store: SqlStore) -> None:
    def take(holder: str, hours: float) -> dict[str, int]:
        with store.write() as tx:
            return tx.acquire_leases(["policy:x", "policy:y"], holder, START + hours * HOUR, HOUR)

    assert take("a", 0) == {"policy:x": 1, "policy:y": 1}
    assert take("a", 0.5) == {"policy:x": 1, "policy:y": 1}
    assert take("b", 1) == {}
    with store.write() as tx:
        tx.release_leases("a", ["policy:x", "policy:unknown"])
        tx.release_leases("b", ["policy:y"])
    assert take("b", 1) == {"policy:x": 2}
    assert take("a", 2) == {"policy:x": 3, "policy:y": 2}, "also of its own that had run out"


def test_all_leases_of_a_holder_are_given_back_at_once(store: SqlStore) -> None:
    with store.write() as tx:
        mine = tx.acquire_leases(["policy:x", "policy:y", "daemon:a"], "a", START, HOUR)
        tx.acquire_leases(["policy:z"], "b", START, HOUR)
        tx.release_leases("a")
        assert [one.name for one in tx.live_leases(START)] == ["policy:z"]
    with store.write() as tx, pytest.raises(StateConflict, match="token 1 is fenced off, valid is none"):
        tx.require_token("policy:x", mine["policy:x"])


def test_daemons_that_are_no_more_are_forgotten_and_tokens_of_policies_are_not(store: SqlStore) -> None:
    with store.write() as tx:
        tx.acquire_leases(["daemon:gone", "policy:x"], "gone", START, HOUR)
        tx.acquire_leases(["daemon:a_b", "daemon:back"], "a_b", START + HOUR, HOUR)
        tx.release_lease("daemon:back", "a_b")
        tx.forget_leases("daemon:", START + HOUR)
        assert tx.acquire_lease("daemon:gone", "gone", START + HOUR, HOUR) == 1
        assert tx.acquire_lease("daemon:a_b", "a_b", START + HOUR, HOUR) == 1
        assert tx.acquire_lease("policy:x", "b", START + HOUR, HOUR) == 2


def test_the_first_home_is_the_home(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.claim_home("one", "/srv/one", START) == ("one", "/srv/one")
    with store.write() as tx:
        assert tx.claim_home("two", "/srv/two", START) == ("one", "/srv/one")


@pytest.mark.parametrize(("token", "changed_hands"), [(None, False), (3, False), (4, True)])
def test_a_move_tells_whether_another_tenure_ended_it(
    store: SqlStore, token: int | None, changed_hands: bool
) -> None:
    two, one = Version("2"), Version("1")
    intent = AliasIntent(
        *("i1", FLIGHTS, "flights", "promotion", one, None, two, one), fencing_token=3, created_at=START
    )
    with store.write() as tx:
        tx.record_intent(intent)
        tx.close_intent("i1", "done", token)
        (found,) = tx.intents(FLIGHTS)
    assert (found.closing_token, found.changed_hands) == (token, changed_hands)
