"""Real daemons under load: lateness of ticks, notice of files, processor, memory, and whether rows are lost.

A process of its own feeds N policies with files, each policy one of rows and one of labels every so many
seconds, so that ROWS rows/s arrive in total. Beside them a few probes close a pane with each file: the
time from when it is moved into place until the decision of its trigger is in the database is the latency of
a notice. What was written is compared with what the row logs hold. The same with one policy follows.

Run as ``python -m tests.benchmarks.bench_load``; a table on standard output, the memory over time as CSV
and as a picture in ``build/bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from tests.benchmarks.load_feeder import rows_of_history
from tests.benchmarks.load_fleet import LoadFleet
from tests.benchmarks.load_report import Load, Seen, change, keep, quantile, title
from tests.benchmarks.measuring import ROOT, markdown
from tests.support import postgres

TIMER = RealTimer()
MEGABYTE = 1 << 20
PROBES = 3
PROBE_SECONDS = 0.5
NOT_NOTICED_SECONDS = 15.0
LOOK_SECONDS = 1.0
SETTLE_SECONDS = 300.0
CALM_WITHIN_SECONDS = 900.0
"""That starting may take: references are made and what lay there is judged before anything is measured."""
CALM_SECONDS = 15.0
SCRAPE_SECONDS = 15.0
LONG_MINUTES = 3.0
"""From then on the growth of the memory says something."""
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "autovacuum": "on"}
"""Unlike in tests: what is committed is on disk."""


def put_row(fleet: LoadFleet, name: PolicyName, number: int, at: datetime) -> None:
    """Move a file with one row into the folder of a probe."""
    folder = fleet.folder / "data" / name / "rows"
    table = pa.table({"id": [str(number)], "at": pa.array([at], pa.timestamp("us", "UTC")), "x": [1.0]})
    pq.write_table(table, folder / f".{number}")
    (folder / f".{number}").rename(folder / f"{number:06d}.parquet")


def probe(fleet: LoadFleet, seen: Seen, ended: threading.Event) -> None:
    """Close a pane of one probe after the other, and take the time until its trigger is decided."""
    number = 0
    while not ended.wait(PROBE_SECONDS):
        name = fleet.probe_names[number % len(fleet.probe_names)]
        number += 1
        at = TIMER.now().replace(microsecond=0)
        landed_at = TIMER.now()
        begun = TIMER.monotonic()
        put_row(fleet, name, number, at)
        while not _is_decided(fleet, name, at, landed_at) and not ended.wait(0.02):
            if TIMER.monotonic() - begun > NOT_NOTICED_SECONDS:
                break
        if not ended.is_set():
            seen.notices.append(TIMER.monotonic() - begun)


def _is_decided(fleet: LoadFleet, name: PolicyName, at: datetime, landed_at: datetime) -> bool:
    """The pane before ``at`` is judged, and its trigger was decided after the file was there."""
    with fleet.store.read() as tx:
        verdicts = tx.latest_verdicts(name)
        decisions = tx.decisions(name, limit=1)
    judged = any(one.as_of >= at for one in verdicts)
    # The tick's time stamp is its beginning, which may be a moment before it lists the folder.
    return judged and any(last >= landed_at - timedelta(seconds=1) for _, _, last, _ in decisions)


def look(fleet: LoadFleet, seen: Seen, ended: threading.Event) -> None:
    """Take memory all the time, and scrape as Prometheus would."""
    begun = TIMER.monotonic()
    scraped_at = begun
    while not ended.wait(LOOK_SECONDS):
        now = TIMER.monotonic()
        memory = [one.memory() for one in fleet.daemons]
        own, children = (sum(part) / MEGABYTE for part in zip(*memory, strict=True))
        seen.memory.append((now - begun, own, children))
        if now - scraped_at >= SCRAPE_SECONDS:
            scraped_at = now
            for one in fleet.daemons:
                one.scrape()
            seen.scrapes.append(TIMER.monotonic() - now)
            seen.proportional.append(sum(one.proportional() for one in fleet.daemons) / MEGABYTE)


@contextmanager
def feeder(fleet: LoadFleet, load: Load) -> Iterator[subprocess.Popen[str]]:
    """The process that writes files; it has written the history, and waits for a line to go on."""
    arguments = {
        "policies": load.policies,
        "rows": load.rows,
        "every": load.every,
        "seconds": load.minutes * 60,
    }
    options = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    options += [] if load.fed else ["--idle"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load_feeder", str(fleet.folder / "data"), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def put_on(fleet: LoadFleet, load: Load) -> list[tuple[str, str]]:
    """Put the load on the fleet and return what came of it, cell by cell."""
    seen, ended = Seen(), threading.Event()
    for name in fleet.probe_names:
        put_row(fleet, name, 0, TIMER.now() - timedelta(minutes=1))
    with feeder(fleet, load) as feeding:
        started_at = TIMER.monotonic()
        fleet.start(load.daemons, load.workers)
        history = load.policies * rows_of_history(load.rows, load.every)
        _wait_for_rows(fleet, history)
        _wait_until_calm(fleet)
        start_seconds = TIMER.monotonic() - started_at
        before = [one.metrics() for one in fleet.daemons]
        cpu = [one.cpu_seconds() for one in fleet.daemons]
        begun = TIMER.monotonic()
        threads = [threading.Thread(target=one, args=(fleet, seen, ended)) for one in (probe, look)]
        for one in threads:
            one.start()
        told, _ = feeding.communicate("go\n")
        after = [one.metrics() for one in fleet.daemons]
        used = [
            (now[0] - then[0], now[1] - then[1])
            for now, then in zip([one.cpu_seconds() for one in fleet.daemons], cpu, strict=True)
        ]
        seconds = TIMER.monotonic() - begun
        ended.set()
        for one in threads:
            one.join()
    fed = json.loads(told)
    late = _wait_for_rows(fleet, fed["rows"])
    failures = [line for one in fleet.daemons for line in one.failures()]
    fleet.stop()
    logged, repeated = fleet.logged()
    keep(seen, load)
    changes = [change(then, now) for then, now in zip(before, after, strict=True)]
    own, children = (sum(part) / seconds for part in zip(*used, strict=True))
    memory = np.array(seen.memory)
    half = memory[len(memory) // 2 :]
    slope = np.polyfit(half[:, 0], half[:, 1], 1)[0] * 3600 if load.minutes >= LONG_MINUTES else float("nan")
    cells = {
        "store": load.store,
        "policies": f"{load.policies}",
        "daemons": f"{load.daemons}",
        "workers": f"{load.workers}",
        "rows/s": f"{(fed['rows'] - history) / (60 * load.minutes):.0f}",
        "calm after s": f"{start_seconds:.0f}",
        "feeder behind s": f"{fed['behind_seconds']:.1f}",
        "lateness p50 s": f"{quantile(changes, 'ctrain_tick_lateness_seconds', 0.5):.2f}",
        "lateness p99 s": f"{quantile(changes, 'ctrain_tick_lateness_seconds', 0.99):.2f}",
        "skipped": f"{sum(one.get(('ctrain_ticks_skipped_total',), 0) for one in changes):.0f}",
        "ticks/s": f"{sum(one['ctrain_tick_lateness_seconds_count',] for one in changes) / seconds:.0f}",
        "notice p50 s": f"{np.quantile(seen.notices, 0.5):.2f}" if seen.notices else "",
        "notice p99 s": f"{np.quantile(seen.notices, 0.99):.2f}" if seen.notices else "",
        "notices": f"{len(seen.notices)}",
        "cores": f"{own:.2f}",
        "children's": f"{children:.2f}",
        "most MB": f"{memory[:, 1].max():.0f}",
        "shared pages once": f"{max(seen.proportional, default=float('nan')):.0f}",
        "children's MB": f"{memory[:, 2].max():.0f}",
        "MB an hour": f"{slope:+.0f}",
        "scrape s": f"{max(seen.scrapes, default=float('nan')):.2f}",
        "rows written": f"{fed['rows']}",
        "in the row log": f"{logged}",
        "twice": f"{repeated}",
        "caught up after s": f"{late:.0f}",
        "faults": f"{len(failures)}",
    }
    for line in failures[:3]:
        sys.stderr.write(json.dumps(line)[:600] + "\n")
    return list(cells.items())


def _wait_for_rows(fleet: LoadFleet, rows: int) -> float:
    """Seconds until the daemons have read so many; they may not get there in time."""
    begun, pause = TIMER.monotonic(), threading.Event()
    while fleet.ingested() < rows and TIMER.monotonic() - begun < SETTLE_SECONDS:
        pause.wait(1.0)
    return TIMER.monotonic() - begun


def measure(load: Load) -> list[tuple[str, str]]:
    """The cells of one load, in a folder and a database of its own."""
    durable = mock.patch.dict(postgres.SETTINGS, DURABLE)
    server = postgres.running_cluster() if load.store == "postgresql" else nullcontext()
    with durable, server as cluster, tempfile.TemporaryDirectory(prefix="ctrain-load-") as name:
        address = cluster.create() if cluster else f"sqlite:///{name}/home/state.db"
        fleet = LoadFleet(Path(name), address, load.policies, PROBES, load.pane, load.every)
        try:
            return put_on(fleet, load)
        finally:
            fleet.close()


def _wait_until_calm(fleet: LoadFleet) -> None:
    """Wait until no tick is late any more: what lay there at the beginning has been judged."""
    begun, pause = TIMER.monotonic(), threading.Event()
    while TIMER.monotonic() - begun < CALM_WITHIN_SECONDS:
        before = [one.metrics() for one in fleet.daemons]
        pause.wait(CALM_SECONDS)
        changes = [change(then, one.metrics()) for then, one in zip(before, fleet.daemons, strict=True)]
        if quantile(changes, "ctrain_tick_lateness_seconds", 1.0) <= 1.0:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--rows", type=float, default=20_000, help="rows/s in total; 0: none come")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--daemons", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="of each daemon")
    parser.add_argument("--pane", type=int, default=60, help="seconds")
    parser.add_argument("--every", type=float, default=10, help="seconds between the files of a policy")
    parser.add_argument("--alone", action="store_true", help="not the same with one policy")
    asked = parser.parse_args()
    load = Load(
        asked.policies,
        asked.rows,
        asked.minutes,
        asked.store,
        asked.daemons,
        asked.pane,
        workers=asked.workers,
        every=asked.every,
    )
    loads = [load]
    if not asked.alone and asked.policies > 1:
        share = asked.rows / asked.policies
        least = min(asked.minutes, 1)
        loads.append(replace(load, policies=1, rows_per_second=share, minutes=least, daemons=1, workers=1))
    columns = [measure(one) for one in loads]
    rows = [(name, *(dict(cells)[name] for cells in columns)) for name, _ in columns[0]]
    print(f"{os.cpu_count()} cores, ticks every 10 s")
    print(markdown(["", *(title(one) for one in loads)], rows))


if __name__ == "__main__":
    main()
