"""Runs whose policy cannot be used any more: each ends, or goes on where production is in its hands."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.domain import Phase, RequestKind
from ctrain.errors import TransientError
from ctrain.policy.files import LoadedPolicy, parse_policy
from tests.support.stories import CHALLENGER, CHAMPION, QUICK, Story, ask_to_train, last_run
from tests.support.world import World

NAMED = "{name: clicks, aliases: {champion: production, challenger: candidate, previous_champion: fallback},"
UNUSABLE = "the policy that the run began with cannot be used any more: "


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A first champion waits for a person."""
    manual = QUICK.replace("probation:", "promotion: {approval: manual, expires_after: 2d}\nprobation:")
    world = World(tmp_path_factory.mktemp("waiting"), policy_text=manual, rows_per_hour=30)
    world.land_together(42)
    world.settle()
    ask_to_train(world)
    world.settle()
    assert last_run(world).phase is Phase.AWAITING_APPROVAL
    return world


def without_variable(text: str, path: str) -> LoadedPolicy:
    """The policy of a run names a variable that is not set any more."""
    return parse_policy(text.replace("rows/*.parquet", "'${OLD}/*.parquet'"), Path(path), {})


def forget_snapshots(world: World) -> None:
    world.edit(world.policy_text.replace("max_age: 6h", "max_age: 7h"))
    world.watch.parse_snapshot = without_variable


def at(story: Story, bookmark: str, folder: Path) -> World:
    world = story.at(bookmark, folder)
    forget_snapshots(world)
    return world


@pytest.mark.parametrize("bookmark", ["training", "evaluating", "shadowing", "promoting"])
def test_a_run_that_may_fail_ends_and_the_next_one_begins(
    story: Story, tmp_path: Path, bookmark: str
) -> None:
    world = at(story, bookmark, tmp_path)
    world.settle_but_wait()
    run = last_run(world)
    assert run.phase is Phase.FAILED
    assert run.outcome_reason.startswith(UNUSABLE)
    assert "variable OLD is not set" in run.outcome_reason
    assert world.launcher.stopped == ([run.id] if bookmark == "training" else [])
    ask_to_train(world)
    world.settle_but_wait()
    assert last_run(world).id != run.id


@pytest.mark.parametrize("bookmark", ["training", "shadowing", "probation"])
def test_a_person_can_always_cancel(story: Story, tmp_path: Path, bookmark: str) -> None:
    world = at(story, bookmark, tmp_path)
    run = last_run(world)
    answer = world.ask(RequestKind.CANCEL, run=run.id).answer
    assert answer == f"done: run {run.id} is {'ROLLING_BACK' if bookmark == 'probation' else 'CANCELLED'}"
    ended = last_run(world).phase
    assert ended is (Phase.ROLLED_BACK if bookmark == "probation" else Phase.CANCELLED)
    assert world.registry.aliases["champion"] == CHAMPION


@pytest.mark.parametrize("kind", [RequestKind.APPROVE, RequestKind.REJECT])
def test_an_approval_is_answered_with_what_is_wrong(
    waiting: World, tmp_path: Path, kind: RequestKind
) -> None:
    world = waiting.branch(tmp_path / "world")
    forget_snapshots(world)
    run = last_run(world)
    bound = {name: run.details["approval"][name] for name in ("challenger", "policy_hash", "evidence")}
    assert world.ask(kind, run=run.id, **bound).answer.startswith(f"refused: {UNUSABLE}")
    assert last_run(world).phase is Phase.FAILED
    assert "champion" not in world.registry.aliases


def test_a_promotion_that_has_begun_is_finished_under_the_policy_in_force(
    story: Story, tmp_path: Path
) -> None:
    world = story.at("promoting", tmp_path)

    def away(call: str, _moment: str, _arguments: tuple[object, ...]) -> None:
        if call == "registry.set_alias":
            raise TransientError("the registry does not answer")

    world.listener = away
    with pytest.raises(TransientError):
        world.settle()
    world.listener = None
    forget_snapshots(world)
    world.settle()
    assert world.registry.aliases["champion"] == CHALLENGER
    assert last_run(world).phase is Phase.PROBATION
    told = [fields for event, fields in world.telemetry.logged if event == "snapshot_unreadable"]
    assert [one["phase"] for one in told] == ["PROMOTING"]


def test_a_probation_ends_under_the_policy_in_force(story: Story, tmp_path: Path) -> None:
    world = at(story, "proven", tmp_path)
    world.reach(Phase.ACCEPTED, hours=2)
    assert world.registry.aliases["champion"] == CHALLENGER


def with_other_aliases(story: Story, bookmark: str, folder: Path) -> World:
    """The policy names other aliases by now, and production reads by those; the old ones are others'."""
    world = story.at(bookmark, folder)
    aliases = world.registry.aliases
    aliases["production"] = aliases["champion"]
    if "previous_champion" in aliases:
        aliases["fallback"] = aliases["previous_champion"]
    world.edit(world.policy_text.replace("{name: clicks,", NAMED))
    return world


@pytest.mark.parametrize("bookmark", ["shadowing", "promoting"])
def test_a_run_promotes_by_the_aliases_that_the_policy_names_by_now(
    story: Story, tmp_path: Path, bookmark: str
) -> None:
    world = with_other_aliases(story, bookmark, tmp_path)
    before = dict(world.registry.aliases)
    world.reach(Phase.PROBATION)
    aliases = world.registry.aliases
    assert (aliases["production"], aliases["fallback"]) == (CHALLENGER, CHAMPION)
    assert aliases["champion"] == before["champion"] == CHAMPION
    assert "champion_changed_outside" not in world.kinds()


def test_a_run_goes_back_by_the_aliases_that_the_policy_names_by_now(story: Story, tmp_path: Path) -> None:
    world = with_other_aliases(story, "probation", tmp_path)
    world.ask(RequestKind.ROLLBACK)
    assert last_run(world).phase is Phase.ROLLED_BACK
    assert world.registry.aliases["production"] == CHAMPION
    assert world.registry.aliases["champion"] == CHALLENGER
