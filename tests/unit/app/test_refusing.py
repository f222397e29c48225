"""What stands in the history of a policy that a daemon cannot watch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ctrain.app.refusing import tell_refused
from ctrain.domain import PolicyName
from ctrain.domain.leases import policy_lease
from ctrain.engine.notice_delivery import ChannelBook
from ctrain.policy.files import policy_identity
from ctrain.queries.troubles import troubles_of
from tests.support.world import HOUR, START, World

CLICKS = PolicyName("clicks")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With a policy that has been watched before."""
    world = World(tmp_path)
    loaded = world.watch.loaded
    with world.store.write() as tx:
        tx.save_policy(CLICKS, loaded.hash, str(loaded.path), policy_identity(loaded.policy), START)
    return world


def shell_of(world: World) -> Any:
    parts = {"store": world.store, "clock": world.clock, "telemetry": world.telemetry}
    return cast(Any, SimpleNamespace(**parts, channels=ChannelBook()))


def held(world: World) -> tuple[str, int]:
    name = policy_lease(CLICKS)
    with world.store.write() as tx:
        token = tx.acquire_lease(name, "one", tx.database_now(), HOUR)
    assert token is not None
    return name, token


def troubles(world: World) -> list[tuple[str, str]]:
    with world.store.read() as tx:
        return [(one.kind, one.message) for one in troubles_of(tx).get(CLICKS, ())]


def test_a_refusal_is_a_trouble_told_once(world: World) -> None:
    lease = held(world)
    for _ in range(2):
        tell_refused(shell_of(world), world.watch.loaded, lease, "another model goes by this name")
    file = world.watch.loaded.path.name
    assert troubles(world) == [("policy_refused", f"{file}: another model goes by this name")]
    with world.store.read() as tx:
        assert [one.kind for one in tx.events(CLICKS)].count("policy_refused") == 1


def test_a_policy_that_was_never_watched_has_no_history(world: World) -> None:
    loaded = world.watch.loaded
    new = replace(loaded, policy=loaded.policy.model_copy(update={"policy": "new"}))
    tell_refused(shell_of(world), new, held(world), "no such folder")
    with world.store.read() as tx:
        assert tx.trouble_lines() == []


def test_what_cannot_be_recorded_is_logged(world: World) -> None:
    name, token = held(world)
    tell_refused(shell_of(world), world.watch.loaded, (name, token + 1), "no such folder")
    assert troubles(world) == []
    assert [event for event, _ in world.telemetry.logged] == ["trouble_record_failed"]
