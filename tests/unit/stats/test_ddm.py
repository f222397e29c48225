"""River's detection indices, and what a baseline changes."""

import random

import numpy as np
import numpy.typing as npt
import pytest
from river.drift import binary

from ctrain.stats.detectors.ddm import Ddm, Seen
from ctrain.stats.detectors.detection import Range

Floats = npt.NDArray[np.float64]
UNIT = Range(0, 1)


def rivers_example() -> Floats:
    rng = random.Random(42)
    return np.array(rng.choices([0, 1], k=1000) + rng.choices([0, 1], k=1000, weights=[0.3, 0.7]), float)


def errors(seed: int, *rates: float, rows: int = 1500) -> Floats:
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.uniform(size=rows) < rate).astype(np.float64) for rate in rates])


def test_the_published_index() -> None:
    assert [found.index for found in Ddm(UNIT, level=3.0).feed(rivers_example())] == [1334]


@pytest.mark.parametrize("seed", range(12))
def test_indices_are_rivers(seed: int) -> None:
    rates = np.random.default_rng(seed).permutation([0.05, 0.2, 0.4, 0.6, 0.8, 0.9])
    stream, level = errors(seed, *rates), (2.5, 3.0, 4.0)[seed % 3]
    river, expected = binary.DDM(drift_threshold=level), []
    for index, value in enumerate(stream.tolist()):
        river.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
        if river.drift_detected:
            expected.append(index)
    assert [found.index for found in Ddm(UNIT, level=level).feed(stream)] == expected


def test_from_nothing_the_first_of_rare_errors_is_a_detection_and_with_a_baseline_it_is_not() -> None:
    stream = np.zeros(400)
    stream[100] = 1
    assert [found.index for found in Ddm(UNIT, level=3.0).feed(stream)] == [100]
    assert Ddm(UNIT, level=3.0, seen=Seen(2000, 0.01)).feed(stream) == []


def test_a_model_that_is_worse_from_the_first_row_on_is_found_with_a_baseline_alone() -> None:
    stream = errors(3, 0.5)
    assert Ddm(UNIT, level=3.0).feed(stream) == []
    first = Ddm(UNIT, level=3.0, seen=Seen(2000, 0.2)).feed(stream)[0]
    assert first.index < 300
    assert first.rows == first.index + 1
    assert first.mean == pytest.approx(0.5, abs=0.1)


def test_after_a_detection_the_baseline_holds_again() -> None:
    found = Ddm(UNIT, level=3.0, seen=Seen(1000, 0.2)).feed(errors(4, 0.6))
    assert len(found) > 5
