"""CPU of comparing a large Parquet file with a reference: ctrain, decoding alone, and scipy.

Run as ``python tests/benchmarks/bench_compare.py [ROWS]``. The current file has 1,000,000 rows by
default, the reference 100,000; both 50 columns, snappy: normal, exponential, lognormal, integers
with ties, and normal with 5 % nulls. Each line is a fresh process, timed after its imports: CPU and
wall seconds, and the largest resident memory of the whole process. The smallest CPU of three runs
is shown. The loop over ``ks_2samp`` runs over ten of the columns and is scaled to fifty.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app.comparing import compare_files
from ctrain.app.profiling import profile_files, write_profile
from ctrain.app.scanning import TableFiles

COLUMNS = 50
REFERENCE_ROWS = 100_000
REPETITIONS = 3
SCIPY_COLUMNS = 10


def make_table(rows: int, seed: int) -> pa.Table:
    """Return ten columns of each of five shapes."""
    rng = np.random.default_rng(seed)
    shapes: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(rng.normal(size=rows)),
        lambda: pa.array(rng.exponential(size=rows)),
        lambda: pa.array(rng.lognormal(size=rows)),
        lambda: pa.array(rng.integers(0, 100, rows)),
        lambda: pa.array(rng.normal(size=rows), mask=rng.uniform(size=rows) < 0.05),
    )
    names = ("normal", "exponential", "lognormal", "integers", "nulls")
    return pa.table({f"{names[place % 5]} {place}": shapes[place % 5]() for place in range(COLUMNS)})


def decode(folder: Path) -> None:
    """Read the columns as pyarrow does by itself, one after the other."""
    file = pq.ParquetFile(folder / "current.parquet")
    for name in file.schema_arrow.names:
        file.read(columns=[name], use_threads=False)


def decode_at_once(folder: Path) -> None:
    """Read the whole file as pyarrow does by default."""
    pq.ParquetFile(folder / "current.parquet").read()


def compare(folder: Path) -> None:
    compare_files(folder / "reference.profile", folder / "current.parquet", fdr=0.01, min_effect=0.1)


def scipy_loop(folder: Path) -> None:
    """Compare a fifth of the columns by ``ks_2samp``, decoding included."""
    from scipy.stats import ks_2samp

    for place in range(SCIPY_COLUMNS):
        ks_2samp(_values(folder / "reference.parquet", place), _values(folder / "current.parquet", place))


def _values(path: Path, place: int) -> NDArray[np.float64]:
    file = pq.ParquetFile(path)
    column = file.read(columns=[file.schema_arrow.names[place]]).column(0)
    return np.asarray(column.drop_null().to_numpy(), dtype=np.float64)


WORK = {
    "decode, by column": (decode, 1.0),
    "decode, at once": (decode_at_once, 1.0),
    "ctrain": (compare, 1.0),
    "scipy ks_2samp": (scipy_loop, COLUMNS / SCIPY_COLUMNS),
}


def measure_here(name: str, folder: Path) -> None:
    """Print CPU seconds, wall seconds and megabytes of one piece of work."""
    import scipy.stats  # noqa: F401  # imports are not what is measured

    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    WORK[name][0](folder)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([cpu, wall, after.ru_maxrss / 1024]))


def measured(name: str, folder: Path) -> tuple[float, float, float]:
    """Return the figures of the run with the least CPU."""
    command = [sys.executable, __file__, "--measure", name, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
        for _ in range(REPETITIONS)
    ]
    cpu, wall, megabytes = min(runs)
    return cpu * WORK[name][1], wall * WORK[name][1], megabytes


def make_files(rows: int, folder: Path) -> None:
    """Write the two files, and the profile of the reference."""
    for side, size, seed in (("reference", REFERENCE_ROWS, 1), ("current", rows, 2)):
        pq.write_table(make_table(size, seed), folder / f"{side}.parquet", compression="snappy")
    stored = profile_files(TableFiles.find([folder / "reference.parquet"]))
    write_profile(stored, folder / "reference.profile")


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # in a process of its own: what this one has held would count as the peak of its children
        subprocess.run([sys.executable, __file__, "--make", str(rows), name], check=True)
        found = {work: measured(work, folder) for work in WORK}
    base = found["decode, by column"][0]
    values = rows * COLUMNS
    print(f"{rows:,} rows x {COLUMNS} columns, snappy, against a profile of {REFERENCE_ROWS:,} rows")
    print(f"{'':20}{'CPU s':>8}{'wall s':>8}{'MB':>7}{'ns a value':>12}{'of decoding':>13}")
    for work, (cpu, wall, megabytes) in found.items():
        print(
            f"{work:20}{cpu:>8.2f}{wall:>8.2f}{megabytes:>7.0f}{cpu / values * 1e9:>12.1f}{cpu / base:>13.1f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure_here(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--make"]:
        make_files(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
