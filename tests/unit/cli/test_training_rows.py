"""What ``ctrain show`` says of a run's training."""

from __future__ import annotations

from typing import Any

import pytest

from ctrain.cli.training_rows import training_rows

TRAINING = {"rows": 800, "holdout_rows": 200, "window_start": "A", "holdout_start": "B", "cut_off": "C"}


def test_rows_and_what_was_held_out() -> None:
    assert training_rows(TRAINING) == [["training rows", "800 (A to B)"], ["held out", 200]]


@pytest.mark.parametrize(
    ("more", "row"),
    [
        ({"candidate": {"version": "2"}, "rows": 1000}, ["training rows", "1000 (A to C)"]),
        ({"candidate": {"version": "2"}}, ["fitted again after", "version 2, which the gates judged"]),
        ({"window": "no change has been detected"}, ["window", "no change has been detected"]),
        ({"reused": "clicks-1"}, ["reused", "the version of clicks-1, made of the same"]),
        (
            {"learnable": {"verdict": "not_learnable", "reason": "quick refits lose +0.1"}},
            ["before training", "not learnable: quick refits lose +0.1"],
        ),
        ({"failures": ["failed: no luck"]}, ["failed attempt", "failed: no luck"]),
    ],
)
def test_how_it_came_about(more: dict[str, Any], row: list[Any]) -> None:
    assert row in training_rows({**TRAINING, **more})


def test_a_look_that_has_not_been_taken_is_not_told() -> None:
    assert len(training_rows({**TRAINING, "learnable": {"bound": 0.0, "past": 800}})) == 2
