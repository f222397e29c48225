"""A daemon that was killed holds up nobody on its own machine; from elsewhere only time tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.app.lease import LEASE, Lease, is_gone, this_holder
from ctrain.clocks import RealTimer
from ctrain.store import open_store

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


def test_lease_of_a_dead_holder_is_taken_at_once_and_that_of_another_machine_is_not(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    host, pid, started, machine = this_holder().split(":")
    dead = f"{host}:{pid}:{int(started) - 1}:{machine}"
    first = Lease(store, RealTimer(), DURATION, dead).acquire()
    second = Lease(store, RealTimer(), DURATION)
    assert (first, second.acquire()) == (1, 2)
    second.release()
    elsewhere = Lease(store, RealTimer(), DURATION, f"{host}:{pid}:{started}:elsewhere000")
    assert elsewhere.acquire() == 3
    assert second.acquire() is None
    assert second.other() == f"{host}:{pid}:{started}:elsewhere000"
    with store.read() as tx:
        assert tx.lease_holder(LEASE, RealTimer().now()) == second.other()
