"""A run that ends while it trains: its job is stopped, and costs the budget what it took."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase, RequestKind
from ctrain.triggers.training_time import TimeSpent, time_spent
from tests.support.stories import POOR, QUICK, TRAINED_UNTIL, ask_to_train, last_run
from tests.support.world import START, World


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("watched"), policy_text=QUICK, rows_per_hour=30)
    world.install(POOR, {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": str(TRAINED_UNTIL)})
    world.land_together(48)
    world.settle()
    return world


def training(watched: World, folder: Path) -> World:
    world = watched.branch(folder / "world")
    world.launcher.busy = True
    ask_to_train(world)
    world.settle_but_wait()
    assert last_run(world).phase is Phase.TRAINING
    return world


def spent(world: World) -> TimeSpent:
    (one,) = time_spent(world.runs())
    return one


def test_a_training_without_its_features_is_stopped_and_paid_for(watched: World, tmp_path: Path) -> None:
    world = training(watched, tmp_path)
    world.edit(QUICK.replace("numeric: [x, z]", "numeric: [x]"))
    world.settle_but_wait()
    run = last_run(world)
    assert (run.phase, world.launcher.stopped) == (Phase.FAILED, [run.id])
    assert spent(world).took >= timedelta(0), "although the clock was set back"
    assert not spent(world).trained


def test_a_cancelled_training_is_paid_for(watched: World, tmp_path: Path) -> None:
    world = training(watched, tmp_path)
    run = last_run(world)
    world.ask(RequestKind.CANCEL, run=run.id)
    assert (last_run(world).phase, world.launcher.stopped) == (Phase.CANCELLED, [run.id])
    assert timedelta(0) < spent(world).took < timedelta(hours=1)
    assert not spent(world).trained


def test_a_training_that_was_never_launched_costs_nothing(watched: World, tmp_path: Path) -> None:
    world = training(watched, tmp_path)
    world.launcher.results.clear()
    world.watch.retry_at[last_run(world).id] = 10_000.0
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    assert last_run(world).phase is Phase.CANCELLED
    assert time_spent(world.runs()) == ()
