"""Profiles of many rows: here, and by one and by two workers of a dask cluster, with the same bytes.

Run as ``python tests/benchmarks/bench_dask.py [--rows 100000000]``. The workers are processes of this
machine with one thread each; here means ``ctrain profile`` with as many processes as there are cores. What
100 workers would take is worked out from what was measured: the passes over the parts are shared out, the
rest is not.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app import profiling, scanning
from ctrain.app.scanning import ColumnReader, TableFiles
from ctrain.stats.profile import Profile
from ctrain.stats.stored_profile import StoredProfile
from tests.benchmarks.measuring import run
from tests.support.clusters import Cluster

GROUP = 1 << 20
NUMERIC, CATEGORICAL = 8, 2
PROGRAM = [sys.executable, "-m", "ctrain", "profile"]
FAR = 100


@dataclass(frozen=True)
class Costs:
    """What was measured of one part."""

    part_bytes: float
    merge_seconds: float
    parts: int


def write_rows(folder: Path, rows: int) -> None:
    """Files of about eight million rows: normal, skewed and whole numbers, and two kinds of names."""
    for number, first in enumerate(range(0, rows, 8 * GROUP)):
        here = min(8 * GROUP, rows - first)
        with pq.ParquetWriter(folder / f"{number:04}.parquet", _rows(0, 1).schema) as writer:
            for start in range(0, here, GROUP):
                writer.write_table(_rows(first + start, min(GROUP, here - start)), GROUP)


def _rows(seed: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"x{at}": pa.array(rng.normal(at, 1 + at, rows)) for at in range(NUMERIC - 2)}
    columns["skewed"] = pa.array(np.exp(rng.normal(0, 1, rows)))
    columns["whole"] = pa.array(rng.integers(0, 500, rows), pa.int32())
    for at in range(CATEGORICAL):
        columns[f"c{at}"] = pa.array(np.array([f"name{one}" for one in range(30)])[rng.integers(0, 30, rows)])
    return pa.table(columns)


def measured(folder: Path, found: Path) -> Costs:
    """Bytes of what a worker finds in a part, and the time to merge those of all parts."""
    files = TableFiles.find([folder])
    stored = StoredProfile.from_bytes(found.read_bytes())
    scan = profiling.count_scan(stored.grid)
    reader = ColumnReader(files.footers, set(scan.dictionaries))
    first = {name: reader.scan(files.parts[0], name, scan) for name in scan.by_source}
    columns = {name: profile for part in first.values() for name, profile in part.items()}
    size = len(Profile(stored.grid.name, files.parts[0].pieces[0].rows, columns).to_bytes())
    started = time.perf_counter()
    for name, one in first.items():
        scan.merge(name, [one] * len(files.parts))
    return Costs(size, time.perf_counter() - started, len(files.parts))


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=100_000_000)
    asked.add_argument("--folder", type=Path, help="where the files go; a temporary folder unless told")
    wanted = asked.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ctrain-bench-dask-", dir=wanted.folder))
    try:
        bench(folder, wanted.rows)
    finally:
        shutil.rmtree(folder)


def bench(folder: Path, rows: int) -> None:
    data = folder / "rows"
    data.mkdir()
    write_rows(data, rows)
    size = sum(path.stat().st_size for path in data.iterdir())
    print(f"{rows:,} rows, {NUMERIC + CATEGORICAL} columns, {size / 1e9:.2f} GB of Parquet")
    run([*PROGRAM, str(data), "-o", str(folder / "warm")])
    here = run([*PROGRAM, str(data), "-o", str(folder / "here")], together=True)
    alone = run([*PROGRAM, str(data), "-o", str(folder / "alone")], cores=[0])
    print(f"here, {os.cpu_count()} cores: {here.wall_seconds:6.1f} s, {here.peak_megabytes:.0f} MB")
    print(f"here, 1 core:  {alone.wall_seconds:6.1f} s")
    pq.write_table(_rows(0, 1), folder / "one.parquet")
    walls, busy, fixed = {}, {}, 0.0
    for workers in (1, 2):
        with Cluster.started(workers=workers) as cluster:
            on = ["--on", cluster.address]
            fixed = run([*PROGRAM, str(folder / "one.parquet"), "-o", str(folder / "one"), *on]).wall_seconds
            before = cpu_seconds(cluster)
            cost = run([*PROGRAM, str(data), "-o", str(folder / "there"), *on])
            busy[workers] = [after - one for after, one in zip(cpu_seconds(cluster), before, strict=True)]
        walls[workers] = cost.wall_seconds
        same = (folder / "there").read_bytes() == (folder / "here").read_bytes()
        print(
            f"{workers} worker(s):   {cost.wall_seconds:6.1f} s, of which a single row takes {fixed:.1f} s; "
            f"CPU of workers {', '.join(f'{one:.1f}' for one in busy[workers])} s, of the client "
            f"{cost.cpu_seconds:.1f} s; {'the same bytes' if same else 'OTHER BYTES'}"
        )
    print(
        f"2 workers are {walls[1] / walls[2]:.2f} times as fast as 1, "
        f"{(walls[1] - fixed) / (walls[2] - fixed):.2f} times without what a single row takes"
    )
    project(measured(data, folder / "here"), sum(busy[1]), fixed, rows)


def cpu_seconds(cluster: Cluster) -> list[float]:
    """What each worker has used so far."""
    times = [psutil.Process(one.pid).cpu_times() for one in cluster.workers]
    return [one.user + one.system for one in times]


def project(costs: Costs, reading: float, fixed: float, rows: int) -> None:
    """What 100 workers would take, for these rows and for a hundred times as many.

    ``reading`` is the CPU of one worker that did it all, ``fixed`` the time of a single row.
    """
    print(
        f"{costs.parts} parts of {scanning.PART_ROWS:,} rows; a profile of a part is {costs.part_bytes:,.0f} "
        f"bytes; merging those of all parts takes {costs.merge_seconds * 1000:.1f} ms"
    )
    for times in (1, 100):
        parts = costs.parts * times
        share = reading / costs.parts * math.ceil(parts / FAR)
        merging = costs.merge_seconds * times
        moved = parts * costs.part_bytes / 1e6
        print(
            f"{FAR} workers, {rows * times:,} rows: about {fixed + share + merging:.1f} s (a single row "
            f"{fixed:.1f}, reading {share:.1f}, merging {merging:.2f}); {moved:.0f} MB of profiles"
        )


if __name__ == "__main__":
    main()
