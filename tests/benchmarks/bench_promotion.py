"""How often each rule promotes an equal and a better challenger, by how its rows depend on each other.

Run as ``python tests/benchmarks/bench_promotion.py``. Champion and challenger disagree on 10 % of
20,000 live rows in 500 panes of 40; every rule looks after each of its blocks and promotes once.
Three rules: a t-test at 5 % at every look, the confidence sequence on panes, and the confidence
sequence on blocks whose length comes from a holdout of 300 panes, as the shadow does it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.stats.blocks import block_length
from ctrain.stats.sequential import MIN_BLOCKS, standard_width

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Floats], int]

ALPHA = 0.05
PANES, HOLDOUT_PANES, ROWS_A_PANE = 500, 300, 40
DISAGREEMENT = 0.1
REPETITIONS = 1000
HOUR = timedelta(hours=1)
LONGEST = PANES // MIN_BLOCKS * HOUR
SCENARIOS = {
    # burst of rows that err together, weight and size (in sd of a pane) of a wave over the panes
    "independent rows": (1, 0.0, 0.0),
    "bursts of 20 rows": (20, 0.0, 0.0),
    "waves of hours": (1, 0.6, 0.7),
    "waves of a day": (1, 0.9, 0.7),
}


def pane_differences(rng: np.random.Generator, scenario: str, gain: float, panes: int) -> Floats:
    """Mean loss differences of consecutive panes; the challenger's loss is smaller by ``gain``."""
    burst, weight, size = SCENARIOS[scenario]
    shape = (panes, ROWS_A_PANE // burst)
    disagreeing = rng.binomial(burst, DISAGREEMENT, shape)
    worse = rng.uniform(size=shape) < 0.5 - gain / DISAGREEMENT / 2
    means = np.where(worse, disagreeing, -disagreeing).sum(axis=1) / ROWS_A_PANE
    steps = rng.normal(0, np.sqrt(1 - weight**2), panes)
    wave = np.empty(panes)
    wave[0] = rng.normal()
    for pane in range(1, panes):
        wave[pane] = weight * wave[pane - 1] + steps[pane]
    differences: Floats = means + size * np.sqrt(DISAGREEMENT / ROWS_A_PANE) * wave
    return differences


def first_below(means: Floats, width: Floats, first_look: int) -> int:
    """Number of values at the first look whose upper bound is below zero; 0 if there is none."""
    count = np.arange(1.0, means.size + 1)
    mean = means.cumsum() / count
    deviation = np.sqrt(np.maximum((means**2).cumsum() / count - mean**2, 0))
    below = np.flatnonzero((mean + deviation * width < 0)[first_look - 1 :])
    return int(below[0]) + first_look if below.size else 0


def t_test_at_every_look(live: Floats, _: Floats) -> int:
    return first_below(live, 1.645 / np.sqrt(np.arange(1.0, live.size + 1)), MIN_BLOCKS)


def sequence_on_panes(live: Floats, _: Floats) -> int:
    return first_below(live, np.asarray(standard_width(np.arange(1.0, live.size + 1), ALPHA)), MIN_BLOCKS)


def sequence_on_blocks(live: Floats, holdout: Floats) -> int:
    hours = np.arange(holdout.size) * 3600
    panes = block_length(hours, holdout, HOUR, LONGEST) // HOUR
    blocks = live[: live.size // panes * panes].reshape(-1, panes).mean(axis=1)
    return panes * sequence_on_panes(blocks, holdout)


RULES: dict[str, Rule] = {
    "t-test at every look": t_test_at_every_look,
    "sequence on panes": sequence_on_panes,
    "sequence on blocks": sequence_on_blocks,
}


def promotions(scenario: str, gain: float) -> dict[str, npt.NDArray[np.int64]]:
    """Panes until each rule promotes, by repetition; 0 where it does not."""
    rng = np.random.default_rng(20130101)
    found: dict[str, list[int]] = {name: [] for name in RULES}
    for _ in range(REPETITIONS):
        holdout = pane_differences(rng, scenario, gain, HOLDOUT_PANES)
        live = pane_differences(rng, scenario, gain, PANES)
        for name, rule in RULES.items():
            found[name].append(rule(live, holdout))
    return {name: np.array(panes) for name, panes in found.items()}


def main() -> None:
    print(f"{'rows':18} {'rule':21} {'equal promoted':>14} {'+1 point promoted':>18} {'median rows':>12}")
    for scenario in SCENARIOS:
        equal, better = promotions(scenario, 0.0), promotions(scenario, 0.01)
        for name in RULES:
            taken = better[name][better[name] > 0]
            median = f"{np.median(taken) * ROWS_A_PANE:12,.0f}" if taken.size else f"{'-':>12}"
            wrong, right = np.mean(equal[name] > 0), np.mean(better[name] > 0)
            print(f"{scenario:18} {name:21} {wrong:14.1%} {right:18.1%} {median}")


if __name__ == "__main__":
    main()
