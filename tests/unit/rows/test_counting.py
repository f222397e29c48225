"""Labelled rows are counted as they are read, and a day only when something has come for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ctrain.ports import RowCount
from ctrain.rows.counting import DayCounts
from tests.parquet_rows import START, build_labels, build_rows
from tests.row_logs import RowLogHarness

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_count_is_that_of_the_rows_that_are_read(tmp_path: Path) -> None:
    """Rows come out of order, labels later, some twice and some first; old days go."""
    harness, rng = RowLogHarness(tmp_path), np.random.default_rng(7)
    ids = [f"r{number}" for number in range(240)]
    for step in range(40):
        first = int(rng.integers(0, 200))
        match step % 5:
            case 0 | 1:
                harness.rows(build_rows(ids[first : first + 40], start=START + first * HOUR, step=HOUR))
            case 2 | 3:
                harness.labels(build_labels(dict.fromkeys(ids[first : first + 40], 1.0)))
            case _ if step < 30:
                harness.restart()
            case _:
                harness.retire(START + 2 * DAY)
        for _ in range(5):
            start = START + int(rng.integers(-30, 240)) * HOUR
            end = start + int(rng.integers(0, 200)) * HOUR
            assert harness.log.count(start, end) == counted(harness.log.read(start, end)), step


def counted(rows: pa.Table) -> RowCount:
    return RowCount(rows.num_rows, len(rows["label"].drop_null()))


def test_a_day_is_read_again_only_when_something_has_come_for_it() -> None:
    asked: list[datetime] = []

    def read(start: datetime, end: datetime) -> pa.Table:
        asked.append(start)
        assert end <= start + DAY
        return pa.table({"label": [1.0, None]})

    counts = DayCounts(read)
    days = [(START + number * DAY).date().isoformat() for number in range(5)]
    first = START.replace(hour=0)
    assert counts.of(days, first, first + 5 * DAY) == (10, 5)
    assert len(asked) == 5
    assert counts.of(days, first, first + 5 * DAY) == (10, 5)
    assert len(asked) == 5
    counts.forget([days[2]])
    assert counts.of(days, first + HOUR, first + 5 * DAY) == (10, 5)
    assert asked[5:] == [first + 2 * DAY, first + HOUR]
