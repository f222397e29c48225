"""Dask clusters of separate processes for tests: a scheduler, and workers that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

SCHEDULER = """
import asyncio, dask, sys
from distributed import Scheduler
dask.config.set({"distributed.scheduler.http.routes": [], "distributed.scheduler.allowed-failures": 3})
async def serve():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()
asyncio.run(serve())
"""
WORKER = """
import asyncio, json, sys
from distributed import Worker
exec(sys.argv[3])
async def serve():
    given = {"nthreads": 1, "host": "127.0.0.1", "dashboard": False, "resources": json.loads(sys.argv[2])}
    async with Worker(sys.argv[1], **given) as worker:
        print(worker.address, flush=True)
        await worker.finished()
asyncio.run(serve())
"""


@dataclass
class Cluster:
    """Its scheduler and workers by their process; they share nothing with the test but loopback."""

    address: str = ""
    scheduler: subprocess.Popen[str] | None = None
    workers: list[subprocess.Popen[str]] = field(default_factory=list)
    addresses: dict[int, str] = field(default_factory=dict)
    """Of the workers, by their process."""

    @classmethod
    @contextmanager
    def started(cls, workers: int, resources: str = "{}") -> Iterator[Cluster]:
        cluster = cls()
        try:
            cluster.start_scheduler()
            for _ in range(workers):
                cluster.start_worker(resources)
            yield cluster
        finally:
            for one in [*cluster.workers, cluster.scheduler]:
                if one is not None:
                    kill(one)

    def start_scheduler(self) -> None:
        """A scheduler at the address of the one before, if there was one."""
        port = self.address.rpartition(":")[2] or "0"
        self.scheduler, self.address = _started(SCHEDULER, port)

    def start_worker(self, resources: str = "{}", before: str = "") -> subprocess.Popen[str]:
        """A worker with these resources, which executes ``before`` before it serves."""
        worker, address = _started(WORKER, self.address, resources, before)
        self.workers.append(worker)
        self.addresses[worker.pid] = address
        return worker


def _started(code: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, "it has told its address"
    return process, address


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and wait until it is gone."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def worker_of(pid: int, cluster: Cluster) -> subprocess.Popen[str]:
    """The worker that is an ancestor of a process."""
    ancestors = {one.pid for one in psutil.Process(pid).parents()}
    (worker,) = [one for one in cluster.workers if one.pid in ancestors]
    return worker
