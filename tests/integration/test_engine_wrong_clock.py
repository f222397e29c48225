"""Clocks that go wrong lose no rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import Ingested, IngestState
from ctrain.engine.tick import tick
from ctrain.engine.wrong_clock import refuse_wrong_clock
from ctrain.errors import TransientError
from tests.support.world import HOUR, START, World


def state_of(world: World) -> IngestState:
    with world.store.read() as tx:
        return tx.ingest_state(world.name)


def test_rows_that_come_while_the_clock_is_behind_wait_until_it_is_right(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.live(2)
    before = state_of(world)
    world.land()
    world.clock.advance(-10 * HOUR)
    for _ in range(3):
        with pytest.raises(TransientError, match=r"the clock says .* 40 of 40 new ones"):
            tick(world.watch)
    waiting = state_of(world)
    assert (waiting.rows_cursor, waiting.rejected_total) == (before.rows_cursor, before.rejected_total)
    world.clock.advance(10 * HOUR)
    world.settle()
    after = state_of(world)
    assert after.rows_total == before.rows_total + world.rows_per_hour
    assert after.rejected_total == {}


@pytest.mark.parametrize(
    ("came", "accepted", "rejected"),
    [
        (None, 0, {"future_time": 40}),
        (-HOUR, 0, {"future_time": 40}),
        (HOUR, 40, {"null_id": 5}),
        (HOUR, 21, {"future_time": 19}),
    ],
    ids=["the first rows", "the clock goes on", "none from the future", "fewer than half"],
)
def test_rows_are_set_aside_where_the_clock_may_be_right(
    came: timedelta | None, accepted: int, rejected: Mapping[str, int]
) -> None:
    state = IngestState(last_arrival_at=None if came is None else START + came)
    refuse_wrong_clock(state, Ingested((), accepted=accepted, rejected=rejected), START)
