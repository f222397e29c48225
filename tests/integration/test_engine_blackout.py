"""Blackouts and the budget of training time, through the loop: nothing begins, nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Outcome, Phase, RequestKind, Suppression, TriggerName
from ctrain.policy.available import unavailable_parts
from ctrain.queries.limits import limits_left
from tests.support.stories import CHALLENGER, CHAMPION, POOR, QUICK, Story, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

UNTRIGGERED = POLICY.replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "")
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}
NIGHT = 'blackout: [{from: "18:00", to: "02:00", timezone: UTC}]'
"""The world stands at 18:00 of its second day."""
AT_02 = START + timedelta(days=2, hours=2)


def with_limits(limits: str, triggers: str = "") -> str:
    policy = UNTRIGGERED.replace("{cooldown: 1d, min_new_labels: 50}", f"{{{limits}}}")
    return policy.replace("limits:", f"triggers: {{{triggers}}}\nlimits:") if triggers else policy


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
    return world


def decided(world: World, trigger: str) -> list[tuple[Outcome, Suppression | None]]:
    return [(one.outcome, one.suppression) for one in world.decisions() if one.trigger == trigger]


def test_what_a_blackout_suppressed_is_looked_at_again_at_its_end(poor: World, tmp_path: Path) -> None:
    triggers = 'volume: {new_labels: 100}, six: {cron: "0 18 * * *", timezone: UTC}'
    world = at_work(poor, tmp_path, with_limits(NIGHT, triggers))
    assert unavailable_parts(world.watch.policy) == []
    world.settle()
    assert decided(world, "volume") == decided(world, "six") == [(Outcome.SUPPRESSED, Suppression.BLACKOUT)]
    refused = world.ask(RequestKind.TRIGGER).answer
    assert refused == "refused: asked for by ada; suppressed: blackout until 2024-01-03 02:00 UTC"
    with world.store.read() as tx:
        assert tx.last_occurrence(world.name, TriggerName("six")) is None
    assert limits_left(world.watch.policy, [], False, world.clock.now()).blackout_until == AT_02
    world.clock.instant = AT_02 - timedelta(minutes=1)
    world.settle()
    assert world.runs() == []
    world.clock.instant = AT_02
    world.settle()
    assert [(run.trigger, run.created_at) for run in world.runs()] == [("volume", AT_02)]
    assert (Outcome.SUPPRESSED, Suppression.ACTIVE_RUN) in decided(world, "six")


def test_no_training_begins_in_a_blackout_not_even_another_attempt(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_limits('blackout: [{from: "19:00", to: "02:00", timezone: UTC}]'))
    world.launcher.busy = True
    ask_to_train(world, fail=True)
    world.settle_but_wait()
    world.clock.advance(HOUR)
    world.launcher.finish()
    world.settle()
    assert last_run(world).phase is Phase.TRAINING
    assert [attempt for _, attempt in world.launcher.started] == [1]
    world.clock.instant = AT_02
    world.settle()
    assert last_run(world).phase is Phase.FAILED
    assert [attempt for _, attempt in world.launcher.started] == [1, 2]


def edited(story: Story, bookmark: str, folder: Path, limits: str) -> World:
    """The bookmarked world, its run under a policy with further limits."""
    world = story.at(bookmark, folder)
    world.edit(QUICK.replace("limits: {", f"limits: {{{limits}, "))
    run = last_run(world)
    with world.store.write() as tx:
        loaded = world.watch.loaded
        run = type(run)(
            **{
                **{name: getattr(run, name) for name in run.__slots__},
                "policy_hash": loaded.hash,
                "policy_text": loaded.text,
            }
        )
        tx.save_run(run, expected=run.phase)
    return world


ALWAYS = 'blackout: [{from: "00:00", to: "23:59", timezone: UTC}]'


def test_a_challenger_that_won_waits_for_the_end_of_a_blackout(story: Story, tmp_path: Path) -> None:
    world = edited(story, "compared", tmp_path, ALWAYS)
    world.live(2)
    waiting = last_run(world)
    assert waiting.phase is Phase.SHADOWING
    assert waiting.details["shadow"]["won"].startswith("better than")
    assert world.registry.aliases["champion"] == CHAMPION
    world.live(3)
    assert last_run(world).details == waiting.details
    world.clock.instant = world.clock.now().replace(hour=23, minute=59)
    world.settle()
    assert last_run(world).phase is Phase.PROBATION
    assert world.registry.aliases["champion"] == CHALLENGER


def test_a_promotion_that_has_not_begun_waits_and_a_rollback_does_not(story: Story, tmp_path: Path) -> None:
    world = edited(story, "promoting", tmp_path, ALWAYS)
    world.registry.aliases["previous_champion"] = world.registry.register(world.registry.models[CHAMPION], {})
    world.settle()
    assert last_run(world).phase is Phase.PROMOTING
    assert world.ask(RequestKind.ROLLBACK).answer.startswith("done: version 3 is the champion again")
    assert world.registry.aliases["champion"] == "3"
    world.clock.instant = world.clock.now().replace(hour=23, minute=59)
    world.settle()
    assert last_run(world).phase is Phase.SUPERSEDED


def test_training_time_is_spent_by_failures_too_and_reserved_before_a_start(
    poor: World, tmp_path: Path
) -> None:
    policy = with_limits("budget: {training_time: 1h, per: 7d}")
    world = at_work(poor, tmp_path, policy)
    ask_to_train(world, fail=True)
    world.settle()
    failed = last_run(world)
    assert failed.phase is Phase.FAILED
    spent = failed.details["training"]["spent"]
    assert [one["trained"] for one in spent] == [False, False]
    assert all(one["train_seconds"] > 0 for one in spent)
    refused = world.ask(RequestKind.TRIGGER).answer
    assert "of training time left in 7d, 1h needed; next at 2024-01-09 18:00 UTC" in refused
    left = limits_left(world.watch.policy, world.runs(), False, world.clock.now())
    assert left.training_time_left == timedelta(hours=1, seconds=-sum(one["train_seconds"] for one in spent))
    assert left.training_time_frees_at == START + timedelta(days=8, hours=18)
    world.clock.advance(timedelta(days=7))
    world.settle()
    assert world.ask(RequestKind.TRIGGER).answer.startswith("done")


def test_a_first_champion_waits_for_the_end_of_a_blackout_and_can_be_cancelled(tmp_path: Path) -> None:
    """The blackout begins while it is trained."""
    (tmp_path / "told").mkdir()
    world = World(tmp_path / "told", policy_text=with_limits(NIGHT), rows_per_hour=30)
    world.land_together(41)
    world.launcher.busy = True
    ask_to_train(world)
    world.settle_but_wait()
    world.land(1)
    world.launcher.finish()
    world.settle()
    run = last_run(world)
    assert run.phase is Phase.EVALUATING
    assert run.details["evaluation"]["passed"].startswith("gates passed: roc_auc")
    assert "champion" not in world.registry.aliases
    cancelled = world.branch(tmp_path / "cancelled")
    assert cancelled.ask(RequestKind.CANCEL, run=run.id).answer == f"done: run {run.id} is CANCELLED"
    world.clock.instant = AT_02
    world.settle()
    assert last_run(world).phase is Phase.ACCEPTED
    assert world.registry.aliases["champion"] == "1"
