"""Profiles as files: what is written is read, and nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from ctrain.stats.grid import build_grid
from ctrain.stats.profile import profile_table
from ctrain.stats.raw import Kind
from ctrain.stats.stored_profile import ColumnType, EventTimes, StoredProfile

ROWS = pa.table(
    {
        "x": [1.5, None, float("inf")],
        "flag": [True, False, None],
        "day": [date(2024, 1, 1)] * 3,
        "note": ["a b", "", None],
        "c": ["é", "b", "b"],
    }
)
GRID = build_grid(ROWS, ["x"], ["c"], boolean=["flag"], date=["day"], text=["note"], where=("c", None))
STORED = StoredProfile(
    GRID,
    profile_table(ROWS, GRID),
    {"x": ColumnType(Kind.NUMBER, "double"), "tags": ColumnType(Kind.OTHER, "list<element: int64>")},
    {"c": "left out"},
    ("a.parquet", "b.csv"),
    "ctrain 1",
    EventTimes("at", datetime(2024, 1, 1, tzinfo=UTC).isoformat(), None),
)


def test_bytes_keep_everything() -> None:
    again = StoredProfile.from_bytes(STORED.to_bytes())
    assert again.grid == STORED.grid
    assert again.grid.name == STORED.grid.name == again.profile.grid
    assert again.profile.to_bytes() == STORED.profile.to_bytes()
    for key in ("types", "left_out", "sources", "created_by", "event_times"):
        assert getattr(again, key) == getattr(STORED, key)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"ctrain-stored-profile-0\n...", b"\x80\x04pickle"])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="ctrain-stored-profile-1"):
        StoredProfile.from_bytes(content)
