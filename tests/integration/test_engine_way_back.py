"""A probation whose previous champion is gone, or cannot be scored any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.domain import Phase, RequestKind, ScoreJob, ScoreStatus
from ctrain.queries import FleetQueries
from ctrain.queries.headline import of_run
from tests.support.stories import CHALLENGER, CHAMPION, POOR, QUICK, Story, last_run
from tests.support.takeovers import FOREIGN, take_over
from tests.support.world import START, World

BLIND = "nothing is compared on probation: version 1 cannot score rows: cannot load"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story")).tell()


def go_blind(world: World) -> None:
    """Rows come whose scores by the version before cannot be had."""
    world.scorer.broken.add(CHAMPION)
    world.land_together(6)
    for _ in range(60):
        world.tick()


def test_a_probation_ends_when_the_version_before_was_deleted(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    del world.registry.versions[CHAMPION]
    del world.registry.aliases["previous_champion"]
    world.live(6)
    run = last_run(world)
    assert run.phase is Phase.SUPERSEDED
    assert run.outcome_reason == (
        "version 1 was deleted from the registry: nothing is left to compare version 2 with, which stays the "
        "champion without a way back"
    )
    assert world.registry.aliases == {"champion": CHALLENGER}
    world.live(6)
    assert world.tick().quiet


def test_a_probation_that_compares_nothing_is_told_once_and_keeps_nobody_busy(
    story: Story, tmp_path: Path
) -> None:
    world = story.at("probation", tmp_path)
    go_blind(world)
    assert world.tick().quiet
    assert last_run(world).phase is Phase.PROBATION
    assert last_run(world).outcome_reason == BLIND
    assert world.kinds().count("probation_blind") == 1
    with world.store.write() as tx:
        tx.save_policy(world.name, "hash", str(world.folder / "clicks.yaml"), {}, START)
    queries = FleetQueries(world.store, world.clock, {})
    (status,) = queries.status().policies
    assert BLIND in queries.why(world.name).notes
    assert status.run is not None
    assert of_run(status.run).text == f"{BLIND.replace('nothing', 'Nothing')}."


def test_a_probation_that_sees_again_goes_on_to_its_end(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    go_blind(world)
    world.scorer.broken.clear()
    for _ in range(100):
        world.tick()
    assert world.kinds().count("probation_sees") == 1
    assert last_run(world).outcome_reason.startswith("version 1 can be scored again")
    world.live(24)
    assert last_run(world).phase is Phase.ACCEPTED


def test_a_blind_probation_can_be_rolled_back(story: Story, tmp_path: Path) -> None:
    world = story.at("probation", tmp_path)
    go_blind(world)
    asked = world.ask(RequestKind.CANCEL, run=last_run(world).id)
    assert asked.answer == "done: run clicks-1 is ROLLING_BACK"
    assert last_run(world).phase is Phase.ROLLED_BACK


def test_what_the_version_before_fails_with_is_not_said_of_the_champion(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion is version 2, too."""
    world = story.at("probation", tmp_path)
    submit = world.scorer.submit

    def refuse(job: ScoreJob) -> None:
        submit(job)
        if job.version.version == CHAMPION:
            world.scorer.states[job.key] = ScoreStatus("failed", "it needs format version 2 or later")

    monkeypatch.setattr(world.scorer, "submit", refuse)
    go_blind(world)
    assert last_run(world).phase is Phase.PROBATION
    assert world.registry.aliases["champion"] == CHALLENGER


def test_a_rollback_needs_no_version_but_the_one_that_it_goes_back_to(story: Story, tmp_path: Path) -> None:
    """What the alias of the previous champion named before the promotion was deleted since."""
    world = story.at("promoting", tmp_path)
    older = world.install(POOR)
    world.registry.aliases |= {"champion": CHAMPION, "previous_champion": older}
    world.settle()
    assert last_run(world).phase is Phase.PROBATION
    del world.registry.versions[older]
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    assert last_run(world).phase is Phase.ROLLED_BACK
    assert world.registry.aliases == {"champion": CHAMPION}


def test_a_probation_whose_features_are_gone_is_told_once_and_ends_with_another_champion(
    story: Story, tmp_path: Path
) -> None:
    world = story.at("probation", tmp_path)
    world.edit(QUICK.replace("numeric: [x, z]", "numeric: [x]"))
    world.settle()
    assert last_run(world).outcome_reason == (
        "nothing is compared on probation: features that the run needs are no longer in the policy: z"
    )
    assert world.tick().quiet
    assert world.kinds().count("probation_blind") == 1
    take_over(world)
    world.settle()
    run = last_run(world)
    assert run.phase is Phase.SUPERSEDED
    assert run.outcome_reason == f"the champion alias names {FOREIGN}: someone else moved it"
