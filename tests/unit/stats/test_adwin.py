"""River's detection indices and window, in code whose state can be written down."""

import numpy as np
import numpy.typing as npt
import pytest
from river import drift

from ctrain.stats.detectors.adwin import Adwin
from ctrain.stats.detectors.detection import Range
from tests.support.streams import river_choices, river_integers

Floats = npt.NDArray[np.float64]


class AsGiven(Range):
    """River does not scale: values as they are."""

    def to_unit(self, values: Floats) -> Floats:
        return values


@pytest.mark.parametrize("stream", [river_integers(), river_choices()])
def test_the_published_indices(stream: Floats) -> None:
    detector = Adwin(AsGiven(0, 1), delta=0.002, direction="both")
    assert [found.index for found in detector.feed(stream)] == [1023]


@pytest.mark.parametrize("seed", range(8))
def test_indices_and_window_are_rivers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths, shapes = rng.integers(100, 2000, 6), rng.uniform(0.5, 3, 6)
    stream = np.concatenate([rng.beta(a, 2, n) for a, n in zip(shapes, lengths, strict=True)])
    delta = (0.3, 0.05, 0.002, 1e-5)[seed % 4]
    river, expected = drift.ADWIN(delta=delta), []  # type: ignore[no-untyped-call]  # river does not annotate it
    for index, value in enumerate(stream.tolist()):
        river.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
        if river.drift_detected:
            expected.append(index)
    detector = Adwin(Range(0, 1), delta=delta, direction="both")
    assert [found.index for found in detector.feed(stream)] == expected
    assert expected
    window = detector.to_json()["window"]
    assert (window["width"], window["total"]) == (river.width, river.total)
    assert window["squares"] == pytest.approx(river.variance)  # river's name for the sum of squares


def test_a_detection_tells_what_came_after_the_cut() -> None:
    rng = np.random.default_rng(1)
    stream = np.concatenate([rng.uniform(size=1000) < rate for rate in (0.2, 0.6)]).astype(np.float64)
    (found,) = Adwin(Range(0, 1), delta=0.002, direction="both").feed(stream)
    assert found.rose
    assert found.mean == pytest.approx(0.6, abs=0.15)
    assert abs(found.index - found.rows - 1000) < 150
    assert found.statistic > 1


def test_a_change_in_the_other_direction_empties_the_window_and_is_not_told() -> None:
    rng = np.random.default_rng(2)
    stream = np.concatenate([rng.uniform(size=1000) < rate for rate in (0.6, 0.2, 0.6)]).astype(np.float64)
    rises = Adwin(Range(0, 1), delta=0.002, direction="up").feed(stream)
    falls = Adwin(Range(0, 1), delta=0.002, direction="down").feed(stream)
    both = Adwin(Range(0, 1), delta=0.002, direction="both").feed(stream)
    assert [found.index for found in both] == sorted(found.index for found in rises + falls)
    assert [found.rose for found in both] == [False, True]
