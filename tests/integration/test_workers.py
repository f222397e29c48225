"""``ctrain run --workers``: real daemons beside one, on SQLite, under one address."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ctrain.domain.leases import leased_policy
from tests.support.fleet import DaemonFleet, DaemonProcess
from tests.support.warm import pid_of

POLICIES = 4


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[DaemonFleet]:
    folder = tmp_path / "fleet"
    folder.mkdir()
    fleet = DaemonFleet(folder, f"sqlite:///{folder}/state.db", POLICIES, sys.executable)
    yield fleet
    fleet.end()


def shares(fleet: DaemonFleet) -> Counter[int]:
    """How many policies each process holds, by its number."""
    with fleet.store.read() as tx:
        live = tx.live_leases(tx.database_now())
    return Counter(int(one.holder.split(":")[1]) for one in live if leased_policy(one.name) is not None)


def wait_until_shared(fleet: DaemonFleet, first: DaemonProcess, *gone: int) -> int:
    """Wait until the first daemon and one other have half of the policies each; the other's number."""

    def shared() -> bool:
        held = shares(fleet)
        return (
            sorted(held.values()) == [2, 2]
            and pid_of(first.process) in held
            and not held.keys() & set(gone)
            and first.ready()
            and fleet.watched(first) == set(fleet.names)
        )

    fleet.wait_for(shared, "both have half of the policies, and the first one tells of all")
    return next(pid for pid in shares(fleet) if pid != pid_of(first.process))


def test_workers_share_the_policies_come_back_and_go_with_the_first_daemon(fleet: DaemonFleet) -> None:
    first = fleet.start("first", "--workers", "2")
    worker = wait_until_shared(fleet, first)
    fleet.wait_until_answered()
    ticked = re.compile(r'ctrain_tick_duration_seconds_count\{worker="1"\} [1-9]')
    fleet.wait_for(lambda: ticked.search(first.metrics()) is not None, "the worker has ticked")
    seen = first.metrics()
    assert re.findall(r'ctrain_policies_held\{worker="(\d)"\} (\S+)', seen) == [("0", "2.0"), ("1", "2.0")]
    series = [line.rpartition(" ")[0] for line in seen.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))

    first.signal(signal.SIGHUP)
    fleet.wait_for(lambda: len(first.events("reload_asked")) == 2, "both read their policies again")

    os.kill(worker, signal.SIGKILL)
    following = wait_until_shared(fleet, first, worker)
    fleet.wait_until_answered()
    assert 'ctrain_worker_restarts_total{worker="0"} 1.0' in first.metrics()

    first.signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    # A fork of the warm process says how it ended a moment before it is gone.
    fleet.wait_for(lambda: not psutil.pid_exists(following), "its worker has stopped with it")
    with fleet.store.read() as tx:
        assert tx.live_leases(tx.database_now()) == []

    second = fleet.start("second", "--workers", "2")
    orphan = wait_until_shared(fleet, second)
    os.kill(pid_of(second.process), signal.SIGKILL)
    fleet.wait_for(lambda: not psutil.pid_exists(orphan), "a worker goes when the first daemon is gone")
    assert {one["kind"] for log in (first, second) for one in log.events("tick_failed")} <= {
        "state_conflict",
        "transient",
    }
