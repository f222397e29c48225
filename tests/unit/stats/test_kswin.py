"""River's detection indices with its random numbers, and critical distances of scipy."""

import numpy as np
import numpy.typing as npt
import pytest
from river import drift
from scipy.stats import ks_2samp

from ctrain.stats.detectors.detection import Range
from ctrain.stats.detectors.kswin import Kswin, Windows, critical_steps
from tests.support.streams import river_choices, river_integers

Floats = npt.NDArray[np.float64]
RIVERS = Windows(100, 30, 1)


@pytest.mark.parametrize(
    ("stream", "windows", "index"),
    [(river_integers(), Windows(200, 100, 1), 1042), (river_choices(), RIVERS, 1016)],
)
def test_the_published_indices(stream: Floats, windows: Windows, index: int) -> None:
    detector = Kswin(Range(0, 8), alpha=1e-4, direction="both", windows=windows, seed=42)
    assert [found.index for found in detector.feed(stream)] == [index]


@pytest.mark.parametrize("seed", [1, 2])
def test_indices_are_rivers_also_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stream = np.concatenate([rng.beta(a, 2, 250) for a in (0.5, 2.0, 0.7)])
    stream[::3] = np.round(stream[::3], 1)
    river, expected = drift.KSWIN(alpha=0.001, seed=seed), []
    for index, value in enumerate(stream.tolist()):
        river.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
        if river.drift_detected:
            expected.append(index)
    detector = Kswin(Range(0, 1), alpha=0.001, direction="both", windows=RIVERS, seed=seed)
    assert [found.index for found in detector.feed(stream)] == expected
    assert expected


@pytest.mark.parametrize(("newest", "alpha"), [(30, 0.005), (100, 1e-4), (300, 3e-5)])
def test_the_critical_distance_is_the_least_that_scipy_finds_significant(newest: int, alpha: float) -> None:
    def exact(steps: int) -> float:
        lower = np.concatenate([np.zeros(steps), np.ones(newest - steps)])
        return float(ks_2samp(lower, np.ones(newest), method="exact").pvalue)

    steps = critical_steps(newest, alpha)
    assert exact(steps) <= alpha < exact(steps - 1)


def test_where_no_distance_is_significant_there_is_no_detection() -> None:
    assert critical_steps(5, 1e-9) == 6
    never = Kswin(Range(0, 1), alpha=1e-9, direction="both", windows=Windows(20, 5, 1))
    assert never.feed(np.repeat([0.0, 1.0], 50)) == []
    assert never.threshold > 1


def test_a_small_distance_is_none_however_many_values_there_are() -> None:
    assert critical_steps(3000, 0.05) == 301


def test_a_change_in_the_other_direction_is_not_told() -> None:
    stream = np.random.default_rng(3).normal(np.repeat([0, 1.5, 0], 2000), 1)
    rises, falls = (Kswin(Range(-9, 9), alpha=1e-6, direction=side).feed(stream) for side in ("up", "down"))
    assert [2000 < found.index < 2300 for found in rises] == [True]
    assert [4000 < found.index < 4300 for found in falls] == [True]
    assert falls[0].statistic > 0.2
