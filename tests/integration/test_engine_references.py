"""References of every kind: from panes before the window, from the same hours of weeks, from a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import Status, Verdict
from ctrain.engine import panes
from ctrain.settings import Retention
from ctrain.stats.profile import profile_panes
from tests.support.world import HOUR, POLICY, START, World

DRIFT = """\
monitors:
  inputs: {type: drift, window: WINDOW, min_rows: 60, fdr: 0.01, min_effect: 0.15, columns: [x]}
"""
BEFORE, AFTER = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
WEEK_OF_HOURS = 7 * 24


def policy(reference: str, window: str = "6h", pane: str = "1h") -> str:
    before, after = BEFORE.replace("pane: 1h", f"pane: {pane}"), AFTER.replace("block: 1h", f"block: {pane}")
    return before + f"reference: {reference}\n" + DRIFT.replace("WINDOW", window) + after


def judged(world: World) -> list[Verdict]:
    return [one for one in world.verdicts() if one.monitor == "inputs"]


def told(world: World) -> list[tuple[object, ...]]:
    return [
        (one.as_of, one.status, one.value, one.threshold, one.n, one.reason, one.features)
        for one in judged(world)
    ]


def breaches(world: World) -> list[int]:
    """Hours at whose end the inputs had drifted."""
    return [(one.as_of - START) // HOUR for one in judged(world) if one.status is Status.BREACHED]


# A sliding reference


def moved(folder: Path, step: int, restart: int = 0) -> World:
    """Ten days; from the seventh on the inputs stay elsewhere. No champion at all."""
    folder.mkdir()
    world = World(folder, policy_text=policy("{last: 2d, lag: 12h}"), rows_per_hour=15)
    for hour in range(0, 240, step):
        world.shift = 1.5 if hour >= 144 else 0.0
        world.land_together(step)
        world.settle()
        if restart and hour % restart == 0:
            world.open()
    return world


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> World:
    return moved(tmp_path_factory.mktemp("sliding") / "world", 8)


def test_a_sliding_reference_alarms_until_the_change_is_part_of_it(sliding: World) -> None:
    """The reference moves on at hour 168; from then on it varies as much itself."""
    found = breaches(sliding)
    assert 144 < found[0] <= 150
    assert found == list(range(found[0], 168))
    after = [one for one in judged(sliding) if one.as_of >= START + 168 * HOUR]
    assert after
    assert {one.status for one in after} == {Status.OK}


def test_a_sliding_reference_waits_until_it_is_complete(sliding: World) -> None:
    first = next(one for one in judged(sliding) if one.status is not Status.INCONCLUSIVE)
    assert first.as_of == START + 72 * HOUR
    assert "before the first row" in judged(sliding)[60].reason
    assert first.model_version is None


def test_a_sliding_reference_knows_how_much_it_varies(sliding: World) -> None:
    assert all("is unknown" not in one.reason for one in judged(sliding) if one.n)


@pytest.mark.parametrize(("step", "restart"), [(48, 0), (24, 24)])
def test_sliding_verdicts_do_not_depend_on_ticks(
    sliding: World, tmp_path: Path, step: int, restart: int
) -> None:
    assert told(moved(tmp_path / "world", step, restart)) == told(sliding)


# The same hours of other weeks


def seasons(folder: Path, reference: str) -> World:
    """Five weeks in which inputs are elsewhere by day; in the last one also on the night to Thursday."""
    folder.mkdir()
    world = World(folder, policy_text=policy(reference, pane="6h"), rows_per_hour=12)
    for hour in range(0, 5 * WEEK_OF_HOURS, 6):
        strange = 4 * WEEK_OF_HOURS + 72 <= hour < 4 * WEEK_OF_HOURS + 78
        world.shift = 1.5 if hour % 24 in (6, 12) or strange else 0.0
        world.land_together(6)
    world.settle()
    return world


@pytest.fixture(scope="module")
def seasonal(tmp_path_factory: pytest.TempPathFactory) -> World:
    return seasons(tmp_path_factory.mktemp("seasonal") / "world", "{same_hours_last: 4w}")


def test_monday_morning_is_compared_with_monday_mornings(seasonal: World) -> None:
    assert breaches(seasonal) == [4 * WEEK_OF_HOURS + 78]


def test_a_sliding_reference_takes_a_night_like_a_day_for_usual(tmp_path: Path) -> None:
    assert breaches(seasons(tmp_path / "world", "{last: 1w}")) == []


def test_three_weeks_are_needed(seasonal: World) -> None:
    first = next(one for one in judged(seasonal) if one.status is not Status.INCONCLUSIVE)
    assert first.as_of == START + (3 * WEEK_OF_HOURS + 6) * HOUR
    before = [one for one in judged(seasonal) if START + 48 * HOUR < one.as_of < first.as_of]
    assert all("in 3 of the last 4 weeks, has" in one.reason for one in before)


# A file


def write_file(path: Path, mean: float, *, timed: bool, seed: int = 3) -> None:
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "x": random.normal(mean, 1, 2000),
        "z": random.normal(0, 1, 2000),
        "kind": random.choice(["a", "b", "c"], 2000),
    }
    if timed:
        at = [START - timedelta(minutes=number) for number in range(2000)]
        columns["at"] = pa.array(at, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns), path)


def beside_a_file(folder: Path, *, timed: bool) -> World:
    folder.mkdir()
    write_file(folder / "reference.parquet", 0.0, timed=timed)
    return World(folder, policy_text=policy("{path: reference.parquet}"), rows_per_hour=15)


def test_a_file_needs_no_champion_and_no_first_rows(tmp_path: Path) -> None:
    world = beside_a_file(tmp_path / "world", timed=True)
    world.live(12, step=6)
    first, *_, last = judged(world)
    assert (first.as_of, last.status) == (START + HOUR, Status.OK)
    assert "is unknown" not in last.reason
    world.shift = 1.5
    world.live(12, step=6)
    assert judged(world)[-1].status is Status.BREACHED


def test_a_file_without_times_says_that_its_variability_is_unknown(tmp_path: Path) -> None:
    world = beside_a_file(tmp_path / "world", timed=False)
    world.live(12, step=6)
    assert judged(world)[-1].status is Status.OK
    assert "is unknown" in judged(world)[-1].reason


@pytest.mark.parametrize("times", [[], ["--event-time", "at"]], ids=["without times", "with times"])
def test_a_profile_is_a_reference(tmp_path: Path, times: list[str]) -> None:
    world = beside_a_file(tmp_path / "world", timed=True)
    rows, stored = world.folder / "reference.parquet", world.folder / "reference.profile"
    found = CliRunner().invoke(app, ["profile", str(rows), "-o", str(stored), *times])
    assert found.exit_code == 0, found.output
    rows.unlink()
    world.edit(policy("{path: reference.profile}"))
    world.live(12, step=6)
    assert judged(world)[-1].status is Status.OK
    assert "is unknown" in judged(world)[-1].reason
    world.shift = 1.5
    world.live(6, step=6)
    assert judged(world)[-1].status is Status.BREACHED
    world.open()
    assert world.kinds().count("reference_made") == 1


def test_a_profile_of_other_columns_is_refused_by_its_monitors(tmp_path: Path) -> None:
    world = beside_a_file(tmp_path / "world", timed=True)
    rows, stored = world.folder / "reference.parquet", world.folder / "reference.profile"
    pq.write_table(pq.read_table(rows).drop_columns(["z"]), rows)
    assert CliRunner().invoke(app, ["profile", str(rows), "-o", str(stored)]).exit_code == 0
    world.edit(policy("{path: reference.profile}"))
    world.live(3, step=3)
    assert {one.status for one in judged(world)} == {Status.INCONCLUSIVE}
    assert judged(world)[-1].reason == "the profile of reference.parquet lacks the feature z"


def test_a_file_that_changes_is_a_new_reference_and_an_old_one_is_found_again(tmp_path: Path) -> None:
    world = beside_a_file(tmp_path / "world", timed=True)
    world.live(12, step=6)
    world.open()
    world.live(6, step=6)
    assert world.kinds().count("reference_made") == 1
    write_file(world.folder / "reference.parquet", 1.5, timed=True)
    world.live(6, step=6)
    assert judged(world)[-1].status is Status.BREACHED
    write_file(world.folder / "reference.parquet", 0.0, timed=True)
    world.live(6, step=6)
    assert judged(world)[-1].status is Status.OK
    assert world.kinds().count("reference_made") == 2


def test_a_file_that_is_gone_blinds_its_monitors_only(tmp_path: Path) -> None:
    world = beside_a_file(tmp_path / "world", timed=True)
    world.install(2.0)
    (world.folder / "reference.parquet").unlink()
    world.live(6, step=6)
    assert {one.status for one in judged(world)} == {Status.INCONCLUSIVE}
    assert "the reference cannot be read" in judged(world)[-1].reason
    assert world.runs() == []


# Backlogs


def test_a_backlog_longer_than_rows_are_kept_is_judged_before_they_go(tmp_path: Path) -> None:
    """Forty days land at once where rows are kept for two weeks."""
    write_file(tmp_path / "reference.parquet", 0.0, timed=True)
    text = policy("{path: reference.parquet}", pane="6h")
    world = World(tmp_path, policy_text=text, rows_per_hour=15)
    world.watch.retention = Retention(verdicts=timedelta(days=60))
    world.land_together(40 * 24)
    world.settle()
    assert len(judged(world)) > 150
    assert {one.n for one in judged(world)[1:]} == {6 * 15}
    kept = world.watch.row_log.read(START, START + 40 * 24 * HOUR)
    assert kept["event_at"][0].as_py() > START + 20 * 24 * HOUR


# New grids


def test_a_new_grid_is_counted_in_slices_and_judges_as_if_it_had_been_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another champion's grid: all panes of its windows are counted again, a few at a time."""

    def story(folder: Path) -> World:
        folder.mkdir()
        world = World(folder, policy_text=policy("{from: champion}", window="12h"), rows_per_hour=15)
        cut_off = START + 24 * HOUR
        known = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": cut_off.isoformat()}
        world.install(2.0, known)
        world.live(72, step=12)
        earlier = START + 20 * HOUR
        world.install(1.9, {**known, "ctrain.cut_off": earlier.isoformat()})
        world.live(8, step=4)
        return world

    whole = story(tmp_path / "whole")
    monkeypatch.setattr(panes, "PANES_A_LOOK", 7)
    monkeypatch.setattr(panes, "PANES_AT_ONCE", 3)
    read: list[int] = []

    def noted(rows: pa.Table, *arguments: Any) -> Any:
        read.append(rows.num_rows)
        return profile_panes(rows, *arguments)

    monkeypatch.setattr(panes, "profile_panes", noted)
    sliced = story(tmp_path / "sliced")
    assert told(sliced) == told(whole)
    assert max(read) <= 3 * 15
    assert sum(read) > 80 * 15


def test_a_restart_reads_nodes_not_rows(sliding: World, tmp_path: Path) -> None:
    world = sliding.branch(tmp_path / "world")
    world.open()
    asked: list[Any] = []
    world.listener = lambda call, moment, given: (
        asked.append(given) if (call, moment) == ("row_log.read", "before") else None
    )
    selected: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pane_profiles" in statement and statement.startswith(
            "SELECT pane_profiles.start, pane_profiles.profile"
        ):
            selected.append(statement)

    engine = world.store._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        world.live(1)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert judged(world)[-1].n > 0
    assert len(selected) < 60
    assert all(end - start <= 24 * HOUR for start, end, *_ in asked)
