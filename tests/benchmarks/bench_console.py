"""Server time of the console's pages with many policies, and with ten, as a ratio to ten.

Run as ``python tests/benchmarks/bench_console.py [--policies 1000]``. Each policy has four monitors with a
verdict an hour for two days, a trigger that is looked at, and a champion. The application runs in
this process, on SQLite; the first page of a fresh application, which has looked ahead as a new child does,
stands beside the median of twenty.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.domain import Champion, MonitorName, PolicyName, Version
from ctrain.web.console.ahead import look_ahead
from tests.benchmarks.measuring import markdown
from tests.contract.store.builders import decision, verdict
from tests.support.web import NOW, Web

MONITORS = ("brier", "inputs", "rows", "missing")
HOURS = 48
FEW = 10
TIMES = 20
PAGES = {"overview": "/", "policy": "/policies/p0003", "events": "/events-log", "API": "/v1/policies"}


@dataclass(frozen=True)
class Took:
    """Milliseconds of a page, and its size in bytes before compression."""

    first: float
    wall: float
    cpu: float
    size: int


def fill(web: Web, policies: int) -> None:
    """Policies with two days of verdicts, written as their daemon writes them."""
    for number in range(policies):
        name = PolicyName(f"p{number:04d}")
        with web.store.write() as tx:
            tx.save_policy(name, "h1", f"/policies/{name}.yaml", {}, NOW, MonitorName("brier"))
            tx.save_champion(name, Champion(Version("3"), NOW, "promoted"))
            for monitor in MONITORS:
                for hour in range(HOURS):
                    tx.record_verdict(name, "h1", verdict(monitor, 52 + hour))
            tx.record_decision(name, "h1", decision(), NOW)


def look(web: Web, path: str) -> tuple[float, float, int]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = web.ask(path)
    took = 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)
    assert answer.status_code == 200, answer.text
    return *took, len(answer.content)


def measure(folder: Path, policies: int) -> dict[str, Took]:
    folder.mkdir()
    web = Web(folder)
    fill(web, policies)
    web.app = web.application()
    look_ahead(web.app)
    found = {}
    for name, path in PAGES.items():
        _, first, size = look(web, path)
        looks = [look(web, path) for _ in range(TIMES)]
        wall, cpu = (statistics.median(one[at] for one in looks) for at in (0, 1))
        found[name] = Took(first, wall, cpu, size)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--policies", type=int, default=1000)
    many = parser.parse_args().policies
    with tempfile.TemporaryDirectory() as folder:
        few = measure(Path(folder) / "few", FEW)
        found = measure(Path(folder) / "many", many)
    head = ["page", f"ms with {FEW}", f"ms with {many:,}", "of that CPU", "CPU of the first", "ratio", "kB"]
    lines = [
        [
            name,
            f"{few[name].wall:.1f}",
            f"{one.wall:.1f}",
            f"{one.cpu:.1f}",
            f"{one.first:.1f}",
            f"{one.wall / few[name].wall:.1f}",
            f"{one.size / 1e3:.0f}",
        ]
        for name, one in found.items()
    ]
    print(markdown(head, lines))


if __name__ == "__main__":
    main()
