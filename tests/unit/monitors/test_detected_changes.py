"""Since when a detected change lasts, from what change monitors remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ctrain.domain import MonitorName, Version
from ctrain.monitors.change import Values, fold_values
from ctrain.monitors.detected_changes import latest_change
from ctrain.policy.monitors import ChangeMonitor

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def held(since: datetime, began: datetime) -> dict[str, Any]:
    return {"held": {"since": since.isoformat(), "began": began.isoformat()}}


def remembered(**segments: dict[str, Any]) -> dict[str, Any]:
    return {"segments": segments}


def test_nothing_detected_is_no_change() -> None:
    assert latest_change([]) is None
    quiet = remembered(a={"held": None}, b={})
    assert latest_change([(MonitorName("a"), None), (MonitorName("b"), quiet)]) is None


def test_the_newest_detection_counts_and_of_one_pane_the_earliest_beginning() -> None:
    old = remembered(all=held(NOON, NOON - 9 * HOUR))
    new = remembered(a=held(NOON + HOUR, NOON), b=held(NOON + HOUR, NOON - 2 * HOUR), c={})
    found = latest_change([(MonitorName("old"), old), (MonitorName("new"), new)])
    assert found is not None
    assert (found.monitor, found.detected_at, found.began_at) == ("new", NOON + HOUR, NOON - 2 * HOUR)


def test_it_is_the_estimate_of_the_monitor_itself() -> None:
    monitor = ChangeMonitor(type="change", hold=timedelta(days=1), run_length=1000, min_rows=100)
    at = [NOON + timedelta(minutes=minute) for minute in range(300)]
    values = np.random.default_rng(3).uniform(0.1, 0.3, 300)
    values[200:] += 0.3
    name, memory = MonitorName("error"), None
    for end in range(60, 301, 60):
        part = slice(end - 60, end)
        memory, _ = fold_values(
            name, monitor, memory, Values(values[part], at[part]), at[end - 1] + HOUR / 60, Version("1")
        )
    found = latest_change([(name, memory)])
    assert found is not None
    assert abs(found.began_at - at[200]) <= timedelta(minutes=10)
