"""Clocks that go wrong lose no rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import (
    CLOCK_SKEW,
    Ingested,
    IngestState,
    MonitorName,
    Outcome,
    Status,
    Suppression,
    TriggerName,
    Verdict,
)
from ctrain.engine.tick import tick
from ctrain.engine.wrong_clock import refuse_wrong_clock
from ctrain.errors import TransientError
from tests.support.world import HOUR, POLICY, START, Produced, World


def state_of(world: World) -> IngestState:
    with world.store.read() as tx:
        return tx.ingest_state(world.name)


def happened(produced: Produced, world: World) -> int:
    """How many of its rows are not from the future by the clock."""
    limit = world.clock.now() + CLOCK_SKEW
    return sum(at is not None and at <= limit for at in produced.rows["at"].to_pylist())


def is_refused(state: IngestState, ingested: Ingested) -> bool:
    try:
        refuse_wrong_clock(state, ingested, START)
    except TransientError:
        return True
    return False


def test_rows_that_come_while_the_clock_is_behind_wait_until_it_is_right(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.live(2)
    before = state_of(world)
    world.land()
    world.clock.advance(-10 * HOUR)
    for _ in range(3):
        with pytest.raises(TransientError, match=r"the clock says .* 40 new ones that seem to lie"):
            tick(world.watch)
    waiting = state_of(world)
    assert (waiting.rows_cursor, waiting.rejected_total) == (before.rows_cursor, before.rejected_total)
    world.clock.advance(10 * HOUR)
    world.settle()
    after = state_of(world)
    assert after.rows_total == before.rows_total + world.rows_per_hour
    assert after.rejected_total == {}


@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
def test_rows_that_come_while_no_row_shows_that_the_clock_is_behind_come_in_when_it_is_right(
    tmp_path: Path, dies: bool
) -> None:
    world = World(tmp_path)
    world.live(2)
    before = state_of(world)
    unread = [world.produce() for _ in range(10)]
    world.clock.advance(-4 * HOUR)
    for one in unread:
        world.put_rows(one)
    world.settle()
    waiting = state_of(world)
    assert waiting.rows_total == before.rows_total + 6 * world.rows_per_hour + happened(unread[6], world)
    assert (
        waiting.rejected_total["future_time"]
        == 10 * world.rows_per_hour + before.rows_total - waiting.rows_total
    )
    if dies:
        world.open()
    world.clock.advance(4 * HOUR)
    world.settle()
    after = state_of(world)
    assert after.rows_total == before.rows_total + 10 * world.rows_per_hour
    assert (after.late_total, after.rejected_total["future_time"]) == (before.late_total, 0)
    assert world.tick().quiet


@pytest.mark.parametrize(
    ("newest", "rejected"),
    [
        (None, {"future_time": 40}),
        (timedelta(0), {"future_time": 40}),
        (CLOCK_SKEW, {"future_time": 40}),
        (HOUR, {"null_id": 5}),
    ],
    ids=["the first rows", "the clock goes on", "it may be a little behind", "none from the future"],
)
def test_rows_are_set_aside_where_the_clock_may_be_right(
    newest: timedelta | None, rejected: Mapping[str, int]
) -> None:
    state = IngestState(newest_event_at=None if newest is None else START + newest)
    assert not is_refused(state, Ingested((), rejected=rejected))


def test_one_row_from_the_future_waits_when_the_clock_is_wrong_for_certain() -> None:
    state = IngestState(newest_event_at=START + CLOCK_SKEW + timedelta(seconds=1))
    with pytest.raises(TransientError, match="rows of 2024-01-01T00:05:01"):
        refuse_wrong_clock(state, Ingested((), accepted=500, rejected={"future_time": 1}), START)


SCHEDULED = POLICY.replace(
    "  degraded: {any: [brier], for: 2h}\n",
    '  hourly: {cron: "0 * * * *", timezone: UTC}\n  each: {every: 2h}\n',
).replace("min_new_labels: 50", "min_new_labels: 1000000")
HOURLY, EACH = NAMES = (TriggerName("hourly"), TriggerName("each"))


def seen(world: World) -> int:
    """How often a schedule was due."""
    with world.store.read() as tx:
        found = tx.decisions(world.name)
    return sum(count for decision, _, _, count in found if decision.occurrence_at is not None)


def be_ahead(world: World, so_far: timedelta) -> None:
    """For one tick the clock shows another time."""
    world.clock.advance(so_far)
    world.tick()
    world.clock.advance(-so_far)


def test_schedules_go_on_after_a_clock_that_was_ahead(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=SCHEDULED)
    world.live(3)
    be_ahead(world, timedelta(days=400))
    world.live(3)
    with world.store.read() as tx:
        claimed = {name: tx.last_occurrence_by(world.name, name, world.clock.now()) for name in NAMES}
    assert claimed == {HOURLY: START + 6 * HOUR, EACH: START + 6 * HOUR}


def test_what_was_due_before_the_clock_went_back_is_not_due_again(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=SCHEDULED)
    world.live(6)
    before = seen(world)
    world.clock.advance(-3 * HOUR)
    for _ in range(3):
        world.settle()
        world.clock.advance(HOUR)
    assert seen(world) == before
    world.live(1)
    assert seen(world) > before


FRESH = MonitorName("fresh")


def newest_verdict(world: World, monitor: MonitorName) -> Verdict:
    with world.store.read() as tx:
        return tx.verdicts(world.name, monitor, limit=1)[0]


@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
def test_data_that_a_clock_which_was_ahead_took_for_stale_is_fresh_again(tmp_path: Path, dies: bool) -> None:
    stale = POLICY.replace("degraded: {any: [brier], for: 2h}", "stale: {any: [fresh]}")
    world = World(tmp_path, policy_text=stale)
    world.live(3)
    be_ahead(world, timedelta(days=400))
    assert newest_verdict(world, FRESH).status is Status.BREACHED
    assert world.decisions()[-1].suppression is Suppression.INSUFFICIENT_DATA
    if dies:
        world.open()
    world.live(30)
    assert newest_verdict(world, FRESH).status is Status.OK
    assert world.decisions()[-1].outcome is Outcome.NOT_MET
    assert world.runs() == []


def test_how_long_a_condition_on_the_clock_has_been_met_outlives_a_clock_that_was_ahead(
    tmp_path: Path,
) -> None:
    stale = POLICY.replace("degraded: {any: [brier], for: 2h}", "stale: {any: [fresh], for: 3h}")
    world = World(tmp_path, policy_text=stale)
    world.live(24)
    world.clock.advance(7 * HOUR)
    world.settle()
    world.clock.advance(2 * HOUR)
    be_ahead(world, HOUR / 2)
    world.settle()
    assert world.runs() == []
    world.clock.advance(HOUR)
    world.settle()
    assert [run.trigger for run in world.runs()] == ["stale"]


def test_a_metrics_server_is_asked_again_after_a_clock_that_was_ahead(tmp_path: Path) -> None:
    latency = '  latency: {type: prometheus, url: "http://metrics:9090", query: p99, above: 0.2}\n'
    world = World(tmp_path, policy_text=POLICY.replace("monitors:\n", f"monitors:\n{latency}", 1))
    world.metrics.values["p99"] = 0.1
    for _ in range(2):
        be_ahead(world, timedelta(days=400))
    world.metrics.values["p99"] = 0.3
    for _ in range(3):
        world.tick()
    assert newest_verdict(world, MonitorName("latency")).status is Status.BREACHED
