"""Conditions begin anew with a champion, whatever policy the run that moved the alias began with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase, TriggerName, TriggerState
from ctrain.engine.champions import install_champion
from tests.support.runs import run_under
from tests.support.world import HOUR, POLICY, START, World

RENAMED = POLICY.replace(
    "triggers:\n  degraded: {any: [brier], for: 2h}\n",
    "triggers:\n  worse: {any: [brier], for: 2h}\n  stale: {any: [fresh]}\n",
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A policy that was edited while its run is under way."""
    return World(tmp_path / "world", policy_text=POLICY)


def test_conditions_that_came_during_the_run_begin_anew(world: World) -> None:
    run = run_under(world.watch.loaded, Phase.PROBATION)
    world.edit(RENAMED)
    met = START + HOUR, START + timedelta(hours=3), START + timedelta(hours=3)
    names = [TriggerName(name) for name in ("degraded", "worse", "stale")]
    with world.store.write() as tx:
        for name in names:
            tx.save_trigger_state(world.name, TriggerState(name, *met))
        install_champion(world.watch.for_run(run), tx, None)
        left = [name for name in names if tx.trigger_state(world.name, name).met_since is not None]
    assert left == ["stale"]
