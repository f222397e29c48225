"""Lattices: counting by steps gives exactly what searching every value gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ctrain.stats.column_grid import NumericGrid, numeric_grid
from ctrain.stats.lattice import Lattice, Scratch, smooth_lattice, whole_lattice

Floats = NDArray[np.float64]
RNG = np.random.default_rng(1)
SCRATCH = Scratch()

REFERENCES: dict[str, Floats] = {
    "normal": RNG.normal(size=5000),
    "lognormal": RNG.lognormal(0, 2, size=5000),
    "cauchy": RNG.standard_cauchy(size=5000),
    "far from zero": RNG.normal(1e12, 1e-3, size=5000),
    "tiny": RNG.normal(size=5000) * 1e-308,
    "huge": RNG.uniform(-1, 1, size=5000) * 1.7e308,
    "one outlier": np.append(RNG.normal(size=5000), 1e300),
    "whole": RNG.integers(-50, 50, size=5000).astype(float),
    "whole, wide": RNG.integers(-30_000, 30_000, size=5000).astype(float),
    "whole, beyond 2^53": RNG.integers(2**60, 2**62, size=5000).astype(float),
    "cents": RNG.integers(0, 10_000, size=5000) / 100,
    "zeros": np.where(RNG.uniform(size=5000) < 0.3, 0.0, RNG.normal(size=5000)),
    "two scales": np.concatenate([RNG.normal(0, 1e-9, 2500), RNG.normal(1e9, 1, 2500)]),
    "few": np.array([-1.0, 0.25, 7.0]),
    "neighbours": np.nextafter(1.0, np.arange(2.0)),
}
EXTREMES = np.array(
    [
        *(0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, 1.797e308, np.inf, -np.inf, 1e-300),
        *(2.0**53, 2.0**53 + 2, 2.0**62, -(2.0**63), 2.0**64, 1.5, 0.1, -7.25),
    ]
)


def adversaries(values: Floats) -> Floats:
    """Grid values, their neighbours on either side, values between them, beyond them, and extremes."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = [values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf), values + 1, values - 0.5]
        between = values[:-1] / 2 + values[1:] / 2
        outside = np.concatenate([values[:1] * 3, values[-1:] * 3, values + 6 * np.std(values)])
    found = np.concatenate([*near, between, np.rint(between), outside, EXTREMES])
    known: Floats = found[~np.isnan(found)]
    return known


def located(lattice: Lattice, values: Floats) -> tuple[list[int], Floats]:
    """Return the cells, and the values of which the lattice knows nothing."""
    with np.errstate(invalid="ignore", over="ignore"):
        cells = lattice.locate(values, values - lattice.origin, SCRATCH).tolist()
        codes, _ = lattice.code(values, values - lattice.origin, SCRATCH)
    return cells, values[codes == lattice.grid.cells + len(lattice.grid.points)]


@pytest.mark.parametrize("name", REFERENCES)
def test_every_adversarial_value_lies_in_the_cell_that_a_search_finds(name: str) -> None:
    grid = numeric_grid(REFERENCES[name])
    values = adversaries(grid.points)
    lattices = [(smooth_lattice(grid), values), (whole_lattice(grid), values[values == np.rint(values)])]
    for lattice, suited in lattices:
        if lattice is None:
            continue
        cells, outer = located(lattice, suited)
        assert cells == grid.locate(suited).tolist()
        beyond = suited[(suited < grid.points[0]) | (suited > grid.points[-1])]
        assert set(beyond.tolist()) <= set(outer.tolist())


def test_which_grids_have_which_lattice() -> None:
    kinds = {}
    for name, values in REFERENCES.items():
        grid = numeric_grid(values)
        smooth, whole = smooth_lattice(grid), whole_lattice(grid)
        kinds[name] = (smooth is not None and ("equal" if smooth.spread is None else "squeezed"), bool(whole))
    assert kinds["normal"] == ("equal", False)
    assert kinds["cauchy"] == kinds["lognormal"] == kinds["one outlier"] == ("squeezed", False)
    assert kinds["whole"][1]
    assert kinds["whole, wide"][1]
    assert kinds["whole, beyond 2^53"] == ("equal", False)
    assert kinds["two scales"] == (False, False)
    assert smooth_lattice(NumericGrid((3.0,))) is None
    assert whole_lattice(NumericGrid((3.0,))) is not None


@settings(deadline=None, max_examples=60)
@example(known=[0.0, 1.0, 2.760149595304076e303, 1.7976793341143393e308, 0.5], others=[])
@example(
    known=[0.0, 1e-9, 1e-3, 1.0, 1e3, 1e9], others=[1.7976931348623157e308, -1.7976931348623157e308, np.inf]
)
@given(
    known=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=40),
    others=st.lists(st.floats(allow_nan=False), max_size=60),
)
def test_any_grid_and_any_values(known: list[float], others: list[float]) -> None:
    grid = numeric_grid(np.array(known))
    lattice = smooth_lattice(grid)
    if lattice is None:
        return
    values = np.concatenate([adversaries(grid.points), np.array(others, dtype=float)])
    assert located(lattice, values)[0] == grid.locate(values).tolist()
