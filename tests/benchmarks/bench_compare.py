"""CPU of comparing two tables: ctrain, scipy column by column, and evidently's drift preset.

Run as ``python tests/benchmarks/bench_compare.py``; all figures are of one run on one machine, so
the ratios are what to look at. Each is the smallest of its repetitions, in CPU seconds of the whole
process (threads included).
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.stats import ks_2samp

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.monitors.compare import compare_tables

COLUMNS = 10
ROWS = 1_000_000
EVIDENTLY_ROWS = 100_000


def make_table(rows: int, seed: int) -> pa.Table:
    """Columns of several shapes: smooth, skewed, heavy-tailed, with ties, with an atom."""
    rng = np.random.default_rng(seed)
    shapes: tuple[Callable[[], np.ndarray], ...] = (
        lambda: rng.normal(size=rows),
        lambda: rng.exponential(size=rows),
        lambda: rng.standard_t(2, size=rows),
        lambda: rng.integers(0, 500, size=rows).astype(float),
        lambda: np.where(rng.uniform(size=rows) < 0.3, 0.0, rng.normal(size=rows)),
    )
    return pa.table({f"x{place}": pa.array(shapes[place % 5]()) for place in range(COLUMNS)})


def cpu_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Return the least CPU time of ``work``."""
    least = float("inf")
    for _ in range(repetitions):
        start = time.process_time()
        work()
        least = min(least, time.process_time() - start)
    return least


def scipy_loop(reference: pa.Table, current: pa.Table) -> list[float]:
    return [
        ks_2samp(reference[name].to_numpy(), current[name].to_numpy()).pvalue
        for name in reference.column_names
    ]


def evidently_preset(reference: pa.Table, current: pa.Table) -> object:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    return Report([DataDriftPreset()]).run(current.to_pandas(), reference.to_pandas()).dict()


def measure() -> Iterator[tuple[str, int, float]]:
    """Yield what was run, rows a side and CPU seconds."""
    small = make_table(EVIDENTLY_ROWS, 1), make_table(EVIDENTLY_ROWS, 2)
    large = make_table(ROWS, 3), make_table(ROWS, 4)
    for rows, pair in ((EVIDENTLY_ROWS, small), (ROWS, large)):
        compare_tables(pair[0].slice(0, 1000), pair[1].slice(0, 1000))  # imports
        for name, exact in (("ctrain, grid", False), ("ctrain, exact", True)):
            yield name, rows, cpu_seconds(partial(compare_tables, *pair, exact=exact), 3)
        yield "scipy ks_2samp", rows, cpu_seconds(partial(scipy_loop, *pair), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evidently_preset(small[0].slice(0, 1000), small[1].slice(0, 1000))
        yield "evidently preset", EVIDENTLY_ROWS, cpu_seconds(partial(evidently_preset, *small), 1)


def main() -> None:
    os.environ["DO_NOT_TRACK"] = "1"
    found = list(measure())
    base = {rows: seconds for name, rows, seconds in found if name == "ctrain, grid"}
    print(f"{'':18}{'rows a side':>12}{'columns':>9}{'CPU s':>9}{'ns a value':>12}{'of grid':>9}")
    for name, rows, seconds in found:
        values = 2 * rows * COLUMNS
        print(
            f"{name:18}{rows:>12,}{COLUMNS:>9}{seconds:>9.3f}{seconds / values * 1e9:>12.1f}"
            f"{seconds / base[rows]:>9.1f}"
        )
    print("evidently was run on the smaller tables only; scale by rows to compare with the larger ones")


if __name__ == "__main__":
    main()
