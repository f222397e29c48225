"""The loop on PostgreSQL: it says what it says on SQLite, and outlives a server that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ctrain.domain import Phase, Run
from ctrain.errors import TransientError
from ctrain.queries.audit_chain import all_links, check_links
from tests.support.house import House
from tests.support.postgres import Cluster, running_cluster
from tests.support.world import World
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def address(cluster: Cluster) -> Iterator[str]:
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture
def world(tmp_path: Path, address: str) -> Iterator[World]:
    """A policy whose state is in PostgreSQL."""
    world = World(tmp_path / "world", address=address)
    yield world
    world.store.close()


def test_the_loop_says_the_same_on_both_databases(tmp_path: Path, world: World) -> None:
    server, file = world, World(tmp_path / "file")
    for one in (server, file):
        one.install(-1.0)
        one.live(24, step=8)
        one.reach(Phase.SHADOWING, 40)
    assert server.verdicts() == file.verdicts()
    assert [_told(run) for run in server.runs()] == [_told(run) for run in file.runs()]
    assert server.decisions() == file.decisions()
    with server.store.read() as tx, file.store.read() as other:
        assert [(one.kind, one.at) for one in tx.events()] == [(one.kind, one.at) for one in other.events()]
        assert tx.ingest_state(server.name).rows_total == other.ingest_state(file.name).rows_total
        assert check_links(all_links(tx)).intact


def test_a_tick_fails_while_the_server_is_down_and_the_next_goes_on(world: World, cluster: Cluster) -> None:
    world.install(2.0)
    world.live(8, step=8)
    known = len(world.verdicts())
    world.land(4)
    cluster.stop()
    try:
        for _ in range(2):
            with pytest.raises(TransientError):
                world.tick()
    finally:
        cluster.start()
    world.settle()
    assert len(world.verdicts()) > known
    with world.store.read() as tx:
        assert tx.ingest_state(world.name).rows_total == 12 * world.rows_per_hour


def test_a_daemon_survives_a_restart_of_the_server(
    tmp_path: Path, world: World, address: str, cluster: Cluster
) -> None:
    house = House(tmp_path)
    house.world, house.policies = world, world.folder
    house.settings = replace(house.settings, database_url=address)
    house.world.install(2.0)
    house.world.land(4)
    loaded = house.loaded(house.world.policy_text, "clicks.yaml")

    def rows() -> int:
        with house.world.store.read() as tx:
            return tx.ingest_state(house.world.name).rows_total

    with house.daemon(loaded):
        wait_until(lambda: rows() == 4 * house.world.rows_per_hour, 20, "rows")
        cluster.restart()
        house.world.land(2)
        wait_until(lambda: "tick_failed" in house.heard.names(), 20, "a tick that fails")
        later = 6 * house.world.rows_per_hour
        wait_until(lambda: _tried(rows) == later, 40, "rows that came meanwhile")
    failed = [fields for name, fields in house.heard.events if name == "tick_failed"]
    assert {fields["kind"] for fields in failed} == {"transient"}


def _told(run: Run) -> tuple[object, ...]:
    versions = (run.champion_version, run.challenger_version)
    return run.phase, run.trigger, run.reason, run.created_at, run.phase_since, versions


def _tried(rows: object) -> int:
    try:
        return rows()  # type: ignore[no-any-return, operator]  # a function
    except TransientError:
        return 0
