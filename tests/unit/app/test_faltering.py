from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.app.faltering import Faltering
from ctrain.errors import TransientError
from tests.support.notices import SetTimer
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def told(world: World) -> list[tuple[str, str]]:
    with world.store.read() as tx:
        events = tx.events(world.watch.name)
    return [(one.kind, one.message) for one in reversed(events) if one.kind.startswith("tick_")]


def test_trouble_is_told_once_it_lasts_and_when_it_is_over(world: World) -> None:
    timer = SetTimer()
    faltering = Faltering(timer)
    for seconds in (0, 30, 60, 90):
        timer.seconds = seconds
        faltering.failed(world.watch, "transient", "the disk is full\nTraceback")
    assert told(world) == [("tick_failed", "transient: the disk is full")]
    faltering.succeeded(world.watch)
    faltering.succeeded(world.watch)
    assert told(world)[1:] == [("tick_recovered", "the policy is looked after again")]


def test_numbers_that_differ_each_time_are_no_other_trouble(world: World) -> None:
    timer = SetTimer()
    faltering = Faltering(timer, patience_seconds=0)
    for minute in range(5):
        timer.seconds = 60 * minute
        place = f"/rows/{minute}3e5d70ab"
        faltering.failed(world.watch, "transient", f"{place}: {150 - minute} MB are free, 200 MB are needed")
    faltering.failed(world.watch, "transient", "MLflow is away")
    assert told(world) == [
        ("tick_failed", "transient: /rows/03e5d70ab: 150 MB are free, 200 MB are needed"),
        ("tick_failed", "transient: MLflow is away"),
    ]


def test_a_fault_now_and_then_is_no_trouble(world: World) -> None:
    timer = SetTimer()
    faltering = Faltering(timer)
    for seconds in range(0, 300, 50):
        timer.seconds = seconds
        faltering.failed(world.watch, "transient", "locked")
        faltering.succeeded(world.watch)
    assert told(world) == []


def test_another_daemon_tells_the_end_of_what_the_first_began(world: World) -> None:
    timer = SetTimer()
    first = Faltering(timer, patience_seconds=0)
    first.failed(world.watch, "error", "no such folder")
    Faltering(timer).succeeded(world.watch)
    assert [kind for kind, _ in told(world)] == ["tick_failed", "tick_recovered"]


def test_what_was_before_a_policy_went_to_another_daemon_is_forgotten(world: World) -> None:
    timer, name = SetTimer(), world.watch.name
    here, there = Faltering(timer), Faltering(timer, patience_seconds=0)
    here.failed(world.watch, "transient", "locked")
    here.forget(name)
    timer.seconds = 3600
    here.failed(world.watch, "transient", "locked")
    assert told(world) == [], "one fault after an hour elsewhere is none that lasts"
    here.succeeded(world.watch)
    here.forget(name)
    there.failed(world.watch, "error", "no such folder")
    here.succeeded(world.watch)
    assert [kind for kind, _ in told(world)] == ["tick_failed", "tick_recovered"]


def test_a_store_that_cannot_be_written_is_no_fault_of_the_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> None:
        raise TransientError("the database is locked")

    monkeypatch.setattr(world.watch.store, "write", lost)
    faltering = Faltering(SetTimer(), patience_seconds=0)
    faltering.failed(world.watch, "error", "no such folder")
    assert ("trouble_record_failed", "the database is locked") in [
        (event, fields["message"]) for event, fields in world.telemetry.logged if "message" in fields
    ]
