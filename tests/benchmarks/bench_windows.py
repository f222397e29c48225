"""CPU and memory of judging one more pane: a window of 24 panes beside one of 720.

Run as ``python tests/benchmarks/bench_windows.py``. Both windows are watched over the same stream, with
real files and a real database; only ``observe`` is timed, once the panes have been profiled. Each
pane's cost is the CPU of the whole process; the figures are medians over panes of one run on one
machine, so the ratio is what to look at.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.engine.ingest import ingest
from ctrain.engine.observe import observe
from tests.support.world import POLICY, START, World

COLUMNS = 20
ROWS_A_PANE = 500
PROFILED, TIMED, TRACED = 760, 60, 20
WINDOWS = (24, 720)
MORE = tuple(f"n{number}" for number in range(COLUMNS - 2))
POLICY_TEXT = (
    POLICY.split("monitors:\n")[0].replace(
        "[x, z]", f"[x, z, {', '.join(f'n{i}' for i in range(COLUMNS - 2))}]"
    )
    + "reference: {path: reference.parquet}\nmonitors:\n"
    + "  inputs: {type: drift, window: HOURSh, min_rows: 500}\n"
    + POLICY[POLICY.index("limits:") :]
)


def make_world(folder: Path, hours: int) -> World:
    """A month of a stream whose panes have all been profiled."""
    folder.mkdir()
    random = np.random.default_rng(1)
    columns = {name: pa.array(random.normal(size=100_000)) for name in ("x", "z", *MORE)}
    columns["kind"] = pa.array(random.choice(["a", "b", "c"], 100_000))
    pq.write_table(pa.table(columns), folder / "reference.parquet")
    world = World(
        folder,
        policy_text=POLICY_TEXT.replace("HOURS", str(hours)),
        rows_per_hour=ROWS_A_PANE,
        more=MORE,
    )
    for _ in range(0, PROFILED, 40):
        world.land_together(40)
        world.settle()
    return world


def observe_next(world: World) -> float:
    """Let an hour land and return the CPU seconds of judging the pane that it closes."""
    world.land()
    while ingest(world.watch):
        pass
    start = time.process_time()
    observed = observe(world.watch)
    assert observed.panes == 1
    return time.process_time() - start


def traced_peak(world: World) -> float:
    """Most megabytes that Python held while panes were judged, beyond what it held before."""
    tracemalloc.start()
    peak = 0
    for _ in range(TRACED):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        observe_next(world)
        peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    print(f"drift of {COLUMNS} numeric columns, {ROWS_A_PANE} rows a pane, panes of an hour since {START:%Y}")
    print(f"{'panes':>8}{'CPU ms':>10}{'slowest':>10}{'ratio':>8}{'peak MB':>10}{'nodes MB':>10}")
    base = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for hours in WINDOWS:
            world = make_world(Path(folder) / str(hours), hours)
            taken = [observe_next(world) for _ in range(TIMED)]
            cost = statistics.median(taken)
            base = base or cost
            peak = traced_peak(world)
            assert world.watch.panes is not None
            kept = world.watch.panes.memory_bytes / 2**20
            print(
                f"{hours:>8}{cost * 1e3:>10.2f}{max(taken) * 1e3:>10.2f}{cost / base:>8.2f}"
                f"{peak:>10.1f}{kept:>10.1f}"
            )


if __name__ == "__main__":
    main()
