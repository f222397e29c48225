"""What others do to the aliases, and a registry that is away, at every point of a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import Phase, RequestKind, Suppression, Version
from ctrain.errors import TransientError
from ctrain.registry.client import MlflowRegistry
from tests.support.stories import CHALLENGER, CHAMPION, TRAINED_UNTIL, Story, ask_to_train, endure, last_run
from tests.support.takeovers import (
    AFTER_CHAMPION,
    AFTER_PREVIOUS,
    BEFORE_PREVIOUS,
    BEFORE_RE_READ,
    FOREIGN,
    INTENT,
    Moment,
    take_over,
    when,
)
from tests.support.world import World


def assert_superseded(world: World, previous: str | None, champion_writes: list[Version]) -> None:
    """The foreign champion stands, nothing of ours is left behind, and all of it is on record."""
    world.listener = None
    world.settle()
    assert world.registry.aliases["champion"] == FOREIGN
    assert world.registry.aliases.get("previous_champion") == previous
    assert "challenger" not in world.registry.aliases
    assert [version for alias, version in world.registry.writes if alias == "champion"] == champion_writes
    run = last_run(world)
    assert run.phase is Phase.SUPERSEDED
    assert FOREIGN in run.outcome_reason
    with world.store.read() as tx:
        champion = tx.champion(world.name)
        assert tx.open_intent(world.name) is None
    assert champion is not None
    assert (champion.version, champion.origin) == (FOREIGN, "external")
    assert "champion_changed_outside" in world.kinds()
    world.live(2)
    assert world.registry.aliases["champion"] == FOREIGN


def test_the_story_ends_well(story: Story) -> None:
    world = story.bookmarks["accepted"]
    assert last_run(world).phase is Phase.ACCEPTED
    assert world.registry.aliases == {"champion": CHALLENGER, "previous_champion": CHAMPION}


def test_a_champion_that_changes_during_training_is_the_one_to_beat(story: Story, tmp_path: Path) -> None:
    world = story.at("training", tmp_path)
    take_over(world)
    world.launcher.finish()
    world.live(2)
    run = last_run(world)
    assert run.phase is Phase.SHADOWING
    assert run.champion_version == FOREIGN
    assert "champion_changed_outside" in world.kinds()
    assert world.registry.aliases["champion"] == FOREIGN


@pytest.mark.parametrize("bookmark", ["evaluating", "shadowing", "promoting"])
def test_a_run_whose_opponent_is_gone_is_superseded(story: Story, tmp_path: Path, bookmark: str) -> None:
    world = story.at(bookmark, tmp_path)
    take_over(world)
    assert_superseded(world, None, [])


@pytest.mark.parametrize(
    "tags",
    [
        {"ctrain.cut_off": "yesterday"},
        {"ctrain.cut_off": "2024-01-05"},
        {"ctrain.cut_off": "0001-01-01T00:00:00+14:00"},
        {"ctrain.window_start": "1900-01-01T00:00:00+00:00", "ctrain.cut_off": "1900-01-01T00:00:00+00:00"},
        {"ctrain.importance": "[1"},
        {"ctrain.importance": "[1]"},
    ],
    ids=str,
)
def test_tags_that_are_not_as_we_write_them_do_not_stop_a_policy(
    story: Story, tmp_path: Path, tags: dict[str, str]
) -> None:
    """Whoever may move the alias writes them, too: a champion from elsewhere is known all the same."""
    world = story.at("shadowing", tmp_path)
    take_over(world)
    world.registry.versions[FOREIGN] = replace(world.registry.versions[FOREIGN], tags=tags)
    assert_superseded(world, None, [])


@pytest.mark.parametrize("moment", [INTENT, BEFORE_PREVIOUS, AFTER_PREVIOUS, BEFORE_RE_READ])
def test_a_promotion_gives_way_to_a_champion_that_it_can_see(
    story: Story, tmp_path: Path, moment: Moment
) -> None:
    world = story.at("promoting", tmp_path)
    happened = when(world, moment, take_over)
    world.settle()
    assert happened
    assert_superseded(world, None, [])


def test_a_champion_set_after_ours_stands(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)
    happened = when(world, AFTER_CHAMPION, take_over)
    world.settle()
    assert happened
    assert_superseded(world, None, [CHALLENGER])


def test_a_previous_champion_that_someone_sets_meanwhile_is_left_alone(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)

    def point_elsewhere(world: World) -> None:
        world.registry.aliases["previous_champion"] = CHALLENGER

    when(world, INTENT, point_elsewhere)
    world.settle()
    assert last_run(world).phase is Phase.SUPERSEDED
    assert "previous-champion alias" in last_run(world).outcome_reason
    assert world.registry.aliases["champion"] == CHAMPION
    assert world.registry.aliases["previous_champion"] == CHALLENGER


def test_a_champion_that_changes_on_probation_ends_it(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    take_over(world)
    assert_superseded(world, CHAMPION, [CHALLENGER])


def test_a_champion_that_changes_at_the_last_moment_is_not_accepted(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    world.live(23)
    world.watch.registry_poll_seconds = 10**9
    take_over(world)
    world.land()
    world.settle()
    world.watch.registry_poll_seconds = 0.0
    assert_superseded(world, CHAMPION, [CHALLENGER])


def test_a_champion_that_comes_back_serves_from_then_on(story: Story, tmp_path: Path) -> None:
    world = story.at("watched", tmp_path)
    world.registry.aliases.clear()
    world.settle()
    with world.store.read() as tx:
        assert tx.champion(world.name) is None
    assert not [key for key in world.telemetry.counted if key[0].startswith("champion_")]
    world.live(2)
    world.registry.aliases["champion"] = CHAMPION
    world.settle()
    with world.store.read() as tx:
        champion = tx.champion(world.name)
    assert champion is not None
    assert champion.since_at == world.clock.now()
    assert champion.cut_off_at == TRAINED_UNTIL


ROLLBACK = {
    "before the intent": ("store.commit", "after", ()),
    "after the intent": INTENT,
    "before the aliases": ("registry.delete_alias", "before", ("previous_champion",)),
    "between the aliases": ("registry.delete_alias", "after", ("previous_champion",)),
    "after the champion": ("registry.set_alias", "after", ("champion",)),
}


@pytest.mark.parametrize("moment", ROLLBACK.values(), ids=ROLLBACK)
def test_a_rollback_gives_way_too(story: Story, tmp_path: Path, moment: Moment) -> None:
    world = story.at("probation", tmp_path)
    happened = when(world, moment, take_over)
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    assert happened
    written = [CHALLENGER, CHAMPION] if moment == ROLLBACK["after the champion"] else [CHALLENGER]
    assert_superseded(world, CHAMPION, written)


def test_a_rollback_asked_for_twice_moves_once(story: Story, tmp_path: Path) -> None:
    world = story.at("accepted", tmp_path)
    world.registry.aliases["previous_champion"] = CHAMPION
    first = world.ask(RequestKind.ROLLBACK, reason="customers complain")
    second = world.ask(RequestKind.ROLLBACK, reason="they still do")
    assert first.answer.startswith("done: version 1 is the champion again instead of 2")
    assert second.answer == "refused: there is no previous champion to go back to"
    assert world.registry.aliases == {"champion": CHAMPION}


AWAY = ["watched", "training", "evaluating", "shadowing", "promoting", "probation"]


@pytest.mark.parametrize("bookmark", AWAY)
def test_nothing_is_decided_while_the_registry_is_away_and_all_goes_on_after(
    story: Story, tmp_path: Path, bookmark: str
) -> None:
    world = story.at(bookmark, tmp_path)
    before = dict(world.registry.aliases), world.kinds().count("run_accepted"), len(world.verdicts())
    world.registry.down = True
    if bookmark == "watched":
        ask_to_train(world)
    world.launcher.finish()
    endure(world, 12)
    world.registry.down = False
    assert (dict(world.registry.aliases), world.kinds().count("run_accepted")) == before[:2]
    given = [one for one in world.verdicts() if one.monitor != "fresh"]
    assert len(given) <= before[2]
    if bookmark == "watched":
        assert world.runs() == []
        assert Suppression.CHAMPION_UNREADABLE in {one.suppression for one in world.decisions()}
        ask_to_train(world)
    world.live(72, step=12)
    assert last_run(world).phase is Phase.ACCEPTED, last_run(world).outcome_reason
    assert world.registry.aliases == {"champion": CHALLENGER, "previous_champion": CHAMPION}


def test_a_registry_that_is_away_is_told_once_however_often_the_daemon_starts(tmp_path: Path) -> None:
    """Events stay for ever, and each of a thousand policies would tell it at every start."""
    world = World(tmp_path)
    world.registry.down = True
    for _ in range(3):
        world.open()
        world.tick()
    assert [one for one in world.kinds() if one.startswith("registry_")] == ["registry_unreadable"]
    told = [event for event, _ in world.telemetry.logged if event == "registry_unreadable"]
    assert len(told) == 3
    for down in (False, True):
        world.registry.down = down
        world.open()
        world.tick()
    kinds = ["registry_unreadable", "registry_readable", "registry_unreadable"]
    assert [one for one in world.kinds() if one.startswith("registry_")] == kinds


def test_a_registry_that_is_not_asked_because_the_daemon_stops_is_no_trouble(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be told to people with every daemon that is stopped in the middle of a long tick."""
    world = story.at("watched", tmp_path)
    ask_to_train(world)
    stopping = MlflowRegistry("sqlite:///nowhere.db")
    stopping.interrupt()
    monkeypatch.setattr(world.registry, "alias", stopping.alias)
    world.tick()
    assert not [one for one in world.kinds() if one.startswith("registry_")]
    assert world.decisions()[-1].suppression is Suppression.CHAMPION_UNREADABLE
    assert world.runs() == []


