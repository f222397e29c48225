"""Tables for benchmarks: stationary columns of several shapes, and the real streams of a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Floats = npt.NDArray[np.float64]

SHAPES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "exponential": lambda rng, rows: rng.exponential(size=rows),
    "lognormal": lambda rng, rows: rng.lognormal(size=rows),
    "integers": lambda rng, rows: rng.poisson(20, size=rows).astype(np.float64),
    "nulls": lambda rng, rows: np.where(rng.uniform(size=rows) < 0.05, np.nan, rng.normal(size=rows)),
}
"""``integers`` have ties; one value in twenty of ``nulls`` is missing."""


def table(rows: int, columns: int, seed: int) -> pa.Table:
    """Columns of all shapes in turn, as float64; NaN are nulls."""
    names = list(SHAPES)
    made = {}
    for place in range(columns):
        shape = names[place % len(names)]
        rng = np.random.default_rng([seed, place])
        made[f"{shape}_{place}"] = pa.array(SHAPES[shape](rng, rows), from_pandas=True)
    return pa.table(made)


def path_of(folder: Path, rows: int, columns: int, seed: int) -> Path:
    return folder / f"rows{rows}x{columns}-{seed}.parquet"


def write(folder: Path, rows: int, columns: int, seed: int) -> Path:
    """A Parquet file (snappy, row groups of 131,072 rows, no dictionary), made when it is not there."""
    path = path_of(folder, rows, columns, seed)
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    step = 1_000_000
    with pq.ParquetWriter(
        partial, table(1, columns, seed).schema, compression="snappy", use_dictionary=False
    ) as writer:
        for start in range(0, rows, step):
            part = table(min(step, rows - start), columns, seed + start)
            writer.write_table(part, row_group_size=131_072)
    partial.rename(path)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
