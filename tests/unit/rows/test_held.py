"""A row log in memory shows what one on the disk shows, whether all of it fits or a part."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import SegmentKind
from tests.parquet_rows import START, build_labels, build_rows
from tests.row_logs import FIRST, LAST, NOW, RowLogHarness

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
A_LITTLE, ENOUGH = 4_000, 2**20


@pytest.fixture
def disk(tmp_path: Path) -> RowLogHarness:
    return RowLogHarness(tmp_path / "disk")


def shown(harness: RowLogHarness) -> list[tuple[Any, ...]]:
    names = ("row_id", "event_at", "late", "distance", "carrier", "label", "score:1", "score:2")
    return harness.read(*names, scores_of=["1", "2"])


def play(harness: RowLogHarness, seed: int) -> list[list[tuple[Any, ...]]]:
    """What is shown after each of many small reads: rows, late ones, labels before and after, scores."""
    random, views, known = np.random.default_rng(seed), [], 0
    for step in range(24):
        start = START + step * HOUR - (DAY if random.random() < 0.1 else timedelta(0))
        ids = [str(known + at) for at in range(5)]
        known += 5
        harness.rows(build_rows(ids, start=start), watermark=START + step * HOUR)
        labelled = random.choice(known + 3, size=4, replace=False)
        harness.labels(build_labels({str(one): float(one % 2) for one in labelled}))
        rows = harness.log.read(FIRST, LAST).select(["row_id", "event_at"])
        chosen = rows.take(np.sort(random.choice(rows.num_rows, size=3, replace=False)))
        harness.scores(str(1 + step % 2), chosen.append_column("score", pa.array(random.random(3))))
        views.append(shown(harness))
    return views


@pytest.mark.parametrize(("held_bytes", "on_disk"), [(A_LITTLE, True), (ENOUGH, False)])
def test_the_same_is_shown(disk: RowLogHarness, tmp_path: Path, held_bytes: int, on_disk: bool) -> None:
    held = RowLogHarness(tmp_path / "held", held_bytes=held_bytes)
    assert play(held, seed=5) == play(disk, seed=5)
    assert bool(held.files()) is on_disk
    kinds = {one.kind for one in held.store.tables.rows.values()}
    assert kinds == {SegmentKind.ROWS, SegmentKind.LABELS, SegmentKind.SCORES}
    assert any(one.path.startswith("held/") for one in held.store.tables.rows.values())


def test_what_is_shown_of_a_day_is_what_its_segments_say(disk: RowLogHarness) -> None:
    last = play(disk, seed=6)[-1]
    disk.restart()
    assert shown(disk) == last


def test_what_is_retired_leaves_memory_and_makes_room(tmp_path: Path) -> None:
    held = RowLogHarness(tmp_path, held_bytes=A_LITTLE)
    for day in range(6):
        rows = build_rows([f"{day}-{at}" for at in range(30)], start=START + day * DAY)
        held.rows(rows, now=NOW)
        held.labels(build_labels({f"nobody-{day}": 1.0}), now=START + day * DAY)
        held.retire(START + day * DAY)
        assert len(held.read("row_id")) == 30
        kept = [one.kind for one in held.store.tables.rows.values()]
        assert sorted(kept) == [SegmentKind.LABELS, SegmentKind.ROWS]
    assert not held.files()


def test_what_was_never_committed_is_swept(tmp_path: Path) -> None:
    held = RowLogHarness(tmp_path, held_bytes=ENOUGH)
    held.rows(build_rows(["1"]))
    scores = held.log.read(FIRST, LAST).select(["row_id", "event_at"]).append_column("score", pa.array([0.5]))
    held.log.write_scores("1", scores, 9)  # type: ignore[arg-type] # a NewType
    orphan = tmp_path / "flights" / "rows" / "2013-01-01" / "orphan.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.touch()
    assert held.log.sweep() == 2
    assert not held.files()
    assert shown(held)[0][-2] is None
    assert len(held.read("row_id")) == 1
