"""Benjamini-Hochberg against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from ctrain.stats.multiplicity import benjamini_hochberg


@pytest.mark.parametrize("number", [1, 2, 3, 10, 200])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_values = rng.choice(
        [rng.uniform(size=number), np.zeros(number), np.ones(number), np.full(number, 0.02)]
    )
    np.testing.assert_allclose(
        benjamini_hochberg(list(p_values)), false_discovery_control(p_values), atol=1e-15
    )


def test_nothing_to_correct() -> None:
    assert benjamini_hochberg([]) == []
