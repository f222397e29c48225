"""Drift of scores, of segments, and of rows whose columns are read in their own way."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctrain.domain import Phase, Status, Verdict, Version
from ctrain.stats.reference import Reference
from tests.support.stories import POOR, QUICK, TRAINED_UNTIL, ask_to_train
from tests.support.world import HOUR, POLICY, START, Produced, World

BEFORE, AFTER = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}
SCORES = "{type: drift, window: 6h, min_rows: 100, min_effect: 0.15, columns: [score]}"
BOTH = "{type: drift, window: 6h, min_rows: 100, min_effect: 0.15, columns: [score, x]}"
SELDOM = BOTH.replace("window: 6h", "window: 6h, every: 4h")
SEGMENTS = "{type: drift, window: 12h, min_rows: 40, by: kind, max_segments: 2, columns: [x]}"


def policy(*monitors: str) -> str:
    named = "".join(f"  m{number}: {one}\n" for number, one in enumerate(monitors))
    return BEFORE + "monitors:\n" + named + AFTER


def judged(world: World, name: str = "m0") -> list[Verdict]:
    return [one for one in world.verdicts() if one.monitor == name]


def told(world: World) -> list[tuple[object, ...]]:
    """All that verdicts say; as text, in which one NaN is like another."""
    return [
        (one.as_of, one.monitor, one.status, one.value, one.n, one.reason, str(one.features))
        for one in world.verdicts()
    ]


# Scores


def served(folder: Path, settled_every: int, *, logs_scores: bool = True) -> World:
    """Three days with a champion trained on the first; on the third its inputs are elsewhere."""
    folder.mkdir()
    world = World(folder, policy_text=policy(SCORES, BOTH, SELDOM), rows_per_hour=30, logs_scores=logs_scores)
    world.install(2.0, KNOWN)
    for hour in range(0, 72, 3):
        world.shift = 1.2 if hour >= 60 else 0.0
        world.land_together(3)
        if (hour + 3) % settled_every == 0:
            world.settle()
    return world


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> World:
    return served(tmp_path_factory.mktemp("scores") / "world", 3)


def test_scores_are_compared_with_the_first_ones_that_were_served(scores: World) -> None:
    """A day of them makes the reference, from the end of training on."""
    found = judged(scores)
    assert {one.status for one in found if one.as_of <= START + 48 * HOUR} == {Status.INCONCLUSIVE}
    assert {one.status for one in found if START + 52 * HOUR < one.as_of <= START + 60 * HOUR} == {Status.OK}
    assert found[-1].status is Status.BREACHED
    assert [one.column for one in found[-1].features] == ["score"]


def test_scores_and_inputs_go_into_one_verdict(scores: World) -> None:
    early, last = judged(scores, "m1")[35], judged(scores, "m1")[-1]
    assert early.as_of == START + 36 * HOUR
    assert [(one.column, one.test) for one in early.features] == [("score", "none"), ("x", "ks")]
    assert {one.column for one in last.features if one.breached} == {"score", "x"}


def test_a_monitor_that_looks_seldom_says_then_what_it_would_have_said_anyway(scores: World) -> None:
    seldom = [(one.as_of, one.status, one.value, one.n) for one in judged(scores, "m2")]
    often = [(one.as_of, one.status, one.value, one.n) for one in judged(scores, "m1")]
    assert str(seldom) == str([one for one in often if (one[0] - START) % (4 * HOUR) == 0 * HOUR])
    assert len(seldom) == 17


@pytest.mark.parametrize(("settled_every", "logs_scores"), [(72, True), (12, False)])
def test_scores_from_children_and_backlogs_give_the_same_verdicts(
    scores: World, tmp_path: Path, settled_every: int, logs_scores: bool
) -> None:
    world = served(tmp_path / "world", settled_every, logs_scores=logs_scores)
    assert told(world) == told(scores)


def test_without_monitors_a_run_makes_no_reference_until_one_is_added(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=BEFORE + AFTER, rows_per_hour=30)
    world.install(POOR, KNOWN)
    world.live(48, step=24)
    ask_to_train(world)
    world.reach(Phase.PROMOTING, hours=60)
    world.settle()
    with world.store.read() as tx:
        champion = tx.champion(world.name)
        assert champion is not None
        assert tx.reference(world.name, champion.version) is None
    world.edit(policy("{type: drift, window: 6h, min_rows: 100, columns: [x]}"))
    world.live(8)
    with world.store.read() as tx:
        assert tx.reference(world.name, champion.version) is not None
    assert judged(world)[-1].status is not Status.INCONCLUSIVE


def test_a_reference_of_a_run_has_scores_of_its_holdout_and_the_importance_found(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=QUICK, rows_per_hour=30)
    world.launcher.importance = {"x": 0.3, "z": 0.1, "kind": -0.05}
    world.install(POOR, KNOWN)
    world.live(48, step=24)
    ask_to_train(world)
    world.reach(Phase.SHADOWING, hours=12)
    run = world.runs()[-1]
    assert run.challenger_version is not None
    with world.store.read() as tx:
        stored = tx.reference(world.name, run.challenger_version)
    assert stored is not None
    reference = Reference.from_bytes(stored[1])
    holdout = world.watch.workspace.read(world.watch.workspace.path(run.id, "holdout.parquet"))
    training = world.watch.workspace.read(world.watch.workspace.path(run.id, "train.parquet"))
    assert holdout is not None
    assert reference.importance == pytest.approx({"x": 0.75, "z": 0.25, "kind": 0.0})
    assert reference.scores is not None
    assert reference.scores.profile.rows == holdout.num_rows
    assert reference.scores.start is not None
    if training is not None:
        newest: datetime = pc.max(training["event_at"]).as_py()
        assert reference.scores.start >= newest - HOUR
    expected = world.registry.models[Version(run.challenger_version)](holdout)
    assert reference.scores.profile.columns["prediction"].mean == pytest.approx(float(np.mean(expected)))


# Segments


def moved_segment(produced: Produced, kind: str, shift: float) -> Produced:
    """The same rows, with ``x`` elsewhere in those of one kind."""
    rows = produced.rows
    of_kind = pc.equal(rows["kind"], pa.scalar(kind))
    x = pc.if_else(of_kind, pc.add(rows["x"], shift), rows["x"])
    return Produced(produced.hour, rows.set_column(rows.schema.get_field_index("x"), "x", x))


def by_kind(folder: Path, step: int, kind: str = "b") -> World:
    """Two days; on the second ``x`` of one kind of rows is elsewhere."""
    folder.mkdir()
    world = World(folder, policy_text=policy(SEGMENTS), rows_per_hour=30)
    world.install(2.0, KNOWN)
    for hour in range(66):
        produced = world.produce()
        world.put_rows(moved_segment(produced, kind, 1.2) if hour >= 54 else produced)
        if hour % step == step - 1:
            world.settle()
    world.settle()
    return world


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> World:
    return by_kind(tmp_path_factory.mktemp("segments") / "world", 6)


def test_drift_of_one_segment_is_found_and_named(segments: World) -> None:
    found = judged(segments)
    assert {one.status for one in found if one.as_of <= TRAINED_UNTIL} == {Status.INCONCLUSIVE}
    assert {one.status for one in found if START + 36 * HOUR <= one.as_of <= START + 54 * HOUR} == {Status.OK}
    last = found[-1]
    assert last.status is Status.BREACHED
    assert len(last.features) == 3
    assert [one.column for one in last.features if one.breached] == ["x [kind=b]"]
    assert sum(one.n for one in last.features) == last.n


def test_values_beyond_the_most_frequent_ones_are_looked_at_together(segments: World, tmp_path: Path) -> None:
    named = {one.column for one in judged(segments)[-1].features}
    assert "x [kind=other]" in named
    rare = next(kind for kind in "abc" if f"x [kind={kind}]" not in named)
    world = by_kind(tmp_path / "world", 6, rare)
    assert [one.column for one in judged(world)[-1].features if one.breached] == ["x [kind=other]"]


def test_segments_give_the_same_verdicts_from_a_backlog(segments: World, tmp_path: Path) -> None:
    assert told(by_kind(tmp_path / "world", 66)) == told(segments)


def test_the_rows_of_a_pane_are_read_once_for_all_segments(segments: World, tmp_path: Path) -> None:
    world = segments.branch(tmp_path / "world")
    asked: list[object] = []
    world.listener = lambda call, moment, given: (
        asked.append(given) if (call, moment) == ("row_log.read", "before") else None
    )
    world.live(1)
    end = judged(world)[-1].as_of
    assert asked.count((end - HOUR, end)) == 1
