"""Average run lengths of the tabular CUSUM as in its textbook table."""

import numpy as np
import pytest

from ctrain.stats.detectors.cusum import Cusum
from ctrain.stats.detectors.detection import Scale


@pytest.mark.parametrize(
    ("shift", "threshold", "run_length"),
    [
        (0.0, 4, 168),
        (0.0, 5, 465),
        (0.5, 4, 26.6),
        (0.5, 5, 38.0),
        (1.0, 4, 8.38),
        (1.0, 5, 10.4),
        (2.0, 4, 3.34),
        (2.0, 5, 4.01),
    ],
)
def test_average_run_lengths_of_montgomerys_table(shift: float, threshold: float, run_length: float) -> None:
    """Montgomery (2009), table 9.3, k = 1/2, both sides."""
    rows = np.random.default_rng(1).normal(shift, 1, 10_000 if shift else 200_000)
    found = Cusum(Scale(0, 1), threshold=threshold, delta=0.5, direction="both").feed(rows)
    assert rows.size / len(found) == pytest.approx(run_length, rel=0.1 if shift < 1 else 0.03)


def test_the_first_value_counts_in_full() -> None:
    rising = Cusum(Scale(0, 1), threshold=5, delta=0.5, direction="up")
    rising.feed(np.array([3.0]))
    assert rising.statistic == 2.5
    falling = Cusum(Scale(0, 1), threshold=5, delta=0.5, direction="down")
    falling.feed(np.array([-3.0]))
    assert falling.statistic == 2.5
