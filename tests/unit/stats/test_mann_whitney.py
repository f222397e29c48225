"""The Mann-Whitney test against scipy's (``mannwhitneyu``, asymptotic, one-sided)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ctrain.stats.mann_whitney import mann_whitney


@pytest.mark.parametrize(("n", "m", "shift", "decimals"), [
    (20, 30, 0.0, 8), (200, 150, 0.3, 8), (200, 150, 0.3, 0), (40, 500, -0.5, 1), (5, 7, 2.0, 8),
])  # fmt: skip
def test_it_agrees_with_scipy(n: int, m: int, shift: float, decimals: int) -> None:
    random = np.random.default_rng(11)
    first, second = random.normal(size=n).round(decimals), (random.normal(size=m) + shift).round(decimals)
    theirs = stats.mannwhitneyu(second, first, alternative="greater", method="asymptotic")
    ours = mann_whitney(first, second)
    assert ours.auc == pytest.approx(theirs.statistic / (n * m))
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_perfect_separation() -> None:
    found = mann_whitney(np.zeros(50), np.ones(50))
    assert found.auc == 1
    assert found.p_value < 1e-15
