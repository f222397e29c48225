"""What a policy keeps of its past while it goes on: changes for long, the rest for a while."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ctrain.domain import Phase, TriggerName, Version
from ctrain.engine import retention
from ctrain.settings import Retention
from tests.contract.store.builders import run
from tests.support.stories import BRIEF, POOR
from tests.support.world import HOUR, World

DAY = timedelta(days=1)
NIGHTLY = TriggerName("nightly")
WITHOUT_RUNS = "{any: [brier], for: 900h}"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A policy that has seen four days and forgotten nothing; its champion has been another before."""
    world = World(tmp_path_factory.mktemp("world"))
    world.edit(world.policy_text.replace("{any: [brier], for: 2h}", WITHOUT_RUNS))
    for slope in (1.8, 2.0):
        world.install(slope)
        world.live(48, step=12)
    return world


@pytest.fixture
def world(lived: World, tmp_path: Path) -> World:
    """A copy of it that keeps a day of all verdicts and two days of changes."""
    world = lived.branch(tmp_path / "branch")
    world.watch.retention = Retention(DAY, 2 * DAY)
    return world


def test_without_new_days_nothing_is_forgotten(world: World) -> None:
    before = world.verdicts()
    world.watch.retention = Retention(4 * DAY, 4 * DAY)
    world.tick()
    assert world.verdicts() == before


def test_old_verdicts_go_but_for_changes_and_what_stands(world: World) -> None:
    before = world.verdicts()
    world.tick()
    after = world.verdicts()
    end = max(one.as_of for one in before)
    assert {one.monitor for one in after} == {one.monitor for one in before}
    for monitor in {one.monitor for one in before}:
        known = [one for one in before if one.monitor == monitor]
        firsts = {known[0].as_of} | {b.as_of for a, b in pairwise(known) if a.status != b.status}
        left = [one for one in after if one.monitor == monitor]
        assert left[-1] == known[-1]
        middle = {one.as_of for one in left if one.as_of < end - DAY - HOUR}
        assert middle <= firsts
        assert {one.as_of for one in known if one.as_of > end - DAY + HOUR} <= {one.as_of for one in left}
    assert len(after) < len(before) / 2


def test_references_of_old_champions_go_but_the_last_ones_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REFERENCES_KEPT", 1)
    with world.store.write() as tx:
        champion = tx.champion(world.name)
        assert champion is not None
        assert tx.reference(world.name, champion.version) is not None
        for number in range(90, 95):
            tx.save_reference(world.name, Version(str(number)), "g", b"old")
    world.tick()
    with world.store.read() as tx:
        assert tx.reference(world.name, champion.version) is not None
        left = [number for number in range(90, 95) if tx.reference(world.name, Version(str(number)))]
    assert left == [94]


def test_what_is_much_goes_in_batches_over_ticks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 50)
    counts = [len(world.verdicts())]
    while world.watch.forgotten_on is None:
        world.tick()
        counts.append(len(world.verdicts()))
    steps = [before - after for before, after in pairwise(counts)]
    assert len(steps) > 2
    assert set(steps[:-1]) == {50}
    assert steps[-1] < 50


def test_without_new_rows_the_present_counts(world: World) -> None:
    world.watch.retention = Retention(30 * DAY, 60 * DAY)
    with world.store.write() as tx:
        for day in range(5):
            tx.claim_occurrence(world.name, NIGHTLY, world.clock.now() + day * DAY)
    before = world.verdicts()
    world.tick()
    assert world.verdicts() == before
    world.clock.instant += 70 * DAY
    world.settle()
    assert {one.monitor for one in world.verdicts()} == {one.monitor for one in before}
    assert len(world.verdicts()) < 10
    with world.store.write() as tx:
        last = world.clock.now() - 66 * DAY
        assert tx.last_occurrence(world.name, NIGHTLY) == last
        assert tx.claim_occurrence(world.name, NIGHTLY, last - DAY)


