"""Trials of a training's search as tasks of their own, on whatever workers are free.

The worker that trains looks for questions in the attempt's folder and hands each to the cluster; whoever gets
it starts a child that answers in the same folder. A trial whose worker is lost is computed again.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.children import child_command, child_environment
from ctrain.launchers.dask_call import submit_named
from ctrain.launchers.job_folder import JobFolder

if TYPE_CHECKING:
    from distributed import Client, Future

TRIALS = "trials"
TRIAL = "ctrain.launchers.dask_trials:run_trial"
LOOK_SECONDS = 0.5
ALIVE = frozenset({"init", "starting", "running", "paused"})
"""States of a worker that goes on; in others it waits half a minute for its tasks before it ends."""


class Trials:
    """The questions of one attempt."""

    def __init__(self, client: Client, folder: Path, told: Mapping[str, Any]) -> None:
        self._client, self._folder, self._told = client, folder, told
        self._asked: dict[str, Future[Any]] = {}

    def look(self) -> None:
        """Hand over new questions, and answer those that nobody could."""
        for path in sorted(self._folder.glob(f"{TRIALS}/*.ask.json")):
            number = path.name.partition(".")[0]
            if number not in self._asked:
                key = f"ctrain-trial-{uuid.uuid4().hex}"
                told = {"folder": str(self._folder), "number": number, **self._told}
                self._asked[number] = submit_named(self._client, key, TRIAL, told)
        for number, future in self._asked.items():
            answer = self._folder / TRIALS / f"{number}.answer.json"
            if future.done() and not answer.exists():
                JobFolder(answer.parent).write_answer(
                    answer.name, f"nobody could compute it: {future.status}"
                )

    def drop(self) -> None:
        """Nobody waits for an answer any more."""
        self._client.cancel(list(self._asked.values()))


@contextmanager
def trials_of(folder: str, told: Mapping[str, Any]) -> Iterator[Trials | None]:
    """The trials of an attempt that wants several at a time; else None."""
    search = (JobFolder(folder).job() or {}).get("tune") or {}
    if int(search.get("together", 1)) < 2:
        yield None
        return
    from distributed import worker_client

    (Path(folder) / TRIALS).mkdir(exist_ok=True)
    with worker_client() as client:
        trials = Trials(client, Path(folder), told)
        try:
            yield trials
        finally:
            trials.drop()


def run_trial(folder: str, number: str, python: str, tracking_uri: str, env: Sequence[str]) -> None:
    """Run the child that answers one question; run by workers."""
    from distributed import get_worker

    worker = get_worker()
    log = Path(folder) / TRIALS / f"{number}.log"
    with log.open("ab") as words:
        child = subprocess.Popen(
            child_command(python, "trials", folder, number),
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=child_environment(os.environ, tracking_uri=tracking_uri, threads=threads(), declared=env),
            start_new_session=True,
        )
    ended = os.pidfd_open(child.pid)
    assert child.stdin is not None
    try:
        while not select.select([ended], [], [], LOOK_SECONDS)[0]:
            if JobFolder(folder).final_status() is not None or worker.status.name not in ALIVE:
                break
    finally:
        os.close(ended)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.stdin.close()
        child.wait()


def threads() -> int:
    """Of numeric libraries: what this worker's environment says, else its own threads."""
    from distributed import get_worker

    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else int(get_worker().state.nthreads)
