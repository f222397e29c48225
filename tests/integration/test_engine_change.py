"""Change monitors in the engine: what they watch, when they can say something, whose rows they compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import Json, MonitorName, Phase, Status, Verdict, Version
from tests.support.feeds import Turn
from tests.support.world import HOUR, POLICY, START, World

WATCHED = """\
monitors:
  loss: {type: change, hold: 6h, run_length: 10000, min_rows: 100}
  scores:
    {type: change, on: prediction, direction: both, detector: cusum, hold: 6h, run_length: 10000,
     min_rows: 100}
  x: {type: change, on: {feature: x}, detector: adwin, hold: 6h, run_length: 10000, min_rows: 100}
  brier: {type: change, on: {metric: brier}, hold: 6h, run_length: 1000, min_rows: 30}
  by_kind: {type: change, by: kind, max_segments: 2, hold: 6h, run_length: 10000, min_rows: 100}
  brier_by_kind:
    {type: change, on: {metric: brier}, by: kind, max_segments: 1, hold: 6h, run_length: 1000, min_rows: 30}
"""
BEFORE, AFTER = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
QUIET = BEFORE + WATCHED + AFTER
STORY = Turn(hours=50, at=40, shift=1.2)
TURN = STORY.at
AT_ONCE, WHEN_MATURED = ("scores", "x"), ("loss", "brier", "by_kind", "brier_by_kind")

Feed = Callable[[World], None]


def fed(folder: Path, feed: Feed, *, logs_scores: bool = True) -> World:
    folder.mkdir()
    world = World(folder, policy_text=QUIET, rows_per_hour=30, logs_scores=logs_scores)
    world.install(2.0)
    feed(world)
    return world


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> World:
    return fed(tmp_path_factory.mktemp("live") / "world", STORY.hourly)


def of(world: World, monitor: str) -> list[Verdict]:
    return [one for one in world.verdicts() if one.monitor == monitor]


def first_breach(world: World, monitor: str) -> Verdict:
    return next(one for one in of(world, monitor) if one.status is Status.BREACHED)


@pytest.mark.parametrize("monitor", [*AT_ONCE, *WHEN_MATURED])
def test_a_baseline_is_collected_then_it_is_quiet_and_the_turn_is_found(live: World, monitor: str) -> None:
    statuses = [one.status for one in of(live, monitor)]
    quiet = statuses.index(Status.OK)
    assert set(statuses[:quiet]) == {Status.INCONCLUSIVE}
    breach = first_breach(live, monitor)
    assert START + HOUR * TURN < breach.as_of <= START + HOUR * (TURN + 8)
    assert breach.model_version == "1"


def test_scores_and_features_are_judged_with_their_pane_and_losses_when_matured(live: World) -> None:
    found = {monitor: first_breach(live, monitor).as_of for monitor in (*AT_ONCE, *WHEN_MATURED)}
    first_possible = START + HOUR * (TURN + 1)
    assert max(found[monitor] for monitor in AT_ONCE) <= first_possible + 2 * HOUR
    assert min(found[monitor] for monitor in WHEN_MATURED) >= first_possible + 2 * HOUR


def test_reasons_say_what_changed_and_since_when(live: World) -> None:
    for monitor, words in (
        ("loss", "loss rose from 0.1"),
        ("x", "x rose from "),
        ("brier", "brier rose from 0.1"),
    ):
        reason = first_breach(live, monitor).reason
        assert reason.startswith(words)
        since = datetime.strptime(reason.split("since ")[1][:16], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        assert abs(since - START - HOUR * TURN) < 5 * HOUR
    assert first_breach(live, "by_kind").reason.startswith("[kind=")


def test_segments_are_those_of_the_first_rows(live: World) -> None:
    with live.store.read() as tx:
        memories = {name: tx.detector(live.name, MonitorName(name), Version("1")) for name in WHEN_MATURED}
    assert segments(memories["loss"]) == {""}
    assert len(segments(memories["by_kind"])) == 3
    assert segments(memories["by_kind"]) < {"a", "b", "c", ""}
    assert len(segments(memories["brier_by_kind"])) == 2


def segments(memory: Json | None) -> set[str]:
    assert memory is not None
    state: dict[str, Any] = memory["state"]
    return set(state["segments"])


def given(world: World) -> list[tuple[object, ...]]:
    return [
        (one.as_of, one.monitor, one.status, one.value, one.threshold, one.n, one.reason)
        for one in world.verdicts()
    ]


@pytest.mark.parametrize("feed", [STORY.backlog, STORY.restarted], ids=["one backlog", "restarts"])
def test_how_rows_come_in_changes_no_verdict(live: World, tmp_path: Path, feed: Feed) -> None:
    assert given(fed(tmp_path / "world", feed)) == given(live)


def test_scores_of_children_give_the_verdicts_that_logged_ones_give(live: World, tmp_path: Path) -> None:
    assert given(fed(tmp_path / "world", STORY.backlog, logs_scores=False)) == given(live)


def test_a_challenger_is_compared_with_its_held_out_rows(tmp_path: Path) -> None:
    eager = "triggers:\n  often: {new_labels: 700}\n"
    world = World(tmp_path, policy_text=BEFORE + WATCHED + eager + AFTER, rows_per_hour=40)
    world.install(2.0)
    world.reach(Phase.SHADOWING)
    challenger = world.runs()[-1].challenger_version
    assert challenger is not None
    with world.store.read() as tx:
        memories = {
            name: tx.detector(world.name, MonitorName(name), challenger) for name in (*AT_ONCE, "loss")
        }
    rows = {name: baseline(memory)["n"] for name, memory in memories.items()}
    assert len(set(rows.values())) == 1
    assert rows["loss"] >= 100
    assert abs(baseline(memories["x"])["mean"]) < 0.5
    json.dumps(memories, allow_nan=False)


def baseline(memory: Json | None) -> dict[str, Any]:
    assert memory is not None
    found: dict[str, Any] = memory["state"]["segments"][""]["baseline"]
    return found
