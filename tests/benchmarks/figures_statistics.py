"""The pictures of the page on statistics: ``python -m tests.benchmarks.figures_statistics``.

Two models disagree on a tenth of the rows; blocks of 50 independent rows, a look after each block.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from ctrain.stats.sequential import MIN_BLOCKS, standard_width

PLACE = Path(__file__).parents[2] / "deploy" / "handbook" / "figures"
ROWS, BLOCK, DISAGREEMENT, ALPHA = 20_000, 50, 0.1, 0.05
ONE_SIDED = 1.6449
"""Quantile of the normal distribution for ALPHA."""
PATH = 2_026
"""Seed of the one path that is drawn."""

Curves = npt.NDArray[np.float64]


def differences(gain: float, repetitions: int, seed: int) -> Curves:
    """Means of the differences of losses, block by block: below zero the challenger is better."""
    random = np.random.default_rng(seed)
    worse = (DISAGREEMENT - gain) / 2
    draws = random.random((repetitions, ROWS))
    signs = np.where(draws < worse, 1.0, np.where(draws < DISAGREEMENT, -1.0, 0.0))
    means: Curves = signs.reshape(repetitions, -1, BLOCK).mean(axis=2)
    return means


def running(means: Curves) -> tuple[Curves, Curves, Curves]:
    """Number of blocks, mean and standard deviation after each block."""
    blocks = np.arange(1, means.shape[1] + 1, dtype=np.float64)
    centre = means.cumsum(axis=1) / blocks
    spread = np.sqrt(np.maximum((means**2).cumsum(axis=1) / blocks - centre**2, 0))
    return blocks, centre, spread


def draw_bounds() -> None:
    means = differences(0.0, 400, PATH)
    blocks, centre, spread = running(means)
    once = ONE_SIDED * spread / np.sqrt(blocks)
    always = spread * standard_width(blocks, ALPHA)
    late = slice(MIN_BLOCKS - 1, None)
    left_once = (np.abs(centre) > once)[:, late].any(axis=1)
    left_always = (np.abs(centre) > always)[:, late].any(axis=1)
    beyond = np.where(left_always, 0, ((np.abs(centre) > once)[:, late]).sum(axis=1))
    one = int(np.argmax(beyond))  # where it is seen best: zero is left for longest
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    rows = blocks[late] * BLOCK
    for width, colour, name in (
        (always, "#9ecae1", f"valid at every look (left by {left_always.mean():.0%} of 400 such pairs)"),
        (once, "#fd8d3c", f"of a test for one look, repeated (left by {left_once.mean():.0%})"),
    ):
        low, high = centre[one, late] - width[one, late], centre[one, late] + width[one, late]
        axes.fill_between(rows, low, high, color=colour, alpha=0.7, label=name, linewidth=0)
    axes.plot(rows, centre[one, late], color="#333333", linewidth=1, label="difference so far")
    axes.axhline(0, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="labelled rows", ylabel="challenger minus champion", ylim=(-0.05, 0.05))
    axes.set_title("Two models that are equal; 5 % on each side", loc="left", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    figure.savefig(PLACE / "bounds.png", dpi=110)


def draw_probation() -> None:
    figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    for points, colour in ((5, "#08519c"), (2, "#3182bd"), (1, "#6baed6"), (0.5, "#bdd7e7"), (0, "#fd8d3c")):
        means = differences(-points / 100, 400, 1)
        blocks, centre, spread = running(means)
        found = centre - spread * standard_width(blocks, ALPHA) > 0
        found[:, : MIN_BLOCKS - 1] = False
        share = np.maximum.accumulate(found, axis=1).mean(axis=0)
        name = f"{points:g} point{'s' if points > 1 else ''} worse" if points else "equal (a false alarm)"
        axes.plot(blocks * BLOCK, 100 * share, color=colour, label=name)
    axes.set(xlabel="labelled rows of the probation", ylabel="rolled back, %", ylim=(0, 101), xlim=(0, ROWS))
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(PLACE / "probation.png", dpi=110)


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    draw_bounds()
    draw_probation()
    for rows in (1_000, 3_000, ROWS):
        blocks = np.float64(rows / BLOCK)
        print(
            f"{rows} rows: {standard_width(blocks, ALPHA) * math.sqrt(blocks) / ONE_SIDED:.2f} times as wide"
        )
