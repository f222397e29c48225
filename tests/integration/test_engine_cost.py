"""What a tick costs when there is nothing to do, and what it keeps in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from ctrain.errors import TransientError
from tests.support.stories import POOR, QUICK, TRAINED_UNTIL, ask_to_train
from tests.support.world import START, World

READS = 12


@pytest.fixture(scope="module")
def shadowing(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run in its shadow, and nothing new."""
    world = World(tmp_path_factory.mktemp("shadowing"), policy_text=QUICK, rows_per_hour=30)
    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, START)
    known = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}
    world.install(POOR, known)
    world.live(48, step=24)
    ask_to_train(world)
    world.live(6, step=3)
    return world


def statements(world: World) -> list[str]:
    """What one tick asks of the database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement.split(maxsplit=1)[0])

    engine = world.store._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        world.tick()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def test_an_idle_tick_reads_little_and_writes_nothing(shadowing: World) -> None:
    seen = statements(shadowing)
    assert set(seen) == {"BEGIN", "SELECT"}
    assert seen.count("SELECT") <= READS


def test_what_is_read_in_a_tick_is_read_anew_in_the_next(shadowing: World, tmp_path: Path) -> None:
    world = shadowing.branch(tmp_path / "world")
    world.settle()
    ask_to_train(world)
    world.tick()
    with world.store.read() as tx:
        assert tx.open_requests(world.name) == []


def test_the_registry_is_asked_at_its_own_pace(shadowing: World, tmp_path: Path) -> None:
    world = shadowing.branch(tmp_path / "world")
    asked: list[str] = []
    world.listener = lambda call, moment, _: asked.append(call) if call == "registry.alias" else None
    world.tick()
    each_time = len(asked)
    assert each_time > 0
    world.watch.registry_poll_seconds = 10**9
    world.tick()
    assert len(asked) == each_time


def test_memory_does_not_grow_with_what_has_been_seen(shadowing: World, tmp_path: Path) -> None:
    world = shadowing.branch(tmp_path / "world")

    def sizes() -> dict[str, int]:
        names = ("retry_at", "references", "variabilities", "failures", "snapshots")
        return {name: len(getattr(world.watch, name)) for name in names}

    world.live(12, step=4)
    before = sizes()
    world.live(24, step=4)
    assert sizes() == before


def test_outcomes_wait_for_a_registry_that_is_away(shadowing: World, tmp_path: Path) -> None:
    world = shadowing.branch(tmp_path / "world")
    world.live(36, step=6)
    world.open()
    world.registry.notes.clear()

    def refuse(call: str, moment: str, _: object) -> None:
        if call.startswith("registry.annotate"):
            raise TransientError("not now")

    world.listener = refuse
    world.settle()
    assert world.registry.notes == {}
    world.listener = None
    world.settle()
    assert world.registry.notes["2"]["ctrain.phase"] == "PROBATION"
