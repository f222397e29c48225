"""Taking rows in: the row log beside a plain partitioned write, and a quiet look at many files.

Run as ``python tests/benchmarks/bench_rows.py``; all figures are of one run on one machine, so the
ratios are what to look at. The plain write (pyarrow's ``write_to_dataset``) neither casts nor drops
repeated ids nor waits for the disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.clocks import RealTimer
from ctrain.domain import Json
from tests.parquet_rows import START, build_data, build_labels, build_rows, open_files, write_parquet
from tests.row_logs import RowLogHarness

NUMERIC = [f"x{at}" for at in range(9)]
CATEGORICAL = ["carrier", "origin", "dest"]
DATA = build_data(features={"numeric": NUMERIC, "categorical": CATEGORICAL})
ROWS, READS, DAYS = 200_000, 5, 30
FILES = 5_000


def make_rows(first: int, rows: int, days: float, start_day: float = 0) -> pa.Table:
    """Rows with twelve features, spread over some days."""
    rng = np.random.default_rng(first)
    start = START + timedelta(days=start_day)
    instants = int(start.timestamp() * 1e6) + np.sort(rng.integers(0, int(days * 86_400e6), rows))
    columns: dict[str, Any] = {
        "flight_id": pa.array([f"2013-UA-{first + at}-EWR" for at in range(rows)]),
        "scheduled_at": pa.array(instants, pa.timestamp("us", tz="UTC")),
        "score": pa.array(rng.random(rows)),
        "version": pa.array(["1"] * rows),
    }
    columns |= {name: pa.array(rng.normal(size=rows)) for name in NUMERIC}
    columns |= {name: pa.array(rng.choice(["UA", "AA", "DL"], rows)) for name in CATEGORICAL}
    return pa.table(columns)


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def bench_bulk(folder: Path) -> None:
    tables = [make_rows(at * ROWS, ROWS, DAYS) for at in range(READS)]
    harness = RowLogHarness(folder / "bulk", DATA)
    ours = sum(seconds(lambda table=table: harness.rows(table)) for table in tables)  # type: ignore[misc] # a default binds the table

    def write_plain(table: pa.Table) -> None:
        dated = table.append_column("date", pc.strftime(table["scheduled_at"], format="%Y-%m-%d"))
        pq.write_to_dataset(dated, folder / "plain", partition_cols=["date"], compression="zstd")

    plain = sum(seconds(lambda table=table: write_plain(table)) for table in tables)  # type: ignore[misc] # as above
    total = ROWS * READS
    print(f"{total:,} rows, {DAYS} days: {total / ours:,.0f} rows/s; plain write {total / plain:,.0f} rows/s")
    again = seconds(lambda: harness.rows(tables[0]))
    print(f"{ROWS:,} repeated rows dropped: {ROWS / again:,.0f} rows/s")
    known = harness.log._by_id.rows._index
    print(f"index of ids: {known.bytes / len(known):.1f} bytes a row")


def bench_days(folder: Path) -> None:
    harness = RowLogHarness(folder / "days", DATA)
    source = open_files(folder, data=DATA)
    cursor: Json = {}
    day_seconds = []
    for day in range(DAYS):
        for hour in range(24):
            table = make_rows(day * 960 + hour * 40, 40, 1 / 24, day + hour / 24)
            write_parquet(folder / f"rows/{day:02}/{hour:02}.parquet", table)
        started = time.perf_counter()
        read = source.read(cursor, ROWS)
        harness.commit(harness.log.write_rows(read, harness.state, START + timedelta(days=365)))
        day_seconds.append(time.perf_counter() - started)
        cursor = read.cursor
        harness.labels(build_labels({f"2013-UA-{day * 960 + at}-EWR": float(at % 2) for at in range(960)}))
    print(f"a day in 24 files of 40 rows: {1e3 * np.median(day_seconds):.0f} ms")
    end = START + timedelta(days=DAYS)
    harness.restart()
    cold = seconds(lambda: harness.log.read(START, end))
    warm = seconds(lambda: harness.log.read(START, end))
    print(
        f"window of {DAYS * 960:,} labelled rows: {1e3 * cold:.0f} ms after a start, then {1e3 * warm:.1f} ms"
    )


def bench_quiet(folder: Path) -> None:
    content = write_parquet(folder / "one.parquet", build_rows(["1"])).read_bytes()
    (folder / "many").mkdir()
    for at in range(FILES):
        (folder / f"many/{at:05}.parquet").write_bytes(content)
    source = open_files(folder, "many", timer=RealTimer())
    cursor = source.read({}, ROWS).cursor
    source.read(cursor, ROWS)
    quiet = seconds(lambda: source.read(cursor, ROWS))
    walk = seconds(lambda: [path.stat() for path in (folder / "many").glob("*.parquet")])
    print(
        f"nothing new among {FILES:,} files: {1e3 * quiet:.2f} ms; glob and stat of all {1e3 * walk:.0f} ms"
    )
    print(f"cursor: {len(str(dict(cursor))) / FILES:.1f} bytes a file")


def main() -> None:
    for bench in (bench_bulk, bench_days, bench_quiet):
        with tempfile.TemporaryDirectory() as folder:
            bench(Path(folder))


if __name__ == "__main__":
    main()
