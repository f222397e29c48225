"""How old the newest row is, also where none ever came."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.world import HOUR, World


def test_what_never_had_a_row_lags_since_it_was_first_seen(tmp_path: Path) -> None:
    world = World(tmp_path)
    lags = []
    for landed in (0, 0, 1):
        world.clock.instant += 3 * HOUR
        world.land(landed)
        world.settle()
        lags.append(timedelta(seconds=world.telemetry.counted["source_lag_seconds", world.name]))
    with world.store.read() as tx:
        newest_at = tx.ingest_state(world.name).newest_event_at
    assert newest_at is not None
    assert lags == [3 * HOUR, 6 * HOUR, world.clock.now() - newest_at]
    assert lags[-1] < 10 * HOUR
