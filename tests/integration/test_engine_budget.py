"""A budget counts every run of its stretch of time, though a tick reads only the newest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase, RunId
from ctrain.engine.limit_facts import gather_facts
from ctrain.queries import FleetQueries
from ctrain.triggers.limits import refusals
from tests.support.runs import run_under
from tests.support.world import POLICY, START, World

RUNS = 150
DAY = timedelta(days=1)
TOOK = timedelta(minutes=40)
LIMITS = "limits: {cooldown: 1d, min_new_labels: 50}"
BUDGET = "limits: {budget: {runs: 120, training_time: 90h, per: 365d}}"


def remember(world: World, number: int) -> None:
    """Put a run on record that was created on that day and failed after a training."""
    created, ended = START + number * DAY, START + number * DAY + TOOK
    spent = [{"at": ended.isoformat(), "train_seconds": TOOK.total_seconds(), "trained": True}]
    run = run_under(world.watch.loaded, Phase.FAILED, created_at=created, phase_since=ended, ended_at=ended)
    kept = replace(run, id=RunId(f"clicks-{number}"), details={"training": {"spent": spent}})
    with world.store.write() as tx:
        tx.create_run(kept)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A policy that has trained on each of 150 days."""
    world = World(tmp_path_factory.mktemp("busy") / "world", policy_text=POLICY.replace(LIMITS, BUDGET))
    for number in range(1, RUNS + 1):
        remember(world, number)
    world.clock.instant = START + 300 * DAY
    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, world.clock.now())
    world.settle()
    return world


def held_back(world: World) -> list[str]:
    """What the budget refuses."""
    with world.store.read() as tx:
        facts = gather_facts(world.watch, tx, may_fire=False)
    return [why for _, why in refusals(world.watch.policy.limits, facts, world.clock.now())]


def test_runs_beyond_the_newest_count(busy: World, tmp_path: Path) -> None:
    world = busy.branch(tmp_path / "world")
    world.settle()
    assert "150 runs in the last 365d, 120 allowed; next at 2025-01-31 00:00 UTC" in held_back(world)
    gauges = world.telemetry.counted
    assert gauges["budget_remaining", world.name] == 0
    left = FleetQueries(world.store, world.clock, {}).why(world.name).limits
    assert left.budget_runs_left == 0
    assert left.training_time_left is not None
    assert left.training_time_left.total_seconds() == gauges["budget_remaining_seconds", world.name] == 0


def test_training_time_beyond_the_newest_counts(busy: World, tmp_path: Path) -> None:
    world = busy.branch(tmp_path / "world")
    world.edit(world.policy_text.replace("runs: 120, training_time: 90h", "training_time: 90h"))
    world.settle()
    assert any("0s of training time left in 365d" in why for why in held_back(world))


def test_older_runs_are_read_once_for_each_run_that_is_added(busy: World, tmp_path: Path) -> None:
    world = busy.branch(tmp_path / "world")
    world.settle()
    known = world.watch.older_runs
    world.clock.advance(2 * DAY)
    world.settle()
    assert known is world.watch.older_runs is not None
    remember(world, 301)
    world.settle()
    assert world.watch.older_runs is not known
    assert len(world.watch.older_runs.spending.ended) == RUNS + 1 - 100


def test_a_short_stretch_of_time_reads_no_older_runs(busy: World, tmp_path: Path) -> None:
    world = busy.branch(tmp_path / "world")
    world.edit(world.policy_text.replace("per: 365d", "per: 180d"))
    world.settle()
    assert world.watch.older_runs is None
    assert world.telemetry.counted["budget_remaining", world.name] == 120 - 30