def test_without_new_rows_folders_of_runs_go_all_the_same(world: World) -> None:
    """A schedule trains on, and each training writes its rows; so does what is to score them."""
    retention.retire(world.watch)
    with world.store.write() as tx:
        champion = tx.champion(world.name)
        assert champion is not None
        for number in range(1, 15):
            version = champion.version if number == 2 else Version(str(100 + number))
            one = run(number, policy=world.name, phase=Phase.CANCELLED, challenger_version=version)
            tx.create_run(one)
            world.watch.workspace.folder(one.id, 1)
            world.watch.workspace.path(f"scores-{world.name}-{version}", "scores.parquet")
    world.clock.instant += DAY
    retention.retire(world.watch)
    left = {path.name for path in (world.folder / "home" / "runs").iterdir()}
    assert left >= {f"run-{number}" for number in range(5, 15)}
    assert left >= {f"scores-{world.name}-{100 + number}" for number in range(5, 15)}
    assert f"scores-{world.name}-{champion.version}" in left
    gone = [f"run-{number}" for number in range(1, 5)]
    assert left.isdisjoint({*gone, *(f"scores-{world.name}-{100 + number}" for number in (1, 3, 4))})


@pytest.mark.parametrize(("rows_kept", "left"), [(None, 3), (10 * DAY, 3), (2 * DAY, 2)])
def test_rows_that_were_set_aside_go_also_where_rows_are_kept_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, rows_kept: timedelta | None, left: int
) -> None:
    """As many days stay as of verdicts, or of other rows when these are fewer."""
    world.watch.retention = Retention(3 * DAY, 4 * DAY)
    monkeypatch.setattr(retention, "kept_for", lambda _: rows_kept)
    aside = world.folder / "home" / "rows" / world.name / "rejected"
    for day in range(1, 6):
        (aside / (world.clock.now() - day * DAY).date().isoformat()).mkdir(parents=True)
    retention.retire(world.watch)
    assert len(list(aside.iterdir())) == left


def test_a_backlog_is_kept_for_as_long_as_it_is_judged(world: World) -> None:
    world.watch.retention = Retention(3 * DAY, 3 * DAY)
    before = len(world.verdicts())
    world.watch.behind = True
    world.clock.instant += 70 * DAY
    retention.retire(world.watch)
    assert len(world.verdicts()) > before / 2


def test_where_all_is_told_at_the_end_nothing_is_forgotten(world: World) -> None:
    before = world.verdicts()
    world.watch.forgets = False
    world.tick()
    assert world.verdicts() == before


def test_a_policy_that_forgets_goes_on_as_one_that_does_not(
    world: World, lived: World, tmp_path: Path
) -> None:
    twin = lived.branch(tmp_path / "twin")
    twin.watch.forgets = False
    for one in (world, twin):
        one.edit(one.policy_text.replace(WITHOUT_RUNS, "{any: [brier], for: 2h}"))
        one.slope = -2.0
        one.watch.retention = Retention(DAY, DAY)
        one.watch.forgets = one is world
        one.live(12, step=12)
    assert [run.phase for run in world.runs()] == [run.phase for run in twin.runs()]
    assert [run.created_at for run in world.runs()] == [run.created_at for run in twin.runs()]
    ours, theirs = world.verdicts(), twin.verdicts()
    assert len(ours) < len(theirs) / 2
    assert all(one in theirs for one in ours)


def test_a_file_of_removed_days_that_is_replaced_counts_no_row_twice(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=BRIEF)
    world.install(POOR)
    for hours in (24, 24, 24):
        world.land_together(hours)
        world.settle()
    for path in (tmp_path / "rows").iterdir():
        pq.write_table(pq.read_table(path).sort_by([("at", "descending")]), path)
    world.edit(BRIEF.replace("retention: 36h", "retention: 90d"))
    world.settle()
    with world.store.read() as tx:
        state, segments = tx.ingest_state(world.name), tx.segments(world.name)
    assert "2024-01-01" not in {one.event_date for one in segments}
    rows_sent = 72 * world.rows_per_hour
    assert (state.rows_total, state.duplicates_total, state.late_total) == (rows_sent, rows_sent, 0)
