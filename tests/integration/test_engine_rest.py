"""A policy of which nothing has moved costs one query a tick, and misses nothing by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event

from ctrain.domain import PolicyName, Request, RequestKind
from ctrain.engine.pace import Pace
from ctrain.engine.rest import awaited
from ctrain.engine.tick import tick
from ctrain.sources.opening import FileSources
from tests.support.fakes import FakeTimer
from tests.support.slopes import slope_model
from tests.support.world import POLICY, World

MINUTE = timedelta(minutes=1)


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """What the store is asked meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement != "BEGIN":
            seen.append(statement)

    event.listen(world.store._engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(world.store._engine, "before_cursor_execute", note)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, rows_per_hour=30)
    made.install(2.0)
    made.live(3)
    return resting(made)


def resting(world: World, poll_seconds: float = 40.0) -> World:
    """After the first quiet tick; each look at the fake timer takes a second."""
    world.watch.may_rest, world.watch.registry_poll_seconds = True, poll_seconds
    while not tick(world.watch).quiet:
        pass
    return world


def begin_turn(world: World) -> float:
    """Let time pass until the policy's turn to read, in which nothing had come; when that is."""
    timer = world.watch.timer
    assert isinstance(timer, FakeTimer)
    timer.seconds = world.watch.pace.due(world.name, timedelta(hours=1), timer.seconds)
    return timer.seconds


def asked(world: World) -> int:
    with statements(world) as seen:
        tick(world.watch)
    return len(seen)


def test_a_policy_at_rest_costs_one_query(world: World) -> None:
    assert [asked(world) for _ in range(3)] == [1, 1, 1]


def test_it_looks_at_everything_once_a_minute(world: World) -> None:
    world.clock.advance(MINUTE - timedelta(seconds=1))
    assert asked(world) == 1
    world.clock.advance(timedelta(seconds=1))
    assert asked(world) > 5
    assert asked(world) == 1


def test_at_rest_it_looks_at_the_champion_alias_when_that_is_due(world: World) -> None:
    resting(world, poll_seconds=10.0)
    before = world.watch.registry_view.read_at
    queries = [asked(world) for _ in range(12)]
    assert world.watch.registry_view.read_at != before
    assert max(queries) < 5, "nothing else was looked at"
    world.registry.aliases["champion"] = world.registry.register(slope_model(1.0), {}, recorded=False)
    queries = [asked(world) for _ in range(12)]
    assert "champion_changed_outside" in world.kinds()
    assert max(queries) > 5, "what follows from it was looked at, too"


def test_while_ticks_are_late_the_champion_alias_is_looked_at_more_rarely(world: World) -> None:
    resting(world, poll_seconds=10.0)
    timer = world.watch.timer
    assert isinstance(timer, FakeTimer)
    for _ in range(1000):
        world.watch.pace.began(late=2.0)
    begun = timer.seconds = float(world.watch.registry_view.read_at or 0.0)
    timer.seconds = begun + 30.0
    tick(world.watch)
    assert world.watch.registry_view.read_at == begun
    timer.seconds = begun + 40.0
    tick(world.watch)
    assert world.watch.registry_view.read_at != begun


def test_a_registry_that_does_not_answer_ends_the_rest(world: World) -> None:
    resting(world, poll_seconds=10.0)
    world.registry.down = True
    for _ in range(12):
        tick(world.watch)
    assert "registry_unreadable" in world.kinds()
    assert world.watch.rest is None


def test_rows_end_the_rest(world: World) -> None:
    world.land(1)
    before = len(world.verdicts())
    assert tick(world.watch).moved
    assert len(world.verdicts()) > before
    assert asked(world) == 1, "what came has been judged whole"


def test_in_a_busy_daemon_rows_wait_for_more_and_all_are_read_together(world: World) -> None:
    world.watch.pace.took(PolicyName("others"), 10.5)
    first, second = world.produce(), world.produce()
    resting(world, poll_seconds=400.0).put_rows(first)
    began = begin_turn(world)
    before = len(world.verdicts())
    assert asked(world) == 1
    assert awaited(world.watch)
    world.put_rows(second)
    while (waited := world.watch.timer.monotonic() - began) < 15:
        assert asked(world) == 1
        assert len(world.verdicts()) == before
    while asked(world) == 1:
        waited = world.watch.timer.monotonic() - began
    assert 15 < waited < 30
    assert awaited(world.watch) is None
    assert len({one.as_of for one in world.verdicts()[before:]}) == 2
    assert asked(world) == 1


