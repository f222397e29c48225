"""When the simple strategies ask for a training."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrain.backtest.strategies import Plan
from tests.support.backtests import HOUR, START

PLAN = Plan(START, START + 100 * HOUR, HOUR, HOUR)


def test_intervals_are_equal_whatever_their_phase() -> None:
    for phase, first in ((0.0, 0), (0.5, 10), (0.25, 5)):
        asks = PLAN.interval(5, phase)
        assert [(one - START) / HOUR for one in asks] == [first + 20 * part for part in range(5)]


def test_a_grid_leaves_both_ends_out() -> None:
    assert [(one - START) / HOUR for one in PLAN.grid(4)] == [25, 50, 75]
    assert PLAN.grid(1) == ()


@pytest.mark.parametrize("times", [1, 3, 7])
def test_every_instant_lies_within_the_plan(times: int) -> None:
    asks = PLAN.interval(times, 0.875)
    assert len(asks) == times
    assert asks[0] > START
    assert asks[-1] < PLAN.ends_at
    assert asks[-1] > PLAN.ends_at - timedelta(hours=100 / times)
