"""Sums of windows are those of their panes, and cost a few additions when a window moves on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.engine import window_sums
from ctrain.engine.window_sums import WindowSums


def sums(values: dict[int, int], last: int) -> WindowSums[int]:
    found: WindowSums[int] = WindowSums(lambda one, other: one + other)
    found.missing(0, 0)
    found.put(values.items(), last)
    return found


@given(st.dictionaries(st.integers(0, 200), st.integers(1, 9)), st.integers(0, 200), st.integers(0, 200))
def test_a_total_is_the_sum_of_the_panes(values: dict[int, int], first: int, last: int) -> None:
    expected = sum(value for pane, value in values.items() if first <= pane < last)
    assert (sums(values, 201).total(first, last) or 0) == expected


def test_nothing_in_a_window_is_nothing() -> None:
    assert sums({5: 1}, 10).total(6, 9) is None
    assert sums({}, 10).total(3, 3) is None


def test_only_what_is_missing_is_asked_for_and_what_is_behind_is_forgotten() -> None:
    found = sums(dict.fromkeys(range(10), 1), 10)
    assert found.missing(4, 12) == range(10, 12)
    found.put([(11, 5)], 12)
    assert found.missing(4, 12) == range(12, 12)
    assert found.total(4, 12) == 11
    assert found.missing(2, 12) == range(2, 12)
    assert found.total(2, 12) is None
    found.put([(3, 7)], 12)
    assert found.missing(50, 60) == range(50, 60)


@pytest.mark.parametrize("length", [24, 720])
def test_a_window_that_moves_on_costs_a_few_additions(length: int) -> None:
    additions = 0

    def add(one: int, other: int) -> int:
        nonlocal additions
        additions += 1
        return one + other

    found: WindowSums[int] = WindowSums(add)
    found.missing(1000, 1000)
    found.put(((at, 1) for at in range(1000, 3000)), 3000)
    assert found.total(1000, 1000 + length) == length
    additions = 0
    for start in range(1001, 1201):
        found.missing(start, 3000)
        assert found.total(start, start + length) == length
    assert additions / 200 < 4


def test_sums_that_are_not_remembered_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_sums, "MOST_SUMS", 1)
    found = sums({at: at for at in range(100)}, 100)
    assert [found.total(start, start + 20) or 0 for start in range(80)] == [
        sum(range(start, start + 20)) for start in range(80)
    ]
