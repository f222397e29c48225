"""A few crashes at points that matter, each in a fork: every promise is kept, and a planted bug is found."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from ctrain.faults import Fault, Faults
from ctrain.faults.reading import fail_for_now, fill_the_disk
from tests.chaos.checker import broken_promises
from tests.chaos.forks import Life, Toll, draw_episode, endure, live, play
from tests.chaos.planted import PLANTED
from tests.chaos.world import LEGS, DurableStory, told_story
from tests.support.stories import ask_to_train

SLOW_REGISTRY = (Fault("registry.*:after", fail_for_now, last=None, probability=0.2),)
FULL_DISK = (
    Fault("workspace.write:before", fill_the_disk, last=3),
    Fault("segments.write:before", fail_for_now),
)

EPISODES = {
    "from the trigger to the shadow": [
        Life("segments.write:after", 2),
        Life("commit.rows:after", 1),
        Life("launcher.start:before", 1, FULL_DISK),
        Life("commit.run_shadowing:before", 1, SLOW_REGISTRY),
    ],
    "from the shadow to probation": [
        Life("commit.compared_shadowing:before", 1),
        Life("commit.intent:after", 1),
        Life("registry.set_alias.champion:after", 1, SLOW_REGISTRY),
    ],
    "rollback of an accepted champion": [Life("registry.set_alias.champion:before", 1)],
    "a file that is cut off": [Life("commit.rows:before", 1)],
    "a clock that jumps": [Life("commit.decision:after", 1)],
    "acceptance": [
        Life("commit.lease:before", 1),
        Life("commit.lease:after", 2),
        Life("commit.lease_released:after", 1),
        Life("commit.lease_renewed:before", 2),
        Life("commit.lease_released:before", 2),
    ],
    "rows that were removed": [
        Life("commit.rows:after", 1),
        Life("row_log.delete:before", 1),
        Life("segments.delete:before", 1),
    ],
}


@pytest.fixture(scope="module")
def story() -> DurableStory:
    return told_story()


@pytest.mark.parametrize("leg", EPISODES)
def test_promises_are_kept_however_often_somebody_dies(story: DurableStory, tmp_path: Path, leg: str) -> None:
    toll = Toll()
    world = story.bookmarks[LEGS[leg][0]].branch(tmp_path / "world")
    assert play(world, leg, EPISODES[leg], toll) == []
    assert list(toll.kills) == [life.point for life in EPISODES[leg]], "each of them died where it should"


@pytest.mark.parametrize(
    ("leg", "point", "expected"),
    [
        ("from the shadow to probation", "commit.intent:after", ["finished"]),
        ("from the shadow to probation", "commit.intent:before", []),
        ("rollback of an accepted champion", "registry.set_alias.champion:after", ["finished"]),
    ],
)
def test_what_became_of_a_move_that_was_found_half_done_is_on_record(
    story: DurableStory, tmp_path: Path, leg: str, point: str, expected: list[str]
) -> None:
    world = story.bookmarks[LEGS[leg][0]].branch(tmp_path / "world")
    assert play(world, leg, [Life(point, 1)], Toll()) == []
    query = "SELECT evidence FROM events WHERE kind = 'reconciled'"
    assert [json.loads(row["evidence"])["how"] for row in world.evidence().select(query)] == expected


@pytest.mark.parametrize("kind", ["rows", "labels", "scores"])
def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    story: DurableStory, tmp_path: Path, kind: str
) -> None:
    """As when the connection breaks just then: everything is kept, and the one who wrote it goes on."""
    world = story.bookmarks["compared"].branch(tmp_path / "world")
    world.faults = Faults([Fault(f"commit.{kind}:after", fail_for_now, last=2)])
    world.open()
    for _ in range(3):
        world.land(2)
        endure(world)
    assert world.faults.reached[f"commit.{kind}:after"]
    world.store.close()
    assert broken_promises(world.evidence()) == []


def test_scores_that_were_kept_just_before_a_crash_are_not_kept_again(
    story: DurableStory, tmp_path: Path
) -> None:
    world = story.bookmarks["watched"].branch(tmp_path / "world")
    ask_to_train(world)
    world.settle()
    world.land_together(6)
    assert live(world, Life("workspace.remove:before", 1))
    world._open_store()
    world.open()
    for _ in range(2):
        world.land_together(3)
        world.settle()
    world.store.close()
    assert broken_promises(world.evidence()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(
    story: DurableStory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bug = PLANTED[name]
    bug.plant(monkeypatch)
    world = story.bookmarks[LEGS[bug.leg][0]].branch(tmp_path / "world")
    found = play(world, bug.leg, [bug.life], Toll())
    assert any(bug.found in line for line in found), found


def test_episodes_are_drawn_where_fewest_have_died() -> None:
    reached = {"one": {"a:before": 2, "b:after": 1}, "two": {"c:before": 3}}
    toll, chance = Toll(), random.Random(3)
    for _ in range(30):
        leg, lives = draw_episode(chance, reached, toll)  # type: ignore[arg-type]  # a counter is a dict
        assert all(life.point in reached[leg] for life in lives)
        toll.kills.update(life.point for life in lives[:1])
    assert max(toll.kills.values()) - min(toll.kills.values()) <= 1
