"""A daemon that was killed holds up nobody on its own machine; from elsewhere only time tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.app.lease import DaemonLeases, Lease, is_gone, is_here, this_holder
from ctrain.domain import PolicyName
from ctrain.errors import StateConflict
from ctrain.store import SqlStore, open_store

DURATION = timedelta(minutes=5)
HOLD = "from ctrain.app.lease import this_holder; print(this_holder(), flush=True); input()"


def test_holder_is_gone_from_the_moment_it_is_killed() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    holder = child.stdout.readline().strip()
    assert not is_gone(holder)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(holder), "a zombie watches nothing"
    child.communicate()
    assert is_gone(holder)


def test_process_that_got_the_number_of_another_is_not_taken_for_it() -> None:
    host, pid, started, machine = this_holder().split(":")
    assert not is_gone(f"{host}:{pid}:{started}:{machine}")
    assert is_gone(f"{host}:{pid}:{int(started) - 1}:{machine}")


@pytest.mark.parametrize(
    "holder", ["other:4194999:17:0123456789ab", "other:4194999", "someone", "", "a:b:c:d", "host:4194999:17:"]
)
def test_nothing_is_known_of_holders_elsewhere(holder: str) -> None:
    assert not is_gone(holder)


CLICKS, VIEWS = PolicyName("clicks"), PolicyName("views")


def a_holder(*, started: int = 0, machine: str = "") -> str:
    """This process, or one that had its number and started earlier, or one elsewhere."""
    host, pid, start, here = this_holder().split(":")
    return f"{host}:{pid}:{int(start) - started}:{machine or here}"


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return open_store(f"sqlite:///{tmp_path / 'state.db'}")


def test_lease_of_a_dead_holder_is_taken_at_once_and_that_of_another_machine_is_not(store: SqlStore) -> None:
    first = Lease(store, CLICKS, DURATION, a_holder(started=1)).acquire()
    second = Lease(store, CLICKS, DURATION)
    assert (first, second.acquire()) == (1, 2)
    second.release()
    elsewhere = Lease(store, CLICKS, DURATION, a_holder(machine="elsewhere000"))
    assert elsewhere.acquire() == 3
    assert second.acquire() is None
    assert second.other() == a_holder(machine="elsewhere000")
    assert Lease(store, VIEWS, DURATION).acquire() == 1


def test_a_holder_is_here_or_elsewhere() -> None:
    holders = [this_holder(), a_holder(started=1), a_holder(machine="elsewhere000"), "someone", ""]
    assert [is_here(one) for one in holders] == [True, True, False, False, False]


def test_daemons_see_each_other_and_what_a_dead_one_held_is_free(store: SqlStore) -> None:
    mine, dead, far = (
        DaemonLeases(store, DURATION, holder)
        for holder in (this_holder(), a_holder(started=1), a_holder(machine="elsewhere000"))
    )
    seen: list[list[str]] = []

    def note(others: Collection[str]) -> str:
        seen.append(sorted(others))
        return ""

    for one in (dead, far, mine):
        one.register(note)
        one.take([PolicyName(f"of-{len(seen)}")])
    assert seen == [[], [], [far.holder]], "a dead one is nobody's neighbour"
    held = mine.look()
    assert held.daemons == {mine.holder, far.holder}
    assert held.holders == {"of-2": far.holder, "of-3": mine.holder}
    assert mine.take([PolicyName("of-1"), PolicyName("of-2")]) == {"of-1": 2}


def test_a_daemon_that_has_no_place_registers_nothing(store: SqlStore) -> None:
    first, second = DaemonLeases(store, DURATION, "one"), DaemonLeases(store, DURATION, "other")
    first.register(lambda _: "")
    with pytest.raises(StateConflict, match=r"^one is there$"):
        second.register(lambda others: f"{next(iter(others))} is there")
    assert first.look().daemons == {"one"}
    second.register(lambda _: "")
    first.end()
    assert second.look().daemons == {"other"}


def test_a_beat_keeps_what_is_held_and_takes_back_what_ran_out(store: SqlStore) -> None:
    one, other = DaemonLeases(store, DURATION, "one"), DaemonLeases(store, DURATION, "other")
    assert one.take([CLICKS, VIEWS]) == {CLICKS: 1, VIEWS: 1}
    assert one.beat([CLICKS, VIEWS]) == {CLICKS: 1, VIEWS: 1}
    with store.write() as tx:
        tx.release_leases("one")
    assert other.take([CLICKS]) == {CLICKS: 2}
    assert one.beat([CLICKS, VIEWS]) == {VIEWS: 2}, "what another daemon has by now is lost"
    one.give_back([VIEWS])
    assert one.beat([]) == {}
    assert one.look().daemons == {"one"}
