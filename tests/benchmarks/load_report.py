"""What came of a load: quantiles of histograms, the memory over time as CSV and as a picture."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.benchmarks.measuring import RESULTS

IDLE_ROWS = 20
Samples = Mapping[tuple[str, ...], float]


@dataclass
class Seen:
    """What was measured while the load was on."""

    notices: list[float] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds, megabytes of the daemons, megabytes of their children."""
    proportional: list[float] = field(default_factory=list)
    """Megabytes of the daemons, where what several processes share counts once."""
    scrapes: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """What is put on the daemons."""

    policies: int
    rows_per_second: float
    minutes: float
    store: str
    daemons: int
    pane: int
    workers: int = 1
    """Of each daemon."""
    every: float = 10.0
    """Seconds between the files of a policy."""

    @property
    def rows(self) -> int:
        """Of a file; where nothing is fed, of as long a part of the history."""
        return max(round(self.rows_per_second * self.every / self.policies), 1) if self.fed else IDLE_ROWS

    @property
    def fed(self) -> bool:
        return self.rows_per_second > 0


def change(before: Samples, after: Samples) -> Samples:
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def quantile(changes: list[Samples], name: str, share: float) -> float:
    """By the buckets of a histogram, as ``histogramquantile`` of Prometheus takes it."""
    bounds: dict[float, float] = {}
    for change in changes:
        for (sample, *labels), value in change.items():
            if sample == f"{name}_bucket":
                bounds[float(labels[0])] = bounds.get(float(labels[0]), 0.0) + value
    wanted, lower, below = share * max(bounds.values()), 0.0, 0.0
    for bound, count in sorted(bounds.items()):
        if count >= wanted:
            inside = (wanted - below) / max(count - below, 1)
            return lower + (bound - lower) * inside if np.isfinite(bound) else lower
        lower, below = bound, count
    return lower


def keep(seen: Seen, load: Load) -> None:
    """Write the memory over time as CSV and as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"load-{load.store}-{load.policies}-policies-{load.daemons}-daemons.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "daemons_mb", "children_mb"])
        writer.writerows([f"{one:.1f}" for one in row] for row in seen.memory)
    figure, axes = plt.subplots(figsize=(8, 3.5))
    minutes = [row[0] / 60 for row in seen.memory]
    axes.plot(minutes, [row[1] for row in seen.memory], label="daemons")
    axes.plot(minutes, [row[2] for row in seen.memory], label="their children")
    axes.axhline(1024 * load.daemons, color="grey", linewidth=0.8, linestyle="--", label="1 GB a daemon")
    axes.set(xlabel="minutes", ylabel="resident MB", ylim=(0, None), title=title(load))
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)
    sys.stderr.write(f"{path.with_suffix('.png')}\n")


def title(load: Load) -> str:
    rate = load.rows * load.policies / load.every if load.fed else 0
    rows = f"{rate:.0f} rows/s, files every {load.every:g} s"
    return f"{load.policies} policies, {rows}, {load.daemons} daemon(s) of {load.workers}, {load.store}"
