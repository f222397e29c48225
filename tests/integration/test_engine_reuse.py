"""What has been trained once on the same rows, by the same code and parameters, is not trained again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctrain.domain import Phase, RequestKind, Run
from ctrain.engine.moves import found_in
from tests.support.world import POLICY, World

ON_DEMAND = POLICY.replace("degraded: {any: [brier], for: 2h}", "rarely: {new_labels: 100000}")
FIRST = "clicks-1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run that was cancelled in its shadow."""
    world = World(tmp_path_factory.mktemp("trained") / "world", policy_text=ON_DEMAND)
    (world.folder / "clicks.py").write_text("strength = 1\n")
    world.install(-2.0)
    world.live(24, step=8)
    world.ask(RequestKind.TRIGGER)
    assert world.runs()[-1].phase is Phase.SHADOWING
    world.ask(RequestKind.CANCEL, run=FIRST)
    return world


def again(world: World, **arguments: object) -> Run:
    assert world.ask(RequestKind.TRIGGER, **arguments).answer.startswith("done")
    return world.runs()[-1]


def test_its_version_goes_through_the_gates_instead(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    run = again(world)
    assert (run.phase, run.challenger_version) == (Phase.SHADOWING, "2")
    assert world.launcher.started == [(FIRST, 1)]
    assert found_in(run, "training")["reused"] == FIRST
    assert "training_reused" in world.kinds()
    with world.store.read() as tx:
        said = [one.message for one in tx.events(world.name, run.id) if one.kind == "run_evaluating"]
    assert said == ["version 2 reused from run clicks-1: rows, code and parameters are the same"]


def code(world: World) -> None:
    (world.folder / "clicks.py").write_text("strength = 2\n")


def rows(world: World) -> None:
    world.live(1)


def not_to_be_reused(world: World) -> None:
    world.edit(ON_DEMAND.replace("retries: 1", "retries: 1\n  reuse: false"))


def parameters(world: World) -> None:
    world.edit(ON_DEMAND.replace("retries: 1", "retries: 1\n  params: {depth: 3}"))


def artifact(world: World) -> None:
    version = world.runs()[0].challenger_version
    assert version is not None
    known = world.registry.versions[version]
    world.registry.versions[version] = replace(known, tags={**known.tags, "ctrain.digest": "another"})


@pytest.mark.parametrize("change", [code, rows, parameters, artifact, not_to_be_reused])
def test_anything_else_is_trained(trained: World, tmp_path: Path, change: object) -> None:
    world = trained.branch(tmp_path / "world")
    assert callable(change)
    change(world)
    run = again(world)
    assert world.launcher.started == [(FIRST, 1), (run.id, 1)]
    assert not found_in(run, "training")["reused"]


def test_parameters_of_a_person_count(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    assert not found_in(again(world, params={"depth": 3}), "training")["reused"]


def test_the_champion_is_no_challenger_of_itself(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    version = world.runs()[0].challenger_version
    assert version is not None
    world.registry.aliases["champion"] = version
    run = again(world)
    assert (run.phase, run.challenger_version) == (Phase.REJECTED, None)
    assert run.outcome_reason == (
        "rows, code and parameters are those of run clicks-1, whose version is the champion"
    )


def test_a_champion_that_was_trained_again_has_not_been_rejected(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    version, champion = world.runs()[0].challenger_version, world.registry.aliases["champion"]
    assert version is not None
    world.registry.aliases["champion"] = version
    assert again(world).phase is Phase.REJECTED
    world.registry.aliases["champion"] = champion
    run = again(world)
    assert (run.phase, run.challenger_version) == (Phase.SHADOWING, version)


def test_a_rejected_version_is_not_tried_again(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    world.edit(ON_DEMAND.replace("roc_auc, min: 0.55", "roc_auc, min: 0.999"))
    assert again(world).outcome_reason.startswith("gates: ")
    world.edit(ON_DEMAND)
    assert again(world).outcome_reason.startswith("the same artifact was rejected in an earlier run")
    assert world.launcher.started == [(FIRST, 1)]


def test_both_fits_of_a_refit_are_reused(trained: World, tmp_path: Path) -> None:
    world = trained.branch(tmp_path / "world")
    world.edit(ON_DEMAND.replace("retries: 1", "retries: 1\n  refit: true"))
    first = again(world)
    assert world.launcher.started == [(FIRST, 1), (first.id, 2)]
    world.ask(RequestKind.CANCEL, run=first.id)
    second = again(world)
    assert (second.phase, second.challenger_version) == (Phase.SHADOWING, first.challenger_version)
    assert world.launcher.started == [(FIRST, 1), (first.id, 2)]