def test_the_registry_may_go_away_between_the_two_aliases(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)

    def go_away(world: World) -> None:
        world.registry.down = True

    when(world, AFTER_PREVIOUS, go_away)
    with pytest.raises(TransientError):
        world.settle()
    endure(world, 3)
    assert last_run(world).phase is Phase.PROMOTING
    assert world.registry.aliases["champion"] == CHAMPION
    world.registry.down = False
    world.settle()
    assert last_run(world).phase is Phase.PROBATION
    assert world.registry.aliases["champion"] == CHALLENGER
    assert world.kinds().count("promoted") == 1


def test_an_artifact_that_changed_is_not_promoted(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)
    world.registry.digests[CHALLENGER] = "another"
    world.settle()
    assert last_run(world).phase is Phase.FAILED
    assert "changed" in last_run(world).outcome_reason
    assert world.registry.aliases == {"champion": CHAMPION}


def test_an_artifact_that_changes_between_the_aliases_is_not_promoted(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)

    def tamper(world: World) -> None:
        world.registry.digests[CHALLENGER] = "another"

    when(world, AFTER_PREVIOUS, tamper)
    world.settle()
    assert last_run(world).phase is Phase.FAILED
    assert world.registry.aliases == {"champion": CHAMPION}
    with world.store.read() as tx:
        assert [intent.outcome for intent in tx.intents(world.name)] == ["reverted"]


