"""What is said of a column that changed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.monitors.explanations import explain_nulls, explain_values, percent
from ctrain.stats.grid import build_grid
from ctrain.stats.profile import profile_table
from tests.unit.stats.columns import profiled

RNG = np.random.default_rng(1)
TENS = np.arange(1000.0) % 10
NORMAL = RNG.normal(size=2000)
LETTERS = ["AA"] * 12 + ["UA"] * 88


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        (TENS, TENS - 1.5, "mean 4.5 -> 3 (0.5 standard deviations down)"),
        (TENS, TENS * 0 + 4, "always 4 in the window, mean 4.5 in the reference"),
        (TENS * 0 + 4, TENS, "always 4 in the reference, now 0 to 9"),
        (TENS * 0 + 4, TENS * 0 + 5, "always 4 in the reference, now always 5"),
        (TENS, 4.5 + 3 * (TENS - 4.5), "standard deviation 2.874 -> 8.621"),
        (
            TENS,
            np.where(np.arange(1000) < 1, 1e6, TENS),
            "mean 4.5 -> 1004 (348.0 standard deviations up), largest value 1e+06 (9 in the reference)",
        ),
        (
            TENS,
            np.where(np.arange(1000) < 1, -1e6, TENS),
            "mean 4.5 -> -995.5 (348.0 standard deviations down), smallest value -1e+06 (0 in the reference)",
        ),
        (TENS, np.where(TENS < 3, np.inf, TENS), "infinite values 0 % -> 30 %"),
        (np.array([np.inf, 1.0] * 50), np.array([np.inf] * 5 + [2.0]), "infinite values 50 % -> 83 %"),
        (LETTERS, ["AA"] * 31 + ["UA"] * 69, "share of AA 12 % -> 31 %"),
        (
            LETTERS,
            ["AA"] * 10 + ["new"] * 90,
            "share of values that the reference does not have 0 % -> 90 %",
        ),
        (["x" * 60, "y"], ["x" * 60], f"share of {'x' * 40}... 50 % -> 100 %"),
        (np.array([np.inf] * 4), np.array([np.inf] * 4), "share of inf 100 % -> 100 %"),
        (np.array([-1e300, 1e300] * 50), np.array([-1e300, 1e300, 1e300]), "share of -1e+300 50 % -> 33 %"),
        (
            np.array([0.0] * 40 + [1.0] * 20 + [2.0] * 40),
            np.array([0.0] * 43 + [1.0] * 14 + [2.0] * 43),
            "share of 1 20 % -> 14 %",
        ),
        (
            np.array([0.0, 2.0] * 50),
            np.array([0.0, 2.0] * 46 + [0.9, 1.1] * 4),
            "share of values between the usual ones 0 % -> 8 %",
        ),
    ],
)
def test_what_changed_most_is_told(before: Any, now: Any, sentence: str) -> None:
    assert explain_values(*profiled(before, now)) == sentence


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-9.0, -1.3, r"share of values up to -1\.2\d* 10 % -> "),
        (1.3, 9.0, r"share of values from 1\.2\d* 10 % -> "),
        (0.3, 0.5, r"share of values from 0\.2\d* to 0\.5\d* 10 % -> "),
    ],
)
def test_a_stretch_of_values_is_told_by_its_ends(low: float, high: float, said: str) -> None:
    """Values are taken out of a stretch while mean and standard deviation are told to be as they were."""
    grid, before, now = profiled(NORMAL, NORMAL[(low > NORMAL) | (high < NORMAL)])
    same = replace(now, mean=before.mean, squares=before.variance * (now.finite - 1))
    assert re.match(said, explain_values(grid, before, same))


def test_dates_are_told_as_dates() -> None:
    before, now = (pa.table({"d": pa.array(np.arange(100.0) + first)}) for first in (19723, 19823))
    grid = build_grid(before, [], [], date=["d"])
    both = [profile_table(one, grid).columns["d"] for one in (before, now)]
    assert explain_values(grid.columns["d"], *both).startswith("mean 2024-02-19 -> 2024-05-29 (3.4 standard")
    far = profile_table(pa.table({"d": [1e9, 2e9]}), grid).columns["d"]
    assert "day 1.5e+09" in explain_values(grid.columns["d"], both[0], far)


def test_many_categories_speak_of_the_rare_ones() -> None:
    before = [f"c{place % 3000}" for place in range(9000)]
    assert explain_values(*profiled(before, ["c2999"] * 50)).startswith("share of ")
    assert explain_values(*profiled(before, ["new"] * 50)).startswith(
        "share of values that are rare in the reference"
    )


def test_null_rates_are_told_before_and_now() -> None:
    _, before, now = profiled([1.0] * 999 + [None], [1.0] * 86 + [None] * 14)
    assert explain_nulls(before, now) == "null rate 0.1 % -> 14 %"
    _, before, now = profiled([1.0], pa.array([], pa.float64()).to_pylist() or [None])
    assert explain_nulls(before, now) == "null rate 0 % -> 100 %"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (float("nan"), "no rows"),
        (0.0, "0 %"),
        (0.999, "100 %"),
        (0.105, "10 %"),
        (0.012, "1.2 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_are_told_with_two_digits(share: float, text: str) -> None:
    assert percent(share) == text
