"""Since when schedules count: from their registration with the policy, or from when they came to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ctrain.domain import TriggerName
from ctrain.engine.schedule_starts import note_schedules
from ctrain.policy.files import parse_policy
from tests.fakes_store import MemoryIngestTables
from tests.support.world import POLICY

DAY = timedelta(days=1)
REGISTERED = datetime(2024, 1, 1, tzinfo=UTC)
CONDITION = "degraded: {any: [brier], for: 2h}"
WEEKLY = 'weekly: {cron: "0 3 * * 0", timezone: UTC}'
DAILY = 'weekly: {cron: "0 3 * * *", timezone: UTC}'


def note(tables: Any, triggers: str, day: int) -> Mapping[TriggerName, datetime]:
    """Of a policy with these triggers, so many days after it was registered."""
    text = POLICY.replace(CONDITION, "\n  ".join([CONDITION, *triggers.split("\n")]).strip())
    policy = parse_policy(text, Path("clicks.yaml"), {}).policy
    return note_schedules(tables, policy, REGISTERED, REGISTERED + day * DAY)


def test_schedules_of_the_first_day_count_from_the_registration() -> None:
    tables = MemoryIngestTables()
    assert note(tables, WEEKLY, day=0) == {TriggerName("weekly"): REGISTERED}
    assert note(tables, WEEKLY, day=40) == {TriggerName("weekly"): REGISTERED}


def test_those_of_a_policy_of_which_nothing_was_noted_count_from_its_registration() -> None:
    assert note(MemoryIngestTables(), WEEKLY, day=40) == {TriggerName("weekly"): REGISTERED}


def test_one_that_comes_later_or_means_other_times_counts_from_then() -> None:
    tables = MemoryIngestTables()
    assert note(tables, "", day=0) == {}
    assert note(tables, WEEKLY, day=40) == {TriggerName("weekly"): REGISTERED + 40 * DAY}
    assert note(tables, WEEKLY, day=50) == {TriggerName("weekly"): REGISTERED + 40 * DAY}
    assert note(tables, DAILY, day=60) == {TriggerName("weekly"): REGISTERED + 60 * DAY}
    note(tables, "", day=70)
    assert note(tables, DAILY, day=80) == {TriggerName("weekly"): REGISTERED + 80 * DAY}


def test_an_interval_that_becomes_another_one_counts_on() -> None:
    tables = MemoryIngestTables()
    note(tables, "often: {every: 30d}", day=0)
    assert note(tables, "often: {every: 7d}", day=20) == {TriggerName("often"): REGISTERED}


def test_what_a_wrong_clock_saw_counts_from_the_right_one() -> None:
    tables = MemoryIngestTables()
    note(tables, "", day=0)
    note(tables, WEEKLY, day=400)
    assert note(tables, WEEKLY, day=40) == {TriggerName("weekly"): REGISTERED + 40 * DAY}