def test_in_a_busy_daemon_the_end_of_a_rest_waits_for_the_turn_of_the_policy(world: World) -> None:
    """Rests that began together, as after a start, would else end together."""
    world.watch.pace.took(PolicyName("others"), 10.5)
    rest = resting(world, poll_seconds=400.0).watch.rest
    assert rest is not None
    due = world.watch.pace.due(world.name, timedelta(hours=1), rest.ends_at)
    ended = rest.ends_at
    assert due > ended + 3
    while asked(world) == 1:
        ended = world.watch.timer.monotonic()
    assert due - 2 < ended < due + 3


def test_a_clock_that_was_set_ends_the_rest_of_a_busy_daemon_at_once(world: World) -> None:
    world.watch.pace.took(PolicyName("others"), 10.5)
    resting(world, poll_seconds=400.0)
    assert asked(world) == 1
    world.clock.advance(timedelta(hours=1))
    assert asked(world) > 5


def test_a_request_does_not_wait_for_rows(world: World) -> None:
    world.watch.pace.took(PolicyName("others"), 10.0)
    produced = world.produce()
    resting(world).put_rows(produced)
    begin_turn(world)
    assert asked(world) == 1
    request = Request(0, world.name, RequestKind.TRIGGER, "ada", world.clock.now(), {"reason": "news"})
    with world.store.write() as tx:
        tx.add_request(request)
    assert asked(world) > 5


def test_what_taking_in_takes_counts_and_looks_without_news_do_not(world: World) -> None:
    seconds = iter(range(0, 10_000, 10))
    world.watch.pace = Pace(lambda: float(next(seconds)))
    world.land(1)
    tick(world.watch)
    assert world.watch.pace.wait() == timedelta(seconds=26)
    world.watch.rest = None
    tick(world.watch)
    assert world.watch.pace.wait() == timedelta(0)


def test_a_request_ends_the_rest(world: World) -> None:
    request = Request(0, world.name, RequestKind.TRIGGER, "ada", world.clock.now(), {"reason": "news"})
    with world.store.write() as tx:
        number = tx.add_request(request)
    tick(world.watch)
    with world.store.read() as tx:
        answered = tx.request(number)
    assert answered is not None
    assert answered.answer


def test_a_lease_that_was_won_again_ends_the_rest(world: World) -> None:
    world.watch.lease = ("daemon", 7)
    assert asked(world) > 5


@pytest.mark.parametrize("every", ["1m", "2m"])
def test_a_schedule_that_is_due_before_the_end_of_the_rest_forbids_it(tmp_path: Path, every: str) -> None:
    """The end may wait, and schedules do not."""
    text = POLICY.replace("triggers:\n", f"triggers:\n  often: {{every: {every}}}\n")
    world = World(tmp_path, policy_text=text, rows_per_hour=30)
    world.live(3)
    resting(world)
    assert asked(world) > 5


def test_a_file_that_is_refused_ends_the_rest_and_is_told_once(world: World) -> None:
    pq.write_table(pa.table({"other": [1, 2]}), world.folder / "rows" / "0099.parquet")
    for _ in range(3):
        tick(world.watch)
    assert world.kinds().count("file_rejected") == 1
    assert asked(world) == 1


def test_a_damaged_file_is_waited_for_and_told_of_however_often_it_is_looked_at(world: World) -> None:
    """Looks of a policy at rest must not use up what the whole tick has to say."""
    source = FileSources(FakeTimer()).open_rows(world.watch.loaded.policy, world.folder)
    world.watch.rows_source = source
    world.watch.rest = None
    tick(world.watch)
    (world.folder / "rows" / "0099.parquet").write_bytes(b"no table of any kind" * 20)
    for _ in range(80):
        tick(world.watch)
    assert world.kinds().count("file_rejected") == 1
