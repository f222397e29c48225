"""Promotions that a person approves, rejects, forgets, or is overtaken in, through the loop."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase, Request, RequestKind, Version
from ctrain.policy.available import unavailable_parts
from ctrain.queries import FleetQueries
from tests.support.stories import CHALLENGER, CHAMPION, POOR, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

MANUAL = (
    POLICY.replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "")
    .replace("min_duration: 1d", "min_duration: 20h")
    .replace("probation:", "promotion: {approval: manual, expires_after: 2d}\nprobation:")
)
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A challenger has won and waits for a person."""
    world = World(tmp_path_factory.mktemp("waiting"), policy_text=MANUAL, rows_per_hour=30)
    world.install(POOR, KNOWN)
    world.land_together(42)
    world.settle()
    assert unavailable_parts(world.watch.policy) == []
    ask_to_train(world)
    world.settle()
    return world.reach(Phase.AWAITING_APPROVAL, hours=40)


def answer(world: World, kind: RequestKind, **changes: object) -> Request:
    run = last_run(world)
    bound = {name: run.details["approval"][name] for name in ("challenger", "policy_hash", "evidence")}
    return world.ask(kind, run=run.id, reason="as agreed", **{**bound, **changes})


def test_an_approved_challenger_is_promoted_with_the_actor_on_record(waiting: World, tmp_path: Path) -> None:
    world = waiting.branch(tmp_path / "world")
    world.live(5)
    assert last_run(world).phase is Phase.AWAITING_APPROVAL
    assert world.registry.aliases["champion"] == CHAMPION
    refused = answer(world, RequestKind.APPROVE, evidence="0" * 64).answer
    assert refused.startswith("refused: the evidence on record is ")
    world.open()
    assert answer(world, RequestKind.APPROVE).answer == f"done: run {last_run(world).id} is PROMOTING"
    run = last_run(world)
    assert run.phase is Phase.PROBATION
    assert world.registry.aliases["champion"] == CHALLENGER
    assert {name: run.details["approval"][name] for name in ("approved", "by", "reason")} == {
        "approved": True,
        "by": "ada",
        "reason": "as agreed",
    }
    with world.store.read() as tx:
        (approved,) = [one for one in tx.events(run_id=run.id) if one.kind == "run_promoting"]
    assert (approved.actor, approved.message) == ("ada", "approved by ada: as agreed")
    assert approved.evidence["evidence"] == run.details["approval"]["evidence"]
    again = answer(world, RequestKind.APPROVE).answer
    assert again == f"refused: run {run.id} is PROBATION: it waits for no approval"


def test_a_rejected_challenger_is_not_promoted(waiting: World, tmp_path: Path) -> None:
    world = waiting.branch(tmp_path / "world")
    assert answer(world, RequestKind.REJECT).answer.startswith("done: ")
    assert (last_run(world).phase, last_run(world).outcome_reason) == (
        Phase.REJECTED,
        "rejected by ada: as agreed",
    )
    assert world.registry.aliases["champion"] == CHAMPION
    assert "challenger" not in world.registry.aliases


def test_nobody_answers_in_time(waiting: World, tmp_path: Path) -> None:
    world = waiting.branch(tmp_path / "world")
    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, world.clock.now())
    notes = FleetQueries(world.store, world.clock, {}).why(world.name).notes
    assert any("waits for a person: see `ctrain show clicks-1`" in note for note in notes)
    world.clock.advance(timedelta(days=2) - HOUR)
    world.settle()
    assert last_run(world).phase is Phase.AWAITING_APPROVAL
    world.clock.advance(HOUR)
    assert answer(world, RequestKind.APPROVE).answer == "refused: the approval of run clicks-1 has expired"
    assert last_run(world).phase is Phase.EXPIRED


def test_an_approval_in_time_counts_though_the_daemon_looks_at_it_later(
    waiting: World, tmp_path: Path
) -> None:
    world = waiting.branch(tmp_path / "world")
    run = last_run(world)
    bound = {name: run.details["approval"][name] for name in ("challenger", "policy_hash", "evidence")}
    given_at = world.clock.now() + timedelta(days=2) - HOUR
    with world.store.write() as tx:
        tx.add_request(Request(0, world.name, RequestKind.APPROVE, "ada", given_at, {"run": run.id, **bound}))
    world.clock.advance(timedelta(days=2) + HOUR)
    world.open()
    world.settle()
    assert last_run(world).phase is Phase.PROBATION
    assert world.registry.aliases["champion"] == CHALLENGER


def test_a_champion_of_somebody_elses_ends_the_waiting(waiting: World, tmp_path: Path) -> None:
    world = waiting.branch(tmp_path / "world")
    world.install(1.0, KNOWN)
    world.settle()
    run = last_run(world)
    assert run.phase is Phase.SUPERSEDED
    assert run.outcome_reason == "the champion is 3 now; the approval was asked for beside 1"


def test_a_first_champion_waits_for_a_person_too(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=MANUAL, rows_per_hour=30)
    world.land_together(42)
    world.settle()
    ask_to_train(world)
    world.settle()
    assert last_run(world).phase is Phase.AWAITING_APPROVAL
    assert "champion" not in world.registry.aliases
    answer(world, RequestKind.APPROVE)
    assert last_run(world).phase is Phase.ACCEPTED
    assert world.registry.aliases["champion"] == Version("1")


@pytest.mark.parametrize("cancelled", [False, True], ids=["promoted at its end", "cancelled before"])
def test_what_is_approved_in_a_blackout_waits_for_its_end(tmp_path: Path, cancelled: bool) -> None:
    blackout = 'limits: {blackout: [{from: "18:00", to: "02:00", timezone: UTC}], '
    world = World(tmp_path, policy_text=MANUAL.replace("limits: {", blackout), rows_per_hour=30)
    world.land_together(41)
    ask_to_train(world)
    world.settle()
    world.land(1)
    run = last_run(world)
    done = answer(world, RequestKind.APPROVE).answer
    assert done == (
        f"done: run {run.id} is approved; it is promoted when the blackout ends, 2024-01-03 02:00 UTC"
    )
    assert last_run(world).phase is Phase.AWAITING_APPROVAL
    again = answer(world, RequestKind.REJECT).answer
    assert again == f"refused: run {run.id} is approved already; `ctrain cancel {run.id}` takes it back"
    if cancelled:
        assert world.ask(RequestKind.CANCEL, run=run.id).answer == f"done: run {run.id} is CANCELLED"
    world.clock.instant = START + 50 * HOUR
    world.settle()
    assert last_run(world).phase is (Phase.CANCELLED if cancelled else Phase.ACCEPTED)
    with world.store.read() as tx:
        moves = [one for one in tx.events(run_id=run.id) if one.kind == "run_promoting"]
    assert [(one.actor, one.message) for one in moves] == (
        [] if cancelled else [("ada", "approved by ada: as agreed")]
    )
