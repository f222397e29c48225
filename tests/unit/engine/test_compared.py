"""Which weeks tell how much the same hours of several weeks differ."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ctrain.engine.compared import weeks_that_tell
from ctrain.stats.grid import build_grid
from ctrain.stats.profile import Profile, profile_table
from ctrain.stats.variability import variability_between

RNG = np.random.default_rng(0)
GRID = build_grid(pa.table({"x": pa.array(RNG.normal(size=5000))}), ["x"], [])


def weeks(*rows: int) -> list[Profile]:
    return [profile_table(pa.table({"x": pa.array(RNG.normal(size=count))}), GRID) for count in rows]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((2000, 2000, 2000, 3), [2000, 2000, 2000]),
        ((2000, 250, 2000, 249), [2000, 250, 2000]),
        ((2000, 2000, 3), [2000, 2000, 3]),
        ((200, 200, 200), [200, 200, 200]),
    ],
)
def test_weeks_with_hardly_a_row_do_not_tell_where_others_do(rows: tuple[int, ...], told: list[int]) -> None:
    assert [one.rows for one in weeks_that_tell(weeks(*rows), 500)] == told


def test_three_rows_before_an_outage_do_not_hide_a_drift() -> None:
    found = weeks(2000, 2000, 2000, 3)
    assert (variability_between(found, GRID).effects["x"] or 0) > 0.3
    assert (variability_between(weeks_that_tell(found, 500), GRID).effects["x"] or 1) < 0.06
