"""Rows as they arrive, for a policy that watches their quality."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINIMAL = (Path(__file__).parent.parent / "unit" / "policy_files" / "minimal.yaml").read_text()
QUALITY = """
  brier: {type: performance, metric: brier, window: 7d, above: 0.2}
  quality: {type: quality, window: 1d, max_out_of_range: 0.1, ranges: {age: {min: 0, max: 100}}}
"""


@cache
def parsed() -> Policy:
    lines = [line for line in MINIMAL.splitlines() if "  brier: {type" not in line]
    text = "\n".join(lines).replace("monitors:", f"monitors:{QUALITY.rstrip()}")
    return parse_policy(text + "\n", Path("p.yaml"), {}).policy


def rows(hours: list[float], **columns: list[Any]) -> pa.Table:
    count = len(hours)
    table: dict[str, Any] = {
        "event_at": pa.array([START + HOUR * one for one in hours], pa.timestamp("us", "UTC")),
        "age": pa.array(columns.get("age", [30.0] * count), pa.float64()),
        "visits": pa.array(columns.get("visits", [1.0] * count), pa.float64()),
        "country": pa.array(columns.get("country", ["jp"] * count), pa.string()),
    }
    return pa.table(table)


def microseconds(hour: float) -> int:
    return (START + HOUR * hour - EPOCH) // timedelta(microseconds=1)
