from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrain.policy.models import Budget
from ctrain.triggers.training_time import (
    TimeSpent,
    reserved_time,
    time_spent,
    training_time_left,
    with_attempt,
)
from tests.support.runs import a_run

NOW = datetime(2024, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUDGET = Budget.model_validate({"training_time": "8h", "per": "7d"})


def took(hours: float, ago: float, trained: bool = True) -> TimeSpent:
    return TimeSpent(NOW - HOUR * ago, HOUR * hours, trained)


@pytest.mark.parametrize(
    ("spent", "reserved", "left", "free_in"),
    [
        ([], 2, 8, None),
        ([took(6, 1)], 2, 2, None),
        ([took(6.5, 1)], 2, 1.5, 167),
        ([took(3, 1, trained=False), took(4, 100)], 2, 1, 68),
        ([took(3, 1), took(1, 100), took(4, 50)], 2, 0, 118),
        ([took(3, 1), took(2, 100), took(3, 50)], 2, 0, 68),
        ([took(20, 167.9)], 8, 0, 0.1),
        ([took(20, 168)], 8, 8, None),
    ],
)
def test_training_time_left(
    spent: list[TimeSpent], reserved: float, left: float, free_in: float | None
) -> None:
    found = training_time_left(BUDGET, spent, HOUR * reserved, NOW)
    assert found == (HOUR * left, None if free_in is None else NOW + HOUR * free_in)


def test_without_a_budget_of_time_there_is_nothing_to_keep() -> None:
    assert training_time_left(None, [took(9, 1)], HOUR, NOW) is None
    runs_only = Budget.model_validate({"runs": 3, "per": "7d"})
    assert training_time_left(runs_only, [took(9, 1)], HOUR, NOW) is None


@pytest.mark.parametrize(
    ("spent", "reserved"),
    [
        ([], 4),
        ([took(0.1, 1, trained=False)], 4),
        ([took(1, 1)], 1),
        ([took(1, 1), took(3, 900), took(2, 5)], 2),
        ([took(1, 1), took(2, 5)], 1.5),
        ([took(9, 1)], 4),
    ],
)
def test_the_median_of_past_trainings_is_reserved(spent: list[TimeSpent], reserved: float) -> None:
    assert reserved_time(spent, HOUR * 4) == HOUR * reserved


def test_a_run_remembers_its_attempts() -> None:
    attempts = [took(1, 3, trained=False), took(2, 1)]
    found: dict[str, object] = {"rows": 7}
    for attempt in attempts:
        found |= with_attempt(found, attempt)
    runs = [a_run(details={"training": found}), a_run(2)]
    assert time_spent(runs) == tuple(attempts)
    assert found["rows"] == 7
