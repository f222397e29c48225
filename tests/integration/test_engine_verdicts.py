"""Verdicts are given once per closed pane, whenever and however the rows came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Outcome, Status
from ctrain.engine import ingest as reading
from tests.support.feeds import Turn
from tests.support.world import HOUR, POLICY, START, World

WATCHED = """\
monitors:
  inputs: {type: drift, window: 6h, min_rows: 100, fdr: 0.01, min_effect: 0.15}
  error: {type: change, detector: page_hinkley, hold: 6h, run_length: 100000, min_rows: 100}
  brier: {type: performance, metric: brier, window: 12h, above: 0.24, min_rows: 100}
  rows: {type: volume, window: 3h, min_rows: 50}
  fresh: {type: freshness, max_age: 6h}
"""
BEFORE, AFTER = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
QUIET = BEFORE + WATCHED + AFTER
TRAINED_UNTIL = START + 24 * HOUR
STORY = Turn(hours=60, at=42, shift=0.8)
HOURS, TURN = STORY.hours, STORY.at
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}

Given = tuple[object, ...]
Feed = Callable[[World], None]


def given(world: World) -> list[Given]:
    """Every verdict that follows panes, without what may differ: nothing."""
    return [
        (one.as_of, one.monitor, one.status, one.value, one.threshold, one.n, one.reason, one.features)
        for one in world.verdicts()
        if one.monitor != "fresh"
    ]


def six_at_once(world: World) -> None:
    for _ in range(0, HOURS, 6):
        STORY.reach(world)
        world.live(6, step=6)


def swapped(world: World) -> None:
    """Every second hour lands before the one it follows, and is seen before it."""
    second = None
    for _ in range(0, HOURS, 2):
        STORY.reach(world)
        first, second = world.produce(), world.produce()
        world.put_rows(second)
        world.settle()
        world.put_rows(first)
        world.settle()
    assert second is not None
    world.put_rows(second)
    world.settle()


FEEDS: dict[str, Feed] = {
    "six hours at once": six_at_once,
    "one backlog": STORY.backlog,
    "restarts": STORY.restarted,
    "out of order": swapped,
}


def fed(folder: Path, feed: Feed, tags: dict[str, str], *, logs_scores: bool = True) -> World:
    folder.mkdir()
    world = World(folder, policy_text=QUIET, rows_per_hour=30, logs_scores=logs_scores)
    world.install(2.0, tags)
    feed(world)
    return world


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A champion whose training is on record, watched hour by hour."""
    return fed(tmp_path_factory.mktemp("live") / "world", STORY.hourly, KNOWN)


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A champion about which nothing is on record, watched hour by hour."""
    return fed(tmp_path_factory.mktemp("unknown") / "world", STORY.hourly, {})


def test_the_story_has_verdicts_of_every_kind(live: World) -> None:
    seen = {(one.monitor, one.status) for one in live.verdicts()}
    every = {Status.OK, Status.BREACHED, Status.INCONCLUSIVE}
    for monitor in ("inputs", "error", "brier"):
        assert {status for name, status in seen if name == monitor} == every
    assert {status for name, status in seen if name == "rows"} == {Status.OK, Status.INCONCLUSIVE}


def test_no_pane_is_judged_twice_or_left_out(live: World) -> None:
    closed = [one.as_of for one in live.verdicts() if one.monitor == "inputs"]
    assert closed == [START + HOUR * number for number in range(1, HOURS - 1)]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_a_feed_changes_no_verdict(live: World, tmp_path: Path, feed: Feed) -> None:
    assert given(fed(tmp_path / "world", feed, KNOWN)) == given(live)


@pytest.mark.parametrize("feed", [STORY.backlog, STORY.restarted], ids=["one backlog", "restarts"])
def test_scores_of_children_give_the_verdicts_that_logged_ones_give(
    live: World, tmp_path: Path, feed: Feed
) -> None:
    world = fed(tmp_path / "world", feed, KNOWN, logs_scores=False)
    assert given(world) == given(live)


def test_a_reference_of_first_rows_is_the_same_whenever_it_is_made(unknown: World, tmp_path: Path) -> None:
    assert given(fed(tmp_path / "world", STORY.backlog, {})) == given(unknown)


def test_inputs_are_judged_only_on_rows_after_the_reference(unknown: World, live: World) -> None:
    for world in (unknown, live):
        judged = [one for one in world.verdicts() if one.monitor == "inputs" and one.n]
        assert judged[0].as_of > TRAINED_UNTIL
        assert judged[0].n <= (judged[0].as_of - TRAINED_UNTIL) / HOUR * 30


def test_a_monitor_that_was_taken_out_is_shown_no_more(live: World, tmp_path: Path) -> None:
    world = live.branch(tmp_path / "edited")
    world.telemetry.counted.clear()
    world.edit(world.policy_text.replace("  fresh: {type: freshness, max_age: 6h}\n", ""))
    world.settle()
    shown = {key[2] for key in world.telemetry.counted if key[0] == "monitor_status"}
    assert shown == {"inputs", "error", "brier", "rows"}


def test_losses_are_judged_only_once_matured_and_unseen(live: World) -> None:
    first = next(one for one in live.verdicts() if one.monitor == "brier" and one.status is Status.OK)
    matured = first.as_of - timedelta(hours=2) - TRAINED_UNTIL
    assert first.n == matured / HOUR * 30


def test_rows_that_come_too_late_are_counted_and_change_nothing(live: World, tmp_path: Path) -> None:
    def with_latecomers(world: World) -> None:
        for hour in range(HOURS):
            STORY.reach(world)
            world.live(1)
            if hour % 20 == 19:
                send_latecomers(world, hour)

    world = fed(tmp_path / "world", with_latecomers, KNOWN)
    assert given(world) == given(live)
    assert world.telemetry.counted["rows_late_total", world.name] == 15
    with world.store.read() as tx:
        state = tx.ingest_state(world.name)
    assert (state.late_total, state.rows_total) == (15, HOURS * 30 + 15)
    assert world.watch.row_log.read(START, START + HOUR * HOURS).num_rows == HOURS * 30 + 15


def send_latecomers(world: World, hour: int) -> None:
    """Five rows of a pane that has been judged: far away, badly scored, with labels."""
    ids = [f"late-{hour}-{number}" for number in range(5)]
    rows: dict[str, Any] = {
        "id": ids,
        "at": pa.array([START + HOUR * (hour - 5)] * 5, pa.timestamp("us", "UTC")),
        "x": [9.0] * 5,
        "z": [9.0] * 5,
        "kind": ["a"] * 5,
        "score": [1.0] * 5,
        "version": ["1"] * 5,
    }
    pq.write_table(pa.table(rows), world.folder / "rows" / f"late-{hour}.parquet")
    pq.write_table(pa.table({"id": ids, "y": [0.0] * 5}), world.folder / "labels" / f"late-{hour}.parquet")
    world.settle()


def test_rows_wait_for_labels_that_have_not_been_read(
    live: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS_PER_READ", 300)
    monkeypatch.setattr(reading, "READS_PER_TICK", 1)

    def behind_other_labels(world: World) -> None:
        others = [f"of-somebody-else-{number}" for number in range(2000)]
        pq.write_table(pa.table({"id": others, "y": [1.0] * 2000}), world.folder / "labels" / "0.parquet")
        STORY.backlog(world)

    assert given(fed(tmp_path / "world", behind_other_labels, KNOWN)) == given(live)


def test_a_backlog_with_a_lasting_condition_starts_one_run(tmp_path: Path) -> None:
    eager = "triggers:\n  any: {any: [brier, inputs]}\n"
    world = World(tmp_path, policy_text=BEFORE + WATCHED + eager + AFTER.replace("cooldown: 1d, ", ""))
    world.install(2.0, KNOWN)
    STORY.backlog(world)
    assert sum(one.status is Status.BREACHED for one in world.verdicts()) > 20
    assert len(world.runs()) == 1
    assert [one.outcome for one in world.decisions()].count(Outcome.FIRED) == 1
