"""What a scrape costs with a thousand policies, each with the most series it may have, and whom it holds up.

Ticks are stood in for by a thread that wants the interpreter every millisecond: the longest time that it
had to wait for it is what a tick would have waited.
"""

from __future__ import annotations

import argparse
import io
import sys
import threading
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.domain import Phase
from ctrain.telemetry import CATALOG, PrometheusTelemetry, open_log
from ctrain.telemetry.catalog import Kind
from ctrain.telemetry.prometheus import SERIES_PER_POLICY
from tests.benchmarks.measuring import markdown

ACCEPTS = {
    "text": "",
    "OpenMetrics, as Prometheus asks for it": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
}
SCRAPES = 5
MEGABYTE = 1 << 20


def fill(telemetry: PrometheusTelemetry, policies: int) -> None:
    """Series of policies with five monitors and a run under way, up to the most that they may have."""
    labels = {
        "monitor": [f"monitor-{number}" for number in range(5)],
        "status": ["OK", "BREACHED", "INCONCLUSIVE"],
        "phase": [phase.value for phase in Phase if not phase.ended],
        "feature": [f"feature_{number}" for number in range(5)],
        "version": ["17"],
        "reason": ["cooldown", "budget"],
        "trigger": ["degraded", "old"],
        "outcome": ["ACCEPTED", "REJECTED"],
        "kind": ["transient"],
        "cause": ["probation"],
    }
    number = count()
    for policy in (f"policy-{one:05d}" for one in range(policies)):
        for metric in CATALOG.values():
            if metric.kind is Kind.HISTOGRAM or "policy" not in metric.labels:
                continue
            rows: list[dict[str, str]] = [{}]
            for label in metric.labels[1:]:
                rows = [{**row, label: value} for row in rows for value in labels.get(label, ["x"])]
            for row in rows:
                if metric.kind is Kind.COUNTER:
                    telemetry.count(metric.name, next(number), policy=policy, **row)
                else:
                    telemetry.gauge(metric.name, next(number) / 7, policy=policy, **row)


class Waiting:
    """A thread that wants the interpreter every millisecond, and remembers how long it waited at most."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.is_set():
            begun = time.perf_counter()
            self._ended.wait(0.001)
            self.longest = max(self.longest, time.perf_counter() - begun - 0.001)


def table(policies: int) -> str:
    """A row for each format: size, time of the processor, and the longest wait of another thread."""
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    telemetry = PrometheusTelemetry(open_log({}, io.StringIO()), "bench")
    begun = time.process_time()
    fill(telemetry, policies)
    filling = time.process_time() - begun
    held = (process.memory_info().rss - before) / MEGABYTE
    series = policies * SERIES_PER_POLICY
    rows = []
    for name, accept in ACCEPTS.items():
        scrapes = []
        for _ in range(SCRAPES):
            with Waiting() as waiting:
                begun = time.process_time()
                body, _ = telemetry.expose(accept)
                cost = time.process_time() - begun
            scrapes.append((cost, waiting.longest, len(body)))
        cost, waited, size = sorted(scrapes)[SCRAPES // 2]
        rows.append((name, f"{size / MEGABYTE:.1f}", f"{cost:.3f}", f"{waited * 1000:.0f}"))
    heading = f"{policies} policies, {series} series, {held:.0f} MB; set in {filling:.2f} s"
    return markdown((heading, "MB", "CPU s", "another thread waits ms"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=1000)
    print(table(parser.parse_args().policies))
