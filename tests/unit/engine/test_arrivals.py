"""What was wrong with rows on arrival, by pane of their event time."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.domain import Arrived
from ctrain.engine.arrivals import added_to, count_arrived
from ctrain.engine.nested_counts import merged_counts
from ctrain.policy.models import Policy
from tests.support.arrivals import HOUR, START, microseconds, parsed, rows


@pytest.fixture
def policy() -> Policy:
    return parsed()


def test_everything_is_counted_in_the_pane_of_its_event(policy: Policy) -> None:
    arrived = Arrived(
        rows=rows([0, 0.5, 1, 1.5], age=[None, 300.0, -1.0, 50.0], country=["jp", None, "fr", "fr"]),
        wrong={"age": np.array([True, False, False, False])},
        absent={"visits": np.array([False, False, True, True])},
        repeated_at=[microseconds(0.1), microseconds(2.5), microseconds(2.6)],
        new_columns={"colour": microseconds(1.2)},
    )
    assert count_arrived(policy, arrived, None) == {
        START: {
            "rows": 2,
            "nulls": {"age": 1, "country": 1},
            "wrong": {"age": 1},
            "outside": {"age": {"0.0..100.0": 1}},
            "duplicates": 1,
        },
        START + HOUR: {
            "rows": 2,
            "absent": {"visits": 2},
            "outside": {"age": {"0.0..100.0": 1}},
            "new_columns": ["colour"],
        },
        START + 2 * HOUR: {"duplicates": 2},
    }


def test_what_comes_for_a_pane_that_was_judged_is_counted_apart(policy: Policy) -> None:
    arrived = Arrived(
        rows=rows([0, 1, 1.5], age=[None, None, 1.0]),
        repeated_at=[microseconds(0.5)],
        new_columns={"colour": microseconds(0)},
    )
    counts = count_arrived(policy, arrived, START + HOUR * 1.99)
    assert counts == {
        START: {"late": {"rows": 1, "duplicates": 1}},
        START + HOUR: {"rows": 2, "nulls": {"age": 1}, "new_columns": ["colour"]},
    }
    assert list(count_arrived(policy, arrived, START + 2 * HOUR).values()) == [
        {"late": {"rows": 1, "duplicates": 1}},
        {"late": {"rows": 2}},
        {"new_columns": ["colour"]},
    ]


@pytest.mark.parametrize(
    ("fresh", "repeated", "found"),
    [([0, 5], [], 5), ([0, 5], [4.5], 4), ([6], [0], 6), ([], [0], 2), ([], [], 2)],
    ids=["late row", "known open row", "known first row", "only late rows known", "no rows"],
)
def test_a_new_column_shows_in_the_first_open_pane_with_rows(
    policy: Policy, fresh: list[float], repeated: list[float], found: int
) -> None:
    arrived = Arrived(
        rows=rows(fresh),
        repeated_at=[microseconds(one) for one in repeated],
        new_columns={"colour": microseconds(0)},
    )
    counts = count_arrived(policy, arrived, START + 2 * HOUR)
    assert [at for at, one in counts.items() if "new_columns" in one] == [START + found * HOUR]


def test_no_rows_are_no_counts(policy: Policy) -> None:
    assert count_arrived(policy, Arrived(rows=rows([])), START) == {}


@given(st.lists(st.integers(0, 5 * 60), max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_however_rows_are_read_the_counts_are_the_same(minutes: list[int], cuts: list[int]) -> None:
    policy = parsed()
    ages = [None if one % 7 == 0 else float(one) for one in minutes]
    whole = rows([one / 60 for one in minutes], age=ages)
    edges = [0, *sorted(min(one, len(minutes)) for one in cuts), len(minutes)]
    parts = [whole.slice(first, last - first) for first, last in pairwise(edges)]
    known: dict[datetime, Any] = {}
    for part in parts:
        known |= added_to(known, count_arrived(policy, Arrived(rows=part), None))
    assert known == count_arrived(policy, Arrived(rows=whole), None)


def test_counts_are_added_and_names_are_kept_once() -> None:
    parts: list[dict[str, Any]] = [
        {"rows": 1, "nulls": {"x": 1}, "new_columns": ["a", "b"]},
        {"rows": 2, "nulls": {"x": 1, "y": 3}, "new_columns": ["b", "c"]},
        {"late": {"rows": 4}},
    ]
    whole = {
        "rows": 3,
        "nulls": {"x": 2, "y": 3},
        "new_columns": ["a", "b", "c"],
        "late": {"rows": 4},
    }
    assert merged_counts(parts) == whole
    assert reduce(lambda one, other: merged_counts([one, other]), parts) == whole
