"""What ``ctrain show`` says of a run's training."""

from __future__ import annotations

from typing import Any

import pytest

from ctrain.cli.training_rows import training_rows

TRAINING = {
    "rows": 800,
    "holdout_rows": 200,
    "window_start": "2024-01-01T00:00:00+00:00",
    "holdout_start": "2024-01-09T00:00:00+00:00",
    "cut_off": "2024-01-11T12:30:00+00:00",
}
SELECTION = {"chosen": "a:f", "metric": "brier", "losses": {"a:g": 0.25, "a:f": 0.125}}
TUNING = {"params": {"C": 0.43117, "depth": 3}, "metric": "brier", "loss": 0.143922, "trials": 4}
TUNED = "C 0.4312, depth 3: brier 0.1439 on the newest rows, the best of 4 trials"


def test_rows_and_what_was_held_out() -> None:
    assert training_rows(TRAINING) == [
        ["training rows", "800 (2024-01-01 00:00 to 2024-01-09 00:00)"],
        ["held out", 200],
    ]


@pytest.mark.parametrize(
    ("more", "row"),
    [
        (
            {"candidate": {"version": "2"}, "rows": 1000},
            ["training rows", "1000 (2024-01-01 00:00 to 2024-01-11 12:30)"],
        ),
        ({"candidate": {"version": "2"}}, ["fitted again after", "version 2, which the gates judged"]),
        ({"window": "no change has been detected"}, ["window", "no change has been detected"]),
        ({"reused": "clicks-1"}, ["reused", "the version of clicks-1, made of the same"]),
        (
            {"learnable": {"verdict": "not_learnable", "reason": "quick refits lose +0.1"}},
            ["before training", "not learnable: quick refits lose +0.1"],
        ),
        (
            {"result": {"selection": SELECTION}},
            ["chosen", "a:f by brier on the newest rows: a:f 0.125, a:g 0.25"],
        ),
        ({"candidate": {"version": "2", "result": {"tuning": TUNING}}}, ["tuned", TUNED]),
        (
            {"result": {"tuning": {**TUNING, "warm_start": 0.15}}},
            ["tuned", f"{TUNED}; with the champion's 0.15"],
        ),
        (
            {"result": {"tuning": {**TUNING, "left_out": {"C": 200.0, "gone": None}}}},
            ["not searched", "of the champion's parameters C 200, gone None: train.tune has no such value"],
        ),
        ({"spent": [{"train_seconds": 1.7}, {"train_seconds": 0.12}]}, ["training time", "1.8 s"]),
        ({"spent": [{"train_seconds": 3725.2}]}, ["training time", "1:02:05"]),
        ({"failures": ["failed: no luck"]}, ["failed attempt", "failed: no luck"]),
    ],
)
def test_how_it_came_about(more: dict[str, Any], row: list[Any]) -> None:
    assert row in training_rows({**TRAINING, **more})


def test_a_look_that_has_not_been_taken_is_not_told() -> None:
    assert len(training_rows({**TRAINING, "learnable": {"bound": 0.0, "past": 800}})) == 2
