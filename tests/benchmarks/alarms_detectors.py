"""Run lengths of the change detectors on losses without any change, and how soon they find one.

Losses of a classifier whose scores are calibrated (Brier losses, skewed, between 0 and 1), drawn
independently and with a slow wave in the share of hard rows. Baselines are those of the monitor: made
from 5,000 rows before. A run length of 100,000 rows is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ctrain.monitors.baselines import make_baseline
from ctrain.policy.monitors import ChangeMonitor

Floats = npt.NDArray[np.float64]
Make = Callable[[np.random.Generator, int], Floats]
DETECTORS = ("e_detector", "page_hinkley", "cusum", "adwin", "ddm", "kswin")
RUN_LENGTH = 100_000
BASELINE_ROWS = 5_000
STREAMS = 20
STREAM_ROWS = 200_000
SLOW = ("kswin",)
SLOW_ROWS = 50_000


def independent(rng: np.random.Generator, rows: int) -> Floats:
    """Brier losses of calibrated scores."""
    score = rng.beta(2.0, 2.0, size=rows)
    return (score - (rng.uniform(size=rows) < score)) ** 2


def waves(rng: np.random.Generator, rows: int) -> Floats:
    """The same with an autocorrelated share of hard rows: an AR(1) of 200 rows' memory."""
    steps = rng.normal(size=rows)
    level = np.zeros(rows)
    memory = np.exp(-1 / 200)
    value = 0.0
    for place, step in enumerate(steps.tolist()):
        value = memory * value + step * (1 - memory**2) ** 0.5
        level[place] = value
    hard = rng.uniform(size=rows) < 0.5 + 0.1 * np.tanh(level)
    score = np.where(hard, rng.beta(4.0, 4.0, size=rows), rng.beta(0.7, 0.7, size=rows))
    return (score - (rng.uniform(size=rows) < score)) ** 2


LOSSES: dict[str, Make] = {"independent": independent, "waves": waves}


@dataclass(frozen=True)
class RunLength:
    """Alarms in so many rows."""

    detector: str
    losses: str
    alarms: int
    rows: int

    def __str__(self) -> str:
        """Rows per alarm with the exact 95 % interval of a Poisson count."""
        low = stats.chi2.ppf(0.025, 2 * self.alarms) / 2 if self.alarms else 0.0
        high = stats.chi2.ppf(0.975, 2 * self.alarms + 2) / 2
        longest = f"{self.rows / low:,.0f}" if low else "no limit"
        mean = f"{self.rows / self.alarms:,.0f}" if self.alarms else "none"
        return f"{mean} ({self.rows / high:,.0f} - {longest})"


def run_lengths(streams: int = STREAMS) -> Iterator[RunLength]:
    """Yield the alarms of each detector on streams without a change, a new baseline for each."""
    for name, make in LOSSES.items():
        for detector in DETECTORS:
            rows = SLOW_ROWS if detector in SLOW else STREAM_ROWS
            alarms = sum(len(_alarms(detector, make, seed, rows)) for seed in range(streams))
            yield RunLength(detector, name, alarms, streams * rows)


def _alarms(
    detector: str, make: Callable[[np.random.Generator, int], Floats], seed: int, rows: int
) -> list[int]:
    rng = np.random.default_rng([7, seed])
    losses = make(rng, BASELINE_ROWS + rows)
    return alarms_in(detector, losses[:BASELINE_ROWS], losses[BASELINE_ROWS:])


def alarms_in(detector: str, baseline: Floats, losses: Floats, run_length: int = RUN_LENGTH) -> list[int]:
    """Where the detector alarms, with the monitor's own settings for the run length."""
    monitor = ChangeMonitor.model_validate(
        {"type": "change", "detector": detector, "hold": "1d", "run_length": run_length}
    )
    known = make_baseline(monitor, baseline, bounds=(0.0, 1.0))
    assert known is not None
    found = known.detector_of(monitor, 1, None).feed(losses)
    return [one.index for one in found if one.rose]


def delays(streams: int = STREAMS) -> Iterator[tuple[str, str, float, int]]:
    """Yield detector, rise, median delay in rows, and how many of the streams' rises were found."""
    for rise in (0.02, 0.05, 0.1):
        for detector in DETECTORS:
            found = [first for seed in range(streams) if (first := _delay(detector, rise, seed)) is not None]
            yield detector, f"mean loss + {rise}", float(np.median(found)) if found else np.nan, len(found)


def _delay(detector: str, rise: float, seed: int) -> int | None:
    """Rows from a rise of the mean, 5,000 rows into the stream, to the first alarm after it."""
    rng = np.random.default_rng([8, seed])
    losses = independent(rng, BASELINE_ROWS + 30_000)
    changed = losses.copy()
    after = BASELINE_ROWS + 5_000
    worse = rng.uniform(size=len(losses) - after) < rise / (1 - losses.mean())
    changed[after:][worse] = 1.0
    alarms = alarms_in(detector, changed[:BASELINE_ROWS], changed[BASELINE_ROWS:])
    return next((one - 5_000 for one in alarms if one >= 5_000), None)
