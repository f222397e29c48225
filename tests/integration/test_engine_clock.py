"""Monitors that follow the clock in the engine: production metrics beside the panes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import MonitorName, Outcome, Status, Verdict
from ctrain.engine.tick import tick
from ctrain.queries.overview import Health, speak
from tests.support.fakes import FakeMetricServer
from tests.support.world import POLICY, START, World

LATENCY = MonitorName("latency")
MONITOR = """\
  latency: {type: prometheus, url: "http://metrics:9090", query: p99, above: 0.2, for: 2m}
"""
BY_REGION = MONITOR.replace("query: p99,", "query: p99, by: region,")


@pytest.fixture
def world(tmp_path: Path) -> World:
    text = POLICY.replace("monitors:\n", "monitors:\n" + MONITOR, 1)
    return World(
        tmp_path, policy_text=text.replace("triggers:\n", "triggers:\n  slow: {any: [latency]}\n", 1)
    )


def verdicts(world: World) -> list[Verdict]:
    with world.store.read() as tx:
        return tx.verdicts(world.name, LATENCY)[::-1]


def pass_minutes(world: World, *values: float | str | dict[str, float]) -> None:
    """The metric has these values, one a minute; two ticks see each."""
    for value in values:
        world.metrics.values["p99"] = value
        for _ in range(3):
            tick(world.watch)
        world.clock.advance(timedelta(minutes=1))


def test_a_verdict_is_recorded_when_its_status_changes(world: World) -> None:
    pass_minutes(world, 0.1, 0.3, 0.3, 0.3, 0.3, "the query found no data", 0.1)
    assert [one.status for one in verdicts(world)] == [
        Status.OK,
        Status.BREACHED,
        Status.INCONCLUSIVE,
        Status.OK,
    ]
    assert [one.reason for one in verdicts(world)][1:3] == [
        "0.3 is above 0.2, for 2m",
        "the query found no data",
    ]


def test_the_server_is_asked_as_often_as_the_policy_says(world: World) -> None:
    pass_minutes(world, 0.1, 0.1, 0.1)
    asked = [query.at for query in world.metrics.asked]
    assert asked == [START + minute * timedelta(minutes=1) for minute in range(3)]


def test_how_long_it_has_lasted_survives_a_restart(world: World) -> None:
    pass_minutes(world, 0.3, 0.3)
    world.open()
    pass_minutes(world, 0.3)
    assert verdicts(world)[-1].status is Status.BREACHED


def test_a_trigger_on_it_alone_fires_without_a_pane(world: World) -> None:
    pass_minutes(world, 0.3, 0.3, 0.3, 0.3)
    with world.store.read() as tx:
        decisions = {decision.trigger for decision, *_ in tx.decisions(world.name)}
    assert "slow" in decisions


SLOW = POLICY.replace("monitors:\n", "monitors:\n" + MONITOR, 1).replace(
    "triggers:\n", "triggers:\n  slow: {any: [latency], for: 1h}\n  stale: {any: [fresh], for: 1h}\n", 1
)


def fired(world: World) -> list[str]:
    return [one.trigger for one in world.decisions() if one.outcome is Outcome.FIRED]


def learnt(folder: Path) -> World:
    """So many labels have matured that nothing but its triggers keeps it from training."""
    world = World(folder, policy_text=SLOW)
    world.metrics.values["p99"] = 0.1
    world.land_together(24)
    world.settle()
    return world


def test_what_a_server_said_before_an_outage_starts_nothing(tmp_path: Path) -> None:
    world = learnt(tmp_path)
    pass_minutes(world, 0.3, 0.3, 0.3, 0.3, 0.3)
    assert verdicts(world)[-1].status is Status.BREACHED
    world.clock.advance(timedelta(hours=5))
    world.metrics = FakeMetricServer()
    world.open()
    pass_minutes(world, 0.1, 0.1)
    assert verdicts(world)[-1].status is Status.OK
    assert fired(world) == []


def test_rows_that_are_still_being_read_are_not_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = learnt(tmp_path)
    world.clock.advance(timedelta(hours=7))
    pass_minutes(world, 0.1, 0.1)
    with world.store.read() as tx:
        assert tx.verdicts(world.name, MonitorName("fresh"), limit=1)[0].status is Status.BREACHED
    world.land(12)
    monkeypatch.setattr("ctrain.engine.ingest.ROWS_PER_READ", world.rows_per_hour)
    monkeypatch.setattr("ctrain.engine.ingest.READS_PER_TICK", 1)
    world.tick()
    assert world.watch.behind
    assert fired(world) == []
    world.settle()
    assert fired(world) == []


def test_a_policy_that_changed_is_spoken_for_by_what_the_clock_says_as_by_its_panes(world: World) -> None:
    def spoken() -> tuple[set[MonitorName], Health]:
        with world.store.read() as tx:
            lines = tx.verdict_lines([world.name])
        of_now = {one.monitor for one in lines if one.policy_hash == world.watch.loaded.hash}
        return of_now, speak(lines)[0]

    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, START)
    world.metrics.values["p99"] = 0.3
    world.live(4)
    pass_minutes(world, 0.3, 0.3, 0.3, 0.3)
    every = {MonitorName(name) for name in world.watch.policy.monitors}
    assert spoken() == (every, Health.BREACHED)
    world.edit(world.policy_text.replace("cooldown: 1d", "cooldown: 2d"))
    pass_minutes(world, 0.3, 0.3)
    assert spoken() == (set(), Health.BREACHED), "no pane has been judged by it"
    world.live(1)
    pass_minutes(world, 0.3, 0.3, 0.3, 0.3)
    assert spoken() == (every, Health.BREACHED)
    before = len(verdicts(world))
    pass_minutes(world, 0.3, 0.3)
    assert len(verdicts(world)) == before, "said once"


def test_other_series_past_the_bound_are_news(tmp_path: Path) -> None:
    made = World(tmp_path, policy_text=POLICY.replace("monitors:\n", "monitors:\n" + BY_REGION, 1))
    north, both = {"north": 0.3, "south": 0.1}, {"north": 0.3, "south": 0.3}
    pass_minutes(made, both, north, north)
    made.open()
    pass_minutes(made, both, both, both, {"south": 0.3})
    assert {query.by for query in made.metrics.asked} == {"region"}
    named = [
        (one.status.name, [each.column for each in one.features if each.breached]) for one in verdicts(made)
    ]
    assert named == [
        ("OK", []),
        ("BREACHED", ["region=north"]),
        ("BREACHED", ["region=north", "region=south"]),
        ("BREACHED", ["region=south"]),
    ]
