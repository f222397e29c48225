"""What is remembered from tick to tick under a lease: nothing that is judged or decided depends on it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase
from ctrain.domain.leases import policy_lease
from ctrain.errors import StateConflict
from tests.support.stories import POOR, ask_to_train
from tests.support.world import HOUR, START, World

KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


def lease(world: World, holder: str = "ours") -> tuple[str, int]:
    name = policy_lease(world.name)
    with world.store.write() as tx:
        now = tx.database_now()
        token = tx.acquire_lease(name, holder, now, timedelta(days=1))
    assert token is not None
    return name, token


def lived(folder: Path, *, leased: bool) -> World:
    """From a poor champion to a challenger in its shadow, and on until it wins."""
    world = World(folder, rows_per_hour=30)
    if leased:
        world.watch.lease = lease(world)
    world.install(POOR, KNOWN)
    world.land_together(42)
    world.settle()
    ask_to_train(world)
    world.live(2)
    world.live(36, step=6)
    return world


def test_the_same_is_judged_and_decided_with_and_without_a_memory(tmp_path: Path) -> None:
    forgetful, remembering = (lived(tmp_path / str(leased), leased=leased) for leased in (False, True))
    assert remembering.verdicts() == forgetful.verdicts()
    assert remembering.decisions() == forgetful.decisions()
    assert [run.phase for run in remembering.runs()] == [run.phase for run in forgetful.runs()]
    assert [run.phase for run in remembering.runs()] == [Phase.PROBATION]


def test_who_lost_the_lease_writes_nothing_and_sees_what_is_there_when_it_has_it_again(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.watch.lease = lease(world)
    world.live(8)
    with world.store.write() as tx:
        tx.release_lease(policy_lease(world.name), "ours")
    theirs = lease(world, "theirs")
    world.land()
    with pytest.raises(StateConflict, match="fenced off"):
        world.tick()
    ours = world.watch
    world.open()
    world.watch.lease = theirs
    world.live(3)
    with world.store.write() as tx:
        tx.release_lease(policy_lease(world.name), "theirs")
    ours.lease = lease(world)
    world.watch = ours
    ours.row_log.sweep()
    world.settle()
    world.live(2)
    assert len({(one.monitor, one.as_of) for one in world.verdicts()}) == len(world.verdicts())
