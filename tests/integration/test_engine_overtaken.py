"""Two daemons on one policy: the one that slept is refused, and what it still writes is put back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Phase, Request, RequestKind, Version
from ctrain.domain.leases import policy_lease
from ctrain.engine.tick import tick
from ctrain.engine.watch import Watch
from ctrain.errors import StateConflict
from tests.support.stories import CHALLENGER, CHAMPION, Story, last_run
from tests.support.takeovers import BEFORE_PREVIOUS, FOREIGN, Moment, take_over, when
from tests.support.world import POLICY, World

BEFORE_CHAMPION = ("registry.set_alias", "before", ("champion",))
HOUR = timedelta(hours=1)


def lease(world: World, holder: str) -> Watch:
    """The watch of a daemon that has the policy from now on; every lease before it has run out."""
    name = policy_lease(world.name)
    with world.store.write() as tx:
        for other in {one.holder for one in tx.live_leases(tx.database_now())}:
            tx.release_leases(other)
        token = tx.acquire_lease(name, holder, tx.database_now(), HOUR)
    assert token is not None
    world.open()
    world.watch.lease = (name, token)
    return world.watch


def overtaken_at(world: World, moment: Moment, act: Callable[[World], None]) -> None:
    """A daemon stops at the moment; another takes over, acts, and comes to rest; then the first goes on."""
    sleeper = lease(world, "the sleeper")

    def other_takes_over(world: World) -> None:
        world.listener = None
        lease(world, "the other")
        act(world)

    happened = when(world, moment, other_takes_over)
    with pytest.raises(StateConflict, match=r"token 1 is fenced off, valid is 2"):
        tick_on(sleeper)
    assert happened


def tick_on(watch: Watch, limit: int = 20) -> None:
    for _ in range(limit):
        tick(watch)


def promote_and_roll_back(world: World) -> None:
    world.settle()
    assert last_run(world).phase is Phase.PROBATION
    with world.store.write() as tx:
        wish = Request(0, world.name, RequestKind.ROLLBACK, "ada", world.clock.now(), {})
        tx.add_request(wish)
    world.settle()
    assert last_run(world).phase is Phase.ROLLED_BACK
    assert world.registry.aliases["champion"] == CHAMPION


def reverted(world: World) -> list[str]:
    with world.store.read() as tx:
        return [one.message for one in tx.events(world.name) if one.kind == "stale_write_reverted"]


def known_champion(world: World) -> tuple[Version, str]:
    with world.store.read() as tx:
        champion = tx.champion(world.name)
    assert champion is not None
    return champion.version, champion.origin


def test_a_commit_in_doubt_sweeps_no_file_of_the_daemon_that_has_the_policy_by_now(tmp_path: Path) -> None:
    world = World(tmp_path)
    sleeper = lease(world, "the sleeper")
    sleeper.row_log_in_doubt = True
    lease(world, "the other")
    uncommitted = tmp_path / "home" / "rows" / world.name / "rows" / "2024-01-01" / "of-the-other.parquet"
    uncommitted.parent.mkdir(parents=True)
    uncommitted.touch()
    with pytest.raises(StateConflict, match=r"token 1 is fenced off, valid is 2"):
        tick(sleeper)
    assert uncommitted.exists()
    world.watch.row_log_in_doubt = True
    tick(world.watch)
    assert not uncommitted.exists()


def test_a_late_write_after_a_rollback_is_put_back_once(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)
    overtaken_at(world, BEFORE_CHAMPION, promote_and_roll_back)
    assert world.registry.aliases["champion"] == CHALLENGER, "the late write has landed"
    before = known_champion(world)
    world.settle()
    assert world.registry.aliases["champion"] == CHAMPION
    assert known_champion(world) == before == (CHAMPION, "rolled_back")
    (message,) = reverted(world)
    assert "began under token 1 was done under 2; version 1 is the champion as before" in message
    assert "champion_changed_outside" not in world.kinds()
    world.registry.aliases["champion"] = CHALLENGER
    world.settle()
    assert known_champion(world) == (CHALLENGER, "external"), "what comes again is somebody's wish"
    assert len(reverted(world)) == 1


def test_a_late_write_over_the_champion_of_a_person_gives_theirs_back(story: Story, tmp_path: Path) -> None:
    def give_way(world: World) -> None:
        take_over(world)
        world.settle()
        assert last_run(world).phase is Phase.SUPERSEDED
        assert known_champion(world) == (FOREIGN, "external")

    world = story.at("promoting", tmp_path)
    overtaken_at(world, BEFORE_CHAMPION, give_way)
    assert world.registry.aliases["champion"] == CHALLENGER
    world.settle()
    assert world.registry.aliases["champion"] == FOREIGN
    assert known_champion(world) == (FOREIGN, "external")
    assert len(reverted(world)) == 1
    assert "was superseded under 2" in reverted(world)[0]


@pytest.mark.parametrize("moment", [BEFORE_PREVIOUS, BEFORE_CHAMPION])
def test_a_move_that_the_other_finishes_is_finished_once(
    story: Story, tmp_path: Path, moment: Moment
) -> None:
    world = story.at("promoting", tmp_path)
    overtaken_at(world, moment, assert_promoted)
    assert_promoted(world)
    assert reverted(world) == []
    assert world.kinds().count("promoted") == 1


def assert_promoted(world: World) -> None:
    world.settle()
    aliases = world.registry.aliases
    assert (aliases["champion"], aliases["previous_champion"]) == (CHALLENGER, CHAMPION)
    assert last_run(world).phase is Phase.PROBATION


def test_an_alias_that_a_person_moves_back_is_theirs_where_nobody_slept(story: Story, tmp_path: Path) -> None:
    world = story.at("promoting", tmp_path)
    lease(world, "the only one")
    promote_and_roll_back(world)
    world.registry.aliases["champion"] = CHALLENGER
    world.settle()
    assert known_champion(world) == (CHALLENGER, "external")
    assert reverted(world) == []


def test_rows_are_counted_once_whoever_reads_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.land_together(12)
    sleeper = lease(world, "the sleeper")
    taken: list[int] = []

    def other_takes_over(call: str, at: str, _: object) -> None:
        if (call, at) == ("row_log.write_rows", "after"):
            world.listener = None
            lease(world, "the other")
            world.settle()
            taken.append(1)

    world.listener = other_takes_over
    with pytest.raises(StateConflict, match="fenced off"):
        tick(sleeper)
    assert taken
    with world.store.read() as tx:
        state, segments = tx.ingest_state(world.name), tx.segments(world.name)
    assert (state.rows_total, state.duplicates_total) == (12 * world.rows_per_hour, 0)
    rows = tmp_path / "home" / "rows"
    assert {one.path for one in segments} == {
        path.relative_to(rows).as_posix() for path in rows.rglob("*.parquet")
    }


def test_a_schedule_fires_once_whoever_looks(tmp_path: Path) -> None:
    nightly = POLICY.replace(
        "degraded: {any: [brier], for: 2h}",
        'degraded: {any: [brier], for: 2h}\n  hourly: {cron: "0 * * * *", timezone: UTC}',
    )
    world = World(tmp_path, policy_text=nightly)
    world.install(0.3)
    world.launcher.busy = True
    world.land_together(60)
    sleeper = lease(world, "the sleeper")
    taken: list[int] = []

    def other_takes_over(call: str, at: str, _: object) -> None:
        with world.store.read() as tx:
            about_to_fire = tx.ingest_state(world.name).rows_total > 0
        if about_to_fire and call == "store.commit" and at == "after":
            world.listener = None
            lease(world, "the other")
            taken.append(1)
            world.settle_but_wait()

    world.listener = other_takes_over
    with pytest.raises(StateConflict, match="fenced off"):
        tick_on(sleeper)
    assert taken
    (run,) = world.runs()
    assert run.trigger == "hourly"
    assert world.kinds().count("run_queued") == 1
    assert world.launcher.started == [(run.id, 1)]
