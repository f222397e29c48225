"""What the backtest's table is followed by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrain.backtest.result import Backtest, Outcome
from ctrain.cli.backtest import _notes

START = datetime(2024, 1, 1, tzinfo=UTC)


def found(hours: float, seconds: float) -> Backtest:
    nothing = Outcome("policy", 0.1, 100, 0, 0, 0, 0.0, 0, (), {}, {})
    return Backtest(
        name="clicks",
        metric_name="brier",
        judged_from=START,
        judged_until=START + timedelta(hours=hours),
        first_train_seconds=seconds,
        first_train_rows=100,
        policy=nothing,
        baselines={},
        events=(),
        drift={},
        notes=("set aside: one",),
        trainings=(),
    )


@pytest.mark.parametrize(
    ("hours", "seconds", "training_time", "told"),
    [
        (100.0, 33.0, None, False),
        (0.5, 33.0, None, True),
        (0.5, 33.0, timedelta(seconds=1), False),
    ],
)
def test_trainings_that_are_long_beside_the_time_of_the_rows_are_told(
    hours: float, seconds: float, training_time: timedelta | None, told: bool
) -> None:
    first, *more = _notes(found(hours, seconds), training_time)
    assert first == "set aside: one"
    assert [one[:52] for one in more] == (
        ["the first training took 33 s, 2% of the time that wa"] if told else []
    )
