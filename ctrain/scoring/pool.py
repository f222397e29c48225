"""The ``Scorer`` port over a bounded pool of warm children, one interpreter each.

Everything happens in ``submit``, ``poll`` and on the children's reader threads; nothing waits. A child
gives its memory back when it has been idle for a while, and dies with this process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctrain.children import ChildGone, LineChild, child_command, child_environment
from ctrain.domain import Json, ScoreJob, ScoreStatus
from ctrain.ports import Timer

RUNNING = ScoreStatus("running")


@dataclass(eq=False)
class _Worker:
    """One child: what it does, and which models it has loaded."""

    python: str
    scratch: Path
    child: LineChild | None = None
    key: str = ""
    """The job at hand; empty when idle."""
    deadline: float = 0.0
    last_used: float = 0.0
    sources: deque[str] = field(default_factory=deque)


class ScorerPool:
    """A ``Scorer`` on this machine; safe to call from several threads.

    At most ``max_children`` interpreters live at once, each with the ``models_per_child`` models used
    last. A job that takes longer than ``job_timeout_seconds`` fails, and its child is killed. A child
    imports the modules of ``preload`` at its start, those that it finds.
    """

    def __init__(
        self,
        tracking_uri: str,
        timer: Timer,
        *,
        python: str = "",
        max_children: int = 2,
        models_per_child: int = 4,
        idle_seconds: float = 300.0,
        job_timeout_seconds: float = 600.0,
        declared: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
        preload: Iterable[str] = (),
    ) -> None:
        self._timer, self._python = timer, python
        self._preload = ",".join(preload)
        self._max_children, self._models_per_child = max_children, models_per_child
        self._idle_seconds, self._job_timeout_seconds = idle_seconds, job_timeout_seconds
        self._environment = child_environment(
            os.environ if environ is None else environ,
            tracking_uri=tracking_uri,
            threads=1,
            declared=declared,
        )
        self._lock = threading.RLock()
        self._queue: deque[ScoreJob] = deque()
        self._statuses: dict[str, ScoreStatus] = {}
        self._workers: list[_Worker] = []
        self._closed = False

    def warm_up(self, python: str) -> None:
        """Start a child before there is a job for it."""
        with self._lock:
            worker = self._clean(python or self._python, [])
            if worker is None:
                return
            worker.last_used = self._timer.monotonic()
            try:
                self._child_of(worker)
            except ChildGone as error:
                self._fail(worker, f"the scoring child cannot be used: {error}")

    def submit(self, job: ScoreJob) -> None:
        """Queue the job unless its key is known already."""
        with self._lock:
            if job.key in self._statuses or self._closed:
                return
            self._statuses[job.key] = RUNNING
            self._queue.append(job)
            self._dispatch()

    def poll(self, key: str) -> ScoreStatus:
        """What has become of the job; fails those whose time is over."""
        with self._lock:
            self._fail_overdue()
            self._dispatch()
            return self._statuses.get(key, ScoreStatus("absent"))

    def forget(self, key: str) -> None:
        """Drop what is known of a job that has ended, or waits; one at work is left to end."""
        with self._lock:
            if any(worker.key == key for worker in self._workers):
                return
            self._statuses.pop(key, None)
            self._queue = deque(job for job in self._queue if job.key != key)

    def close(self) -> None:
        """Kill all children; jobs that were not done are forgotten."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
            self._queue.clear()
            self._statuses.clear()
        for worker in workers:
            self._end(worker)

    @property
    def children(self) -> tuple[int, ...]:
        """Process ids of the living children."""
        with self._lock:
            return tuple(worker.child.pid for worker in self._workers if worker.child and worker.child.alive)

    def _dispatch(self) -> None:
        """Give waiting jobs to children, in order; a job whose interpreter is busy lets others pass."""
        passed: deque[ScoreJob] = deque()
        while self._queue:
            job = self._queue.popleft()
            worker = self._worker_for(job)
            if worker is None:
                passed.append(job)
            else:
                self._hand_over(worker, job)
        self._queue = passed

    def _worker_for(self, job: ScoreJob) -> _Worker | None:
        python = job.python or self._python
        idle = [worker for worker in self._workers if not worker.key]
        if job.probe:
            return self._clean(python, idle)
        fitting = [worker for worker in idle if worker.python == python]
        warm = [worker for worker in fitting if _source(job) in worker.sources]
        if warm:
            return warm[0]
        if len(self._workers) < self._max_children and not fitting:
            return self._start(python)
        if fitting:
            return max(fitting, key=lambda worker: worker.last_used)
        return self._clean(python, idle)

    def _clean(self, python: str, idle: list[_Worker]) -> _Worker | None:
        """A worker that has done nothing yet, in the place of the idle one used longest ago if need be."""
        if len(self._workers) >= self._max_children:
            if not idle:
                return None
            oldest = min(idle, key=lambda worker: worker.last_used)
            self._workers.remove(oldest)
            self._end(oldest)
        return self._start(python)

    def _start(self, python: str) -> _Worker:
        scratch = Path(tempfile.mkdtemp(prefix="ctrain-score-"))
        worker = _Worker(python, scratch, sources=deque(maxlen=self._models_per_child))
        self._workers.append(worker)
        return worker

    def _child_of(self, worker: _Worker) -> LineChild:
        if worker.child is None:
            limits = (str(self._idle_seconds), str(self._models_per_child))
            arguments = (*limits, str(worker.scratch), self._preload)
            worker.child = LineChild(
                child_command(worker.python, "score", *arguments),
                self._environment,
                on_message=lambda message: self._on_message(worker, message),
                on_exit=lambda: self._on_exit(worker),
            )
        return worker.child

    def _hand_over(self, worker: _Worker, job: ScoreJob) -> None:
        worker.key = job.key
        worker.last_used = self._timer.monotonic()
        worker.deadline = worker.last_used + self._job_timeout_seconds
        if _source(job) not in worker.sources:
            worker.sources.append(_source(job))
        try:
            self._child_of(worker).send(_request(job))
        except ChildGone as error:
            self._fail(worker, f"the scoring child cannot be used: {error}")

    def _on_message(self, worker: _Worker, message: Json) -> None:
        with self._lock:
            if worker not in self._workers or worker.key != message["key"]:
                return
            worker.key = ""
            if message["ok"]:
                bad = int(message["bad_rows"])
                text = f"{bad} rows have no score" if bad else ""
                seconds, measured = float(message["seconds"]), message["measured"]
                self._statuses[message["key"]] = ScoreStatus("done", text, seconds, measured)
            else:
                fetched = bool(message.get("fetched", True))
                self._statuses[message["key"]] = ScoreStatus(
                    "failed", str(message["message"]), fetched=fetched
                )
            self._dispatch()

    def _on_exit(self, worker: _Worker) -> None:
        with self._lock:
            if worker not in self._workers:
                return
            words = worker.child.last_words() if worker.child else ""
            self._fail(worker, f"the scoring child died: {words or 'it said nothing'}")
            self._dispatch()

    def _fail_overdue(self) -> None:
        now = self._timer.monotonic()
        for worker in [one for one in self._workers if one.key and now > one.deadline]:
            self._fail(worker, f"scoring took longer than {self._job_timeout_seconds:g} s")

    def _fail(self, worker: _Worker, message: str) -> None:
        """Take the worker out, and let the job that it had, if any, fail."""
        if worker.key:
            self._statuses[worker.key] = ScoreStatus("failed", message)
        if worker in self._workers:
            self._workers.remove(worker)
        self._end(worker)

    def _end(self, worker: _Worker) -> None:
        if worker.child is not None:
            worker.child.kill()
        shutil.rmtree(worker.scratch, ignore_errors=True)


def _source(job: ScoreJob) -> str:
    version = job.version
    return version.source or f"models:/{version.model}/{version.version}"


def _request(job: ScoreJob) -> Json:
    return {
        "key": job.key,
        "source": _source(job),
        "digest": job.digest,
        "rows_path": job.rows_path,
        "output_path": job.output_path,
        "features": list(job.features),
        "task": job.task.value,
        "output": job.output,
        "probe": job.probe,
    }
