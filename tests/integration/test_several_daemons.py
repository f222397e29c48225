"""Real daemons on one PostgreSQL: killed, stopped and woken, cut off, and replaced one by one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.errors import StateConflict
from tests.support.fleet import DaemonFleet
from tests.support.postgres import Cluster, database_of, running_cluster

POLICIES = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[DaemonFleet]:
    url = cluster.create()
    fleet = DaemonFleet(tmp_path / "fleet", url, POLICIES)
    yield fleet
    fleet.end()
    cluster.drop(url)


def test_policies_go_on_whatever_happens_to_daemons(fleet: DaemonFleet, cluster: Cluster) -> None:
    one, two, three = (fleet.start(name) for name in ("one", "two", "three"))
    fleet.wait_until_held_by("one", "two", "three")
    fleet.wait_until_answered()

    of_sleeper = fleet.held()["one"]
    with fleet.store.read() as tx:
        tokens = {lease.name: lease.token for lease in tx.live_leases(tx.database_now())}
    one.signal(signal.SIGSTOP)
    fleet.wait_until_held_by("two", "three")
    fleet.wait_until_answered()
    for policy in of_sleeper:
        with (
            fleet.store.write() as tx,
            pytest.raises(StateConflict, match=r"token \d+ is fenced off, valid is \d+"),
        ):
            tx.require_token(f"policy:{policy}", tokens[f"policy:{policy}"])
    one.signal(signal.SIGCONT)
    fleet.wait_until_held_by("one", "two", "three")
    assert {event["policy"] for event in one.events("lease_lost")} == of_sleeper
    assert one.process.poll() is None

    fleet.store.close()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
    cluster.execute(f"{cut}'{database_of(fleet.address)}'")
    fleet.wait_until_answered()
    fleet.wait_until_held_by("one", "two", "three")

    two.signal(signal.SIGKILL)
    two.process.wait()
    fleet.wait_until_held_by("one", "three")
    fleet.wait_until_answered()

    three.signal(signal.SIGTERM)
    assert three.process.wait(60) == 0
    with fleet.store.read() as tx:
        left = [lease.holder for lease in tx.live_leases(tx.database_now())]
    assert not [holder for holder in left if holder.split(":")[1] == str(three.process.pid)]
    fleet.wait_until_held_by("one")
    fleet.wait_until_answered()
    for daemon in (one, two, three):
        assert daemon.events("tick_failed") == [
            event
            for event in daemon.events("tick_failed")
            if event["kind"] in {"state_conflict", "transient"}
        ]
