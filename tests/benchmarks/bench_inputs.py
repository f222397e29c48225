"""Reading text: the files source beside pyarrow's own readers, on the same files in one run.

Run as ``python tests/benchmarks/bench_inputs.py``; all figures are of one run on one machine, so the
ratios are what to look at. pyarrow's readers know no cursor, lines or exactly-once; they read the
whole file, with the same columns and types, in batches of one block, on as many threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv
from pyarrow import json as arrow_json

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.domain import Json
from tests.parquet_rows import START, build_data, open_files
from tests.text_rows import packed

NUMERIC = [f"x{at}" for at in range(9)]
CATEGORICAL = ["carrier", "origin", "dest"]
DATA = build_data(features={"numeric": NUMERIC, "categorical": CATEGORICAL})
ROWS, READ_ROWS = 500_000, 200_000
TEXTS = {"flight_id", "scheduled_at", "version", *CATEGORICAL}


def make_rows(rows: int) -> pa.Table:
    """Rows with nine numbers and three categories, times in ISO 8601."""
    rng = np.random.default_rng(7)
    times = [(START + timedelta(seconds=at)).isoformat() for at in range(rows)]
    columns: dict[str, Any] = {
        "flight_id": pa.array([f"2013-UA-{at}" for at in range(rows)]),
        "scheduled_at": pa.array(times),
        "score": pa.array(rng.random(rows).round(6)),
        "version": pa.array(["1"] * rows),
    }
    columns |= {name: pa.array(rng.normal(size=rows).round(6)) for name in NUMERIC}
    columns |= {name: pa.array(rng.choice(["UA", "AA", "DL"], rows)) for name in CATEGORICAL}
    return pa.table(columns)


def as_csv(table: pa.Table, *, quoted: bool) -> bytes:
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="needed" if quoted else "none"))
    return sink.getvalue().to_pybytes()


def as_json_lines(table: pa.Table) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in table.to_pylist())


def timed(action: Callable[[], int]) -> tuple[int, float, float]:
    """Rows, seconds and seconds of CPU."""
    before, started = os.times(), time.perf_counter()
    rows = action()
    after = os.times()
    return rows, time.perf_counter() - started, after.user - before.user + after.system - before.system


def drain(folder: Path, limit: int) -> int:
    source, rows = open_files(folder, data=DATA), 0
    given: Json = {}
    while True:
        read = source.read(given, limit)
        given = read.cursor
        rows += sum(batch.table.num_rows for batch in read.batches)
        if not read.more:
            return rows


def read_csv(path: Path) -> int:
    types = {name: pa.string() if name in TEXTS else pa.float64() for name in ("score", *NUMERIC, *TEXTS)}
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types)).num_rows


def read_json(path: Path) -> int:
    kinds = [(name, pa.string() if name in TEXTS else pa.float64()) for name in ("score", *NUMERIC, *TEXTS)]
    return arrow_json.read_json(
        path, parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(kinds))
    ).num_rows


def compare(folder: Path, name: str, content: bytes, peer: Callable[[Path], int]) -> None:
    folder = folder / name
    path = folder / "rows" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(packed(name, content))
    size = len(content) / 1e6
    rows, seconds, cpu = timed(lambda: drain(folder, READ_ROWS))
    _, theirs, their_cpu = timed(lambda: peer(path))
    print(
        f"{name:14} {size:4.0f} MB  ctrain {size / seconds:4.0f} MB/s {rows / seconds:9,.0f} rows/s "
        f"({size / cpu:4.0f} MB per CPU s) | pyarrow {size / theirs:4.0f} MB/s {rows / theirs:,.0f} rows/s "
        f"({size / their_cpu:4.0f}) | {seconds / theirs:3.1f} x time, {cpu / their_cpu:3.1f} x CPU"
    )
    path.unlink()


def with_bad_lines(content: bytes, every: int) -> bytes:
    lines = content.split(b"\n")
    for at in range(every, len(lines), every):
        lines[at] = lines[at][: len(lines[at]) // 2]
    return b"\n".join(lines)


def main() -> None:
    table = make_rows(ROWS)
    plain, quoted = as_csv(table, quoted=False), as_csv(table, quoted=True)
    lines = as_json_lines(table.slice(0, ROWS // 4))
    del table
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        compare(root, "plain.csv", plain, read_csv)
        compare(root, "quoted.csv", quoted, read_csv)
        compare(root, "packed.csv.gz", plain, read_csv)
        compare(root, "packed.csv.zst", plain, read_csv)
        compare(root, "lines.jsonl", lines, read_json)
        damaged = with_bad_lines(plain, 10_000)
        path = root / "damaged/rows/damaged.csv"
        path.parent.mkdir(parents=True)
        path.write_bytes(damaged)
        rows, seconds, _ = timed(lambda: drain(root / "damaged", READ_ROWS))
        print(
            f"a bad line in each 10,000: {len(damaged) / 1e6 / seconds:.0f} MB/s {rows / seconds:,.0f} rows/s"
        )
        for limit in (10_000, READ_ROWS):
            done = subprocess.run(
                [sys.executable, __file__, str(root / "damaged"), str(limit)], check=True, capture_output=True
            )
            print(f"reads of {limit:,} rows: {done.stdout.decode().strip()}")


def show_memory(folder: Path, limit: int) -> None:
    """Print by how much reading a folder made the process grow at most."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kilobytes()
    drain(folder, limit)
    print(f"{(_peak_kilobytes() - before) / 1024:.0f} MB at most beside the program")


def _peak_kilobytes() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show_memory(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
