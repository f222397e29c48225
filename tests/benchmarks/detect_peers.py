"""What others need for the same question; each runs alone: ``detect_peers.py NAME REFERENCE CURRENT ROWS``.

Prints the CPU seconds of the work itself; imports and the reading of files come before.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def decode(path: str) -> Callable[[], object]:
    """All columns of the file to Arrow, on one thread and row group by row group, as streams are read."""
    file = pq.ParquetFile(path)

    def work() -> int:
        return sum(
            file.read_row_group(group, use_threads=False).num_rows for group in range(file.num_row_groups)
        )

    return work


def scipy_loop(reference: pa.Table, current: pa.Table) -> Callable[[], object]:
    from scipy.stats import ks_2samp

    pairs = [
        (reference[name].drop_null().to_numpy(), current[name].drop_null().to_numpy())
        for name in reference.column_names
    ]
    return lambda: [ks_2samp(x, y).pvalue for x, y in pairs]


def evidently_preset(reference: pa.Table, current: pa.Table) -> Callable[[], object]:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    before, now = reference.to_pandas(), current.to_pandas()
    return lambda: Report([DataDriftPreset()]).run(now, before).dict()


def whylogs_profiles(reference: pa.Table, current: pa.Table) -> Callable[[], object]:
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    known, now = whylogs.log(reference.to_pandas()).view(), current.to_pandas()
    return lambda: calculate_drift_scores(
        target_view=whylogs.log(now).view(), reference_view=known, with_thresholds=True
    )


PEERS: dict[str, Callable[[pa.Table, pa.Table], Callable[[], object]]] = {
    "scipy": scipy_loop,
    "evidently": evidently_preset,
    "whylogs": whylogs_profiles,
}


def main(name: str, reference: str, current: str, rows: int) -> None:
    warnings.simplefilter("ignore")
    if name == "decode":
        work: Callable[[], Any] = decode(current)
    else:
        work = PEERS[name](pq.read_table(reference), pq.read_table(current).slice(0, rows))
    start = time.process_time()
    work()
    print(json.dumps({"cpu_seconds": time.process_time() - start}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