def test_no_promotion_without_a_way_back(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)
    world.scorer.broken.add(CHAMPION)
    world.settle()
    assert last_run(world).phase is Phase.FAILED
    assert last_run(world).outcome_reason == (
        "no promotion without a way back: version 1 cannot score rows: cannot load"
    )
    assert world.registry.aliases == {"champion": CHAMPION}


def test_an_artifact_store_that_is_away_for_a_while_costs_no_run(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctrain.engine.child_scores.UNFETCHED_ATTEMPTS", 5)
    away, world = story.at("promoting", tmp_path / "away"), story.at("promoting", tmp_path / "back")
    for one in (away, world):
        one.scorer.unfetched.add(CHAMPION)
        with pytest.raises(TransientError, match="the artifact of version 1 cannot be fetched: 503"):
            one.settle()
        assert last_run(one).phase is Phase.PROMOTING
    world.scorer.unfetched.clear()
    settle_past(world, TransientError)
    assert last_run(world).phase is Phase.PROBATION
    settle_past(away, TransientError)
    assert last_run(away).outcome_reason == (
        "no promotion without a way back: the artifact of version 1 cannot be fetched: 503 Server Error"
    )
    assert away.registry.aliases == {"champion": CHAMPION}


def settle_past(world: World, error: type[Exception]) -> None:
    """Tick until nothing is left to do, as a daemon does whose ticks fail now and then."""
    for _ in range(200):
        with suppress(error):
            world.settle()
            return
    raise AssertionError("the error does not end")


def test_a_way_back_that_is_closed_is_tried_until_it_opens(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    kept = world.registry.digests[CHAMPION]
    world.registry.digests[CHAMPION] = "another"
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    world.live(1)
    assert last_run(world).phase is Phase.ROLLBACK_FAILED
    assert world.registry.aliases["champion"] == CHALLENGER
    assert world.registry.aliases["previous_champion"] == CHAMPION
    world.registry.digests[CHAMPION] = kept
    world.open()
    world.settle()
    assert last_run(world).phase is Phase.ROLLED_BACK
    assert world.registry.aliases == {"champion": CHAMPION}


def test_a_way_back_that_stays_closed_is_tried_less_and_less(story: Story, tmp_path: Path) -> None:
    """Each attempt is four events, and an intent, that nobody ever removes."""
    world = story.at("probation", tmp_path)
    kept = world.registry.digests[CHAMPION]
    world.registry.digests[CHAMPION] = "another"
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    timer: Any = world.watch.timer
    for _ in range(180):
        world.settle()
        timer.seconds += 60
    attempts = world.kinds().count("run_rollback_failed")
    assert 15 <= attempts <= 25
    world.registry.digests[CHAMPION] = kept
    timer.seconds += 600
    world.settle()
    assert last_run(world).phase is Phase.ROLLED_BACK
