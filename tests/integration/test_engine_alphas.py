"""What shadows cost: a gain that is asked for, alphas that add up, artifacts that are not tried twice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isnan
from pathlib import Path

import pytest

from ctrain.domain import Phase
from ctrain.lifecycle.promoted_share import Promotions
from ctrain.policy.available import unavailable_parts
from ctrain.queries import FleetQueries
from tests.support.stories import POOR, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

UNTRIGGERED = POLICY.replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "").replace(
    "min_duration: 1d", "min_duration: 20h"
)
GAINING = UNTRIGGERED.replace("margin: 0.002, ", "min_gain: 0.2, ")
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("poor"), policy_text=UNTRIGGERED, rows_per_hour=30)
    world.install(POOR, KNOWN)
    world.land_together(42)
    world.settle()
    return world


def at_work(poor: World, folder: Path, policy: str) -> World:
    world = poor.branch(folder / "world")
    world.edit(policy)
    assert unavailable_parts(world.watch.policy) == []
    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, world.clock.now())
    return world


def test_a_challenger_that_is_better_by_less_than_was_asked_is_rejected(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, GAINING)
    ask_to_train(world)
    world.live(30, step=6)
    assert last_run(world).phase is Phase.REJECTED
    assert last_run(world).outcome_reason.startswith("worse than -0.2 allows: difference -0.")


def test_alphas_add_up_over_a_year(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, GAINING)
    queries = FleetQueries(world.store, world.clock, {})
    assert (queries.status().policies[0].alpha_spent, queries.status().policies[0].shadows) == (0.0, 0)
    for number in (1, 2):
        ask_to_train(world, attempt=number)
        world.live(30, step=6)
    assert [run.phase for run in world.runs()] == [Phase.REJECTED] * 2
    assert (queries.why(world.name).alpha_spent, queries.why(world.name).shadows) == (0.1, 2)
    assert world.watch.last_year is not None
    assert world.watch.last_year.alpha == 0.1
    status = queries.status(world.name).policies[0]
    assert (status.models_trained, status.models_promoted) == (2, 0)
    assert world.watch.last_year.promotions == Promotions(trained=2, promoted=0)
    assert world.telemetry.counted["promoted_share", world.name] == 0
    world.clock.instant = world.clock.now().replace(year=2025)
    world.settle()
    assert world.watch.last_year.alpha == 0.0
    assert isnan(world.telemetry.counted["promoted_share", world.name])
    assert queries.status(world.name).policies[0].shadows == 0


def test_the_gauge_shows_an_alpha_as_soon_as_it_is_spent(poor: World, tmp_path: Path) -> None:
    """The shadow begins a tick after its phase; what rescaling spends comes within the phase."""
    world = at_work(poor, tmp_path, UNTRIGGERED)
    ask_to_train(world)
    world.settle()
    run = last_run(world)
    assert run.phase is Phase.SHADOWING
    gauge = "alpha_spent_per_year", world.name
    assert world.telemetry.counted[gauge] == 0.05
    shadow = {**run.details["shadow"], "alpha": 0.1}
    with world.store.write() as tx:
        tx.save_run(replace(run, details={**run.details, "shadow": shadow}), expected=run.phase)
    world.settle()
    assert world.telemetry.counted[gauge] == 0.1


def test_a_promotion_without_evidence_is_counted_beside_the_alphas(poor: World, tmp_path: Path) -> None:
    """An alpha so small that nothing is proven by the deadline; the mean is far below the margin."""
    hasty = UNTRIGGERED.replace(
        "shadow: {alpha: 0.05", "shadow: {alpha: 0.0000000001, on_inconclusive: promote"
    )
    world = at_work(poor, tmp_path, hasty.replace("max_duration: 8d", "max_duration: 26h"))
    ask_to_train(world)
    world.live(42, step=6)
    run = last_run(world)
    assert run.details["shadow"]["won"].startswith("undecided at the deadline, promoted by on_inconclusive")
    status = FleetQueries(world.store, world.clock, {}).status(world.name).policies[0]
    assert (status.shadows, status.promoted_undecided, status.models_promoted) == (1, 1, 1)


def test_an_artifact_that_was_rejected_is_not_tried_again(
    poor: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = UNTRIGGERED.replace("roc_auc, min: 0.55", "roc_auc, min: 0.9999")
    world = at_work(poor, tmp_path, strict)
    monkeypatch.setattr(world.registry, "register", partial(world.registry.register, digest="the same"))
    for number in (1, 2):
        ask_to_train(world, attempt=number)
        world.live(1)
    first, second = world.runs()
    assert "roc_auc >= 0.9999: failed" in first.outcome_reason
    assert second.phase is Phase.REJECTED
    assert second.outcome_reason == "the same artifact was rejected in an earlier run; it is not tried again"
