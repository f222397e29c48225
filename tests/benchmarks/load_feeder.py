"""Production as a daemon sees it: a file of rows, and one of labels of earlier rows, by policy and round.

Run as ``python -m tests.benchmarks.load_feeder FOLDER --policies N --rows R --every T --seconds S``; what it
wrote is told as JSON at its end. Files are whole when they appear; old ones are removed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.clocks import RealTimer

TIMER = RealTimer()
HISTORY_SECONDS = 300.0
"""Of rows that lie there at the beginning: enough for a reference."""
POOL_ROWS = 4096
KEPT_SECONDS = 600.0
"""Files are removed after so long: an hour would leave a million of them."""


def rows_of_history(rows: int, every: float) -> int:
    """Of one policy, where a file of ``every`` seconds has ``rows``."""
    return round(rows * HISTORY_SECONDS / every)


@dataclass
class Feed:
    """Files for ``policies``, each with ``rows`` rows of the last ``every`` seconds."""

    folder: Path
    policies: int
    rows: int
    every: float
    written: int = 0
    behind_seconds: float = 0.0
    """The most that the feeder itself was late."""
    _labels: dict[int, pa.Table] = field(default_factory=dict)
    _files: deque[tuple[int, str]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        random = np.random.default_rng(7)
        x = random.normal(size=POOL_ROWS)
        self._random = random
        columns: dict[str, Any] = {
            "x": x,
            "z": random.normal(size=POOL_ROWS),
            "w": random.normal(size=POOL_ROWS),
            "kind": random.choice(list("abcd"), POOL_ROWS),
            "place": random.choice(list("uvw"), POOL_ROWS),
            "score": 1 / (1 + np.exp(-2 * x)),
            "version": ["1"] * POOL_ROWS,
        }
        self._pool = pa.table(columns)
        self._answers = (random.random(POOL_ROWS) < 1 / (1 + np.exp(-2 * x))).astype(float)

    def put(self, policy: int, number: int, start: float, seconds: float, rows: int) -> None:
        """Rows whose event times are spread over ``seconds`` from ``start`` on, and labels of the last."""
        first = int(self._random.integers(0, max(POOL_ROWS - rows, 1)))
        at = (np.linspace(0, seconds, rows, endpoint=False) + start) * 1e6
        ids = pa.array([f"{number}-{one}" for one in range(rows)])
        instants = pa.array(at.astype("int64"), pa.timestamp("us", "UTC"))
        taken = np.arange(first, first + rows) % POOL_ROWS
        table = self._pool.take(taken)
        self._move_in(policy, "rows", number, table.add_column(0, "id", ids).add_column(1, "at", instants))
        if policy in self._labels:
            self._move_in(policy, "labels", number, self._labels[policy])
        self._labels[policy] = pa.table({"id": ids, "y": pa.array(self._answers[taken])})
        self.written += rows

    def _move_in(self, policy: int, kind: str, number: int, table: pa.Table) -> None:
        folder = f"{self.folder}/p{policy}/{kind}"
        hidden, path = f"{folder}/.{number:06d}", f"{folder}/{number:06d}.parquet"
        pq.write_table(table, hidden, compression="none", use_dictionary=False)
        os.rename(hidden, path)  # noqa: PTH104 - thousands a second
        self._files.append((number, path))
        while self._files and self._files[0][0] < number - KEPT_SECONDS / self.every:
            os.unlink(self._files.popleft()[1])  # noqa: PTH108 - thousands a second

    def history(self) -> None:
        """Files of earlier rows and their labels by policy: enough for a reference and every monitor."""
        begin, rows = TIMER.now().timestamp() - HISTORY_SECONDS, rows_of_history(self.rows, self.every)
        for policy in range(self.policies):
            self.put(policy, 0, begin, HISTORY_SECONDS - 1, rows)
            self._move_in(policy, "labels", 0, self._labels.pop(policy))

    def run(self, seconds: float) -> None:
        """Feed in real time; policies come one after the other, evenly over ``every`` seconds."""
        pause, begun = threading.Event(), TIMER.monotonic()
        for step in range(int(seconds / self.every * self.policies)):
            due = begun + step * self.every / self.policies
            wait = due - TIMER.monotonic()
            if wait > 0:
                pause.wait(wait)
            self.behind_seconds = max(self.behind_seconds, -wait)
            number, policy = divmod(step, self.policies)
            self.put(policy, number + 1, TIMER.now().timestamp() - self.every, self.every, self.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policies", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True, help="of a file")
    parser.add_argument("--every", type=float, required=True, help="seconds between files of a policy")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--idle", action="store_true", help="the history, and then nothing")
    asked = parser.parse_args()
    feed = Feed(asked.folder, asked.policies, asked.rows, asked.every)
    feed.history()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    if asked.idle:
        threading.Event().wait(asked.seconds)
    else:
        feed.run(asked.seconds)
    told = {"rows": feed.written, "behind_seconds": feed.behind_seconds}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
