"""The ``Analyst`` port over one child, which does one job after the other and dies with this process."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from ctrain.children import PASSED_ON, ChildGone, LineChild, child_environment
from ctrain.domain import AnalysisJob, AnalysisStatus, Json
from ctrain.ports import Timer

ANSWER = "answer.json"
GRACE_SECONDS = 10.0
"""The child ends a job by itself when its time is over; this much later it is killed."""
RUNNING = AnalysisStatus("running")
LAST_ROLE = "report"
"""Pictures wait while somebody waits for a verdict."""


class AnalystChildren:
    """An ``Analyst`` on this machine; safe to call from several threads.

    ``root`` is the folder of the workspace. The child gives its memory back when it has been idle for
    ``idle_seconds``.
    """

    def __init__(
        self,
        root: Path,
        timer: Timer,
        *,
        idle_seconds: float = 60.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._root, self._timer, self._idle_seconds = root, timer, idle_seconds
        given = os.environ if environ is None else environ
        needed = {name: value for name, value in given.items() if name in PASSED_ON}
        self._environment = {
            **child_environment(needed, tracking_uri="", threads=1),
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": str(root / ".matplotlib"),
        }
        self._lock = threading.RLock()
        self._queue: list[AnalysisJob] = []
        self._statuses: dict[str, AnalysisStatus] = {}
        self._child: LineChild | None = None
        self._job: AnalysisJob | None = None
        self._deadline = 0.0
        self._closed = False

    def submit(self, job: AnalysisJob) -> None:
        """Queue the job unless its key is known already."""
        with self._lock:
            if self._closed or self.poll(job.key).state != "absent":
                return
            self._statuses[job.key] = RUNNING
            self._queue.append(job)
            self._dispatch()

    def poll(self, key: str) -> AnalysisStatus:
        """What has become of the job; fails the one at hand when its time is over."""
        with self._lock:
            if self._job is not None and self._timer.monotonic() > self._deadline:
                self._fail(f"it took longer than {self._job.timeout.total_seconds():g} s")
            self._dispatch()
            return self._statuses.get(key) or self._answered(key)

    def forget(self, key: str) -> None:
        """Drop what is known of a job that failed or waits; one at work is left to end."""
        with self._lock:
            if self._job is None or self._job.key != key:
                self._statuses.pop(key, None)
                self._queue = [job for job in self._queue if job.key != key]

    def close(self) -> None:
        """Kill the child; jobs that were not done are forgotten."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._statuses.clear()
            self._job = None
            self._drop_child()

    @property
    def child_pid(self) -> int | None:
        """Process id of the living child."""
        with self._lock:
            return self._child.pid if self._child is not None and self._child.alive else None

    def _answered(self, key: str) -> AnalysisStatus:
        try:
            return AnalysisStatus("done", answer=json.loads((self._root / key / ANSWER).read_text()))
        except FileNotFoundError:
            return AnalysisStatus("absent")

    def _dispatch(self) -> None:
        while self._queue and self._job is None:
            job = min(self._queue, key=lambda one: one.role == LAST_ROLE)
            self._queue.remove(job)
            self._job = job
            self._deadline = self._timer.monotonic() + job.timeout.total_seconds() + GRACE_SECONDS
            self._hand_over(job)

    def _hand_over(self, job: AnalysisJob) -> None:
        request: Json = {
            "key": job.key,
            "role": job.role,
            "folder": str(self._root / job.key),
            "request": job.request,
            "timeout_seconds": job.timeout.total_seconds(),
        }
        try:
            self._living_child().send(request)
        except ChildGone as error:
            self._fail(f"the child cannot be used: {error}")

    def _living_child(self) -> LineChild:
        if self._child is not None and not self._child.alive:
            self._drop_child()
        if self._child is None:
            command = [sys.executable, "-P", "-m", "ctrain.analysis", str(self._idle_seconds)]
            started: list[LineChild] = []
            child = LineChild(
                command,
                self._environment,
                on_message=self._on_message,
                on_exit=lambda: self._on_exit(started),
            )
            started.append(child)
            self._child = child
        return self._child

    def _on_message(self, message: Json) -> None:
        with self._lock:
            if self._job is None or self._job.key != message["key"]:
                return
            self._job = None
            if message["ok"]:
                self._statuses.pop(message["key"], None)
            else:
                self._statuses[message["key"]] = AnalysisStatus("failed", str(message["message"]))
            self._dispatch()

    def _on_exit(self, started: list[LineChild]) -> None:
        with self._lock:
            if not started or self._child is not started[0]:
                return
            self._child = None
            if self._job is not None:
                words = started[0].last_words() or "it said nothing; did its time or its memory run out?"
                self._fail(f"the child died: {words}")
            self._dispatch()

    def _fail(self, message: str) -> None:
        """Let the job at hand fail, and end the child that has it."""
        if self._job is not None:
            self._statuses[self._job.key] = AnalysisStatus("failed", message)
            self._job = None
        self._drop_child()

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
