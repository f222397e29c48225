"""Where a thread that computes leaves its turn: at the disk, at the registry, and waiting for children."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ctrain.clocks import wait_for
from ctrain.domain import Json, PolicyName, SegmentKind
from ctrain.registry.lane import Lane
from ctrain.rows import segments
from ctrain.rows.segments import SegmentFolder
from ctrain.turns import Turns, computing


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    turns = Turns(patience_seconds=3600.0)
    monkeypatch.setattr("ctrain.turns._OF_THIS_PROCESS", turns)
    return turns


def test_at_the_disk(turns: Turns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holders: list[object] = []
    monkeypatch.setattr(segments, "_sync", lambda _path: holders.append(turns._holder))
    folder = SegmentFolder(tmp_path, PolicyName("p"))
    with computing():
        folder.write(SegmentKind.LABELS, "2026-01-01", pa.table({"row_id": ["a"], "label": [1.0]}), 1)
        folder.flush()
        assert turns._holder is not None
    assert set(holders) == {None}


def test_at_the_registry(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    holders: list[object] = []

    def answer(_lane: Lane, _request: Json) -> Json:
        holders.append(turns._holder)
        return {}

    monkeypatch.setattr(Lane, "_ask_once", answer)
    lane = Lane("python", {}, "MLflow", timeout_seconds=1.0, idle_seconds=1.0)
    with computing():
        lane.ask({"call": "alias"})
        assert turns._holder is not None
    assert holders == [None]


def test_while_it_waits_for_what_others_do(turns: Turns) -> None:
    holders: list[object] = []

    def has_come() -> bool:
        holders.append(turns._holder)
        return True

    with computing():
        assert wait_for(has_come, 1.0)
        assert turns._holder is not None
    assert holders == [None]
