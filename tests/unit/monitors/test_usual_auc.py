"""What is usual between windows: of one sample, and of several segments that are looked at together."""

from __future__ import annotations

import numpy as np
import pytest

from ctrain.monitors.usual_auc import usual_auc, usual_aucs


def test_windows_that_differ_less_than_chance_raise_no_threshold() -> None:
    assert usual_auc((0.4, 0.45, 0.3)) == 0.5
    assert usual_aucs([(0.4, 0.45, 0.3), (0.4, 0.4, 0.4)]) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("insides", "usual"),
    [
        ([], []),
        ([(0.5, 0.6, 0.55)], [0.625]),
        ([(0.6, 0.6, 0.6), (0.5, 0.5, 0.8)], [0.875, 0.875]),
        ([(0.52, 0.52, 0.52), (0.5, 0.5, 0.8)], [0.6875, 0.875]),
        ([(0.6, 0.6, 0.6), (0.5, 0.52, 0.5)], [0.625, 0.548913]),
        ([(0.6, 0.6, 0.6), (0.5, 0.9)], [0.625, None]),
    ],
    ids=["none", "one", "no more than the largest", "a steady one", "one that lies lower", "unknown"],
)
def test_a_segment_stands_out_by_its_own_measure_among_all(
    insides: list[tuple[float, ...]], usual: list[float | None]
) -> None:
    expected = [None if one is None else pytest.approx(one, rel=1e-6) for one in usual]
    assert usual_aucs(insides) == expected


@pytest.mark.parametrize(("segments", "most"), [(1, 0.08), (20, 0.12)])
def test_more_segments_stand_out_by_chance_hardly_more_often(segments: int, most: float) -> None:
    """2,000 looks: all windows, ten inside and the one that is judged, differ alike, exponentially.

    Of one segment the share is 10! * gamma(2.25) / gamma(12.25) = 5.6 %. If each of 20 segments had its own
    largest, one would stand out in 1 - 0.944 ** 20 = 68 % of the looks.
    """
    random = np.random.default_rng(11)
    looks, by_itself = 0, 0
    for _ in range(2000):
        aucs = 0.5 + np.minimum(random.exponential(0.02, (segments, 11)), 0.45)
        insides, current = [tuple(one) for one in aucs[:, :10]], aucs[:, 10]
        usual = usual_aucs(insides)
        looks += any(auc >= reached for auc, reached in zip(current, usual, strict=True) if reached)
        by_itself += any(auc >= (usual_auc(one) or 1) for auc, one in zip(current, insides, strict=True))
    assert looks / 2000 < most
    if segments == 1:
        assert looks == by_itself
        assert looks / 2000 == pytest.approx(0.056, abs=0.02)
    else:
        assert by_itself / 2000 == pytest.approx(0.68, abs=0.04)
