"""Weights by age against the definition of a half-life."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from ctrain.stats.age_weights import age_weights


def at(*hours: float) -> np.ndarray:
    return np.array([np.datetime64("2026-01-01", "us") + np.timedelta64(int(h * 3600), "s") for h in hours])


def test_a_row_counts_half_for_each_half_life_that_it_is_older() -> None:
    weights = age_weights(at(0, 6, 12, 24), timedelta(hours=6))
    assert weights / weights[-1] == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1])


@pytest.mark.parametrize("hours", [(0.0,), (5.0, 1.0, 3.0), (2.0, 2.0, 2.0)])
def test_the_mean_is_one_whatever_the_order(hours: tuple[float, ...]) -> None:
    weights = age_weights(at(*hours), timedelta(hours=1))
    assert weights.mean() == pytest.approx(1)
    assert weights.argmax() == int(np.argmax(hours))


def test_what_is_ages_old_counts_nothing_and_no_rows_have_no_weights() -> None:
    assert age_weights(at(0, 100_000), timedelta(seconds=1)).tolist() == [0, 2]
    assert age_weights(at(), timedelta(days=1)).size == 0
