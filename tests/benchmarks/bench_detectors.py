"""Change detectors beside river's, on the same losses in one run: nanoseconds a row, and indices.

Run as ``python tests/benchmarks/bench_detectors.py``. River is given its update loop, the values as a
list of floats; ours are given the array. Page-Hinkley is compared twice: with its mean held at a
baseline, as a monitor uses it, and in river's own form with a running mean.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from river import drift
from river.drift import binary

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.stats.detectors.adwin import Adwin
from ctrain.stats.detectors.classic import page_hinkley
from ctrain.stats.detectors.cusum import Cusum
from ctrain.stats.detectors.ddm import Ddm
from ctrain.stats.detectors.detection import Detector, Range, Scale
from ctrain.stats.detectors.e_detector import EDetector, MeanBounds
from ctrain.stats.detectors.kswin import Kswin, Windows
from ctrain.stats.detectors.page_hinkley import PageHinkley

Floats = npt.NDArray[np.float64]
ROWS, SLOW_ROWS = 1_000_000, 2_000
UNIT = Range(0.0, 1.0)
HELD = 1e300


def losses(rows: int) -> Floats:
    """Squared errors of probabilities, worse by a quarter in the last tenth."""
    found = np.random.default_rng(0).beta(0.5, 2, rows)
    found[-rows // 10 :] = np.minimum(found[-rows // 10 :] * 1.25, 1)
    return found


def cpu_seconds(action: Callable[[], list[int]]) -> tuple[float, list[int]]:
    """The least of three runs: the machine may be busy with other things."""
    taken: list[float] = []
    indices: list[int] = []
    for _ in range(3):
        started = time.process_time()
        indices = action()
        taken.append(time.process_time() - started)
    return min(taken), indices


def of_river(make: Callable[[], Any], values: Floats) -> Callable[[], list[int]]:
    """River's update loop."""
    stream = values.tolist()

    def loop() -> list[int]:
        detector, found = make(), []
        for index, value in enumerate(stream):
            detector.update(value)
            if detector.drift_detected:
                found.append(index)
        return found

    return loop


class HeldMean(drift.PageHinkley):
    """River's Page-Hinkley with its mean held at zero."""

    def _reset(self) -> None:
        super()._reset()  # type: ignore[no-untyped-call]  # river does not annotate it
        self._x_mean.n = HELD


def fed(make: Callable[[], Detector], values: Floats) -> Callable[[], list[int]]:
    return lambda: [found.index for found in make().feed(values)]


def compared(name: str, rows: int, theirs: Callable[[], list[int]], ours: Callable[[], list[int]]) -> None:
    river, expected = cpu_seconds(theirs)
    own, found = cpu_seconds(ours)
    same = "same" if found == expected else f"{len(found)} and {len(expected)}"
    ratio = f"{river / own:8.1f}x"
    print(f"{name:34} {river / rows * 1e9:12.0f} {own / rows * 1e9:12.0f} {ratio} {same:>14}")


def alone(name: str, rows: int, ours: Callable[[], list[int]]) -> None:
    own, found = cpu_seconds(ours)
    print(f"{name:34} {'-':>12} {own / rows * 1e9:12.0f} {'':9} {len(found):>14}")


def main() -> None:
    values = losses(ROWS)
    scale = Scale(float(values[:5000].mean()), float(values[:5000].std()))
    standardised = scale.standardise(values)
    print(f"{'detector':34} {'river ns/row':>12} {'ours ns/row':>12} {'ratio':>9} {'detections':>14}")
    compared(
        "Page-Hinkley, mean held",
        ROWS,
        of_river(
            lambda: HeldMean(min_instances=1, delta=0.1, threshold=37, alpha=1.0, mode="up"), standardised
        ),
        fed(lambda: PageHinkley(scale, threshold=37, delta=0.1, direction="up"), values),
    )
    compared(
        "Page-Hinkley, river's defaults",
        ROWS,
        of_river(drift.PageHinkley, standardised),
        lambda: page_hinkley(standardised),
    )
    compared(
        "DDM",
        ROWS,
        of_river(binary.DDM, np.rint(values)),
        fed(lambda: Ddm(UNIT, level=3.0), np.rint(values)),
    )
    compared(
        "ADWIN",
        ROWS,
        of_river(drift.ADWIN, values),
        fed(lambda: Adwin(UNIT, delta=0.002, direction="both"), values),
    )
    few = values[:SLOW_ROWS]
    compared(
        "KSWIN, a look after every row",
        SLOW_ROWS,
        of_river(lambda: drift.KSWIN(seed=1), few),
        fed(
            lambda: Kswin(UNIT, alpha=0.005, direction="both", windows=Windows(100, 30, 1), seed=1),
            few,
        ),
    )
    alone("KSWIN as a monitor runs it", ROWS // 10, fed(kswin, values[: ROWS // 10]))
    alone("CUSUM", ROWS, fed(lambda: Cusum(scale, threshold=15, delta=0.25, direction="both"), values))
    alone("e-detector", ROWS, fed(lambda: e_detector(values), values))


def kswin() -> Kswin:
    return Kswin(UNIT, alpha=3e-5, direction="up")


def e_detector(values: Floats) -> EDetector:
    sd = float(values[:5000].std())
    mean = float(values[:5000].mean())
    slack = 2 * sd / math.sqrt(5000)
    bounds = MeanBounds(mean - slack, mean + slack, sd, 1, sd)
    return EDetector(UNIT, bounds, threshold=math.log1p(1e6), direction="up")


if __name__ == "__main__":
    main()
