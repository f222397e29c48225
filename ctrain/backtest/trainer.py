"""Trainings in a warm child, each once: what has been trained on the same rows is taken again.

One child for each interpreter, which forks for every job; strategies that come to the same rows, code
and parameters share the model and the time that it took.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ctrain.children import PASSED_ON, ChildGone, LineChild, child_command, child_environment
from ctrain.domain import Json, TrainingJob
from ctrain.launchers.job_folder import JobFolder
from ctrain.ports import Timer

IDLE_SECONDS = 3600.0
OF_ONE_RUN = frozenset({"run_id", "folder", "registration", "context"})
"""What a job says of its run, which changes nothing of what is learned."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model in a folder, or why there is none."""

    folder: str = ""
    seconds: float = 0.0
    """What it took, also to fail."""
    rows: int = 0
    digest: str = ""
    content_digest: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What was found out on the way to it: which candidate, which parameters."""
    problem: str = ""
    refused: str = ""
    """Why nothing was trained, although it could have been."""


@dataclass(eq=False)
class _UnderWay:
    key: str
    job: TrainingJob
    rows: int
    begun_at: float = 0.0

    @property
    def timeout_seconds(self) -> float:
        return self.job.timeout.total_seconds()


class Trainer:
    """Trains what it is given, one job after the other; safe to call from several threads."""

    def __init__(
        self,
        folder: Path,
        timer: Timer,
        *,
        importance: bool,
        environ: Mapping[str, str] | None = None,
        declared: Iterable[str] = (),
    ) -> None:
        self._folder, self._timer = folder, timer
        self._importance = importance
        given = os.environ if environ is None else environ
        names = PASSED_ON.union(declared)
        needed = {name: value for name, value in given.items() if name in names}
        self._environment = child_environment(
            needed,
            # Code that logs to MLflow by itself writes into a folder that is thrown away.
            tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
            threads=len(os.sched_getaffinity(0)),
            declared=declared,
        )
        self._lock = threading.RLock()
        self._waiting: list[_UnderWay] = []
        self._at_work: _UnderWay | None = None
        self._done: dict[str, Trained] = {}
        self._children: dict[str, LineChild] = {}
        self.total_seconds = 0.0
        """What all trainings took together, each counted once."""

    def warm_up(self, python: str) -> None:
        """Start the child of an interpreter before there is a job for it."""
        with self._lock, contextlib.suppress(ChildGone):  # the first job is told
            self._child(python)

    def submit(self, job: TrainingJob) -> str:
        """Queue the job unless the same has been trained; return the key of its result."""
        import pyarrow.parquet as pq

        key = _key(job)
        with self._lock:
            known = {one.key for one in (*self._waiting, *([self._at_work] if self._at_work else []))}
            if key not in self._done and key not in known:
                rows = pq.read_metadata(Path(job.folder) / "rows.parquet").num_rows
                self._waiting.append(_UnderWay(key, job, rows))
                self._dispatch()
        return key

    def result(self, key: str) -> Trained | None:
        """What has become of a job; None while it is under way."""
        with self._lock:
            at_work = self._at_work
            if at_work is not None and self._timer.monotonic() > at_work.begun_at + at_work.timeout_seconds:
                timeout = at_work.timeout_seconds
                self._fail(at_work, f"training was stopped after its timeout of {timeout:g} s")
                self._drop(at_work.job.python)
                self._dispatch()
            return self._done.get(key)

    def close(self) -> None:
        """Kill all children."""
        with self._lock:
            self._waiting.clear()
            self._at_work = None
            children, self._children = self._children, {}
        for child in children.values():
            child.kill()

    def _dispatch(self) -> None:
        while self._waiting and self._at_work is None:
            under_way = self._at_work = self._waiting.pop(0)
            under_way.begun_at = self._timer.monotonic()
            JobFolder(under_way.job.folder).write_job(under_way.job, self._timer.now().timestamp())
            try:
                self._child(under_way.job.python).send(
                    {
                        "key": under_way.key,
                        "folder": under_way.job.folder,
                        "model_folder": str(self._folder / "models" / under_way.key),
                        "importance": self._importance,
                    }
                )
            except ChildGone as error:
                self._fail(under_way, f"the training child cannot be used: {error}")

    def _child(self, python: str) -> LineChild:
        child = self._children.get(python)
        if child is None or not child.alive:
            (self._folder / "models").mkdir(parents=True, exist_ok=True)
            child = self._children[python] = LineChild(
                child_command(python, "fit", str(IDLE_SECONDS)),
                self._environment,
                on_message=self._on_message,
                on_exit=lambda: self._on_exit(python),
            )
        return child

    def _on_message(self, message: Json) -> None:
        with self._lock:
            under_way = self._at_work
            if under_way is None or under_way.key != message["key"]:
                return
            if message["ok"]:
                self._end(under_way, self._trained(under_way, message))
            else:
                self._fail(under_way, str(message["message"]))
            self._dispatch()

    def _trained(self, under_way: _UnderWay, message: Json) -> Trained:
        if "refused" in message:
            looked = dict(message["notes"])
            rows, seconds = int(looked["learnable"]["rows"]), float(message["seconds"])
            return Trained(seconds=seconds, rows=rows, notes=looked, refused=str(message["refused"]))
        return Trained(
            folder=str(self._folder / "models" / under_way.key),
            seconds=float(message["seconds"]),
            rows=under_way.rows,
            digest=str(message["digest"]),
            content_digest=str(message["content_digest"]),
            importance=dict(message["importance"]),
            notes=dict(message["notes"]),
        )

    def _on_exit(self, python: str) -> None:
        with self._lock:
            child, under_way = self._children.get(python), self._at_work
            if under_way is None or under_way.job.python != python or (child is not None and child.alive):
                return
            words = child.last_words() if child is not None else ""
            self._fail(under_way, f"the training child died: {words or 'it said nothing'}")
            self._dispatch()

    def _fail(self, under_way: _UnderWay, problem: str) -> None:
        """A training that failed took all the time since it was begun, as in production.

        The end of its log is told, as there: the rest is thrown away with the folder.
        """
        told = JobFolder(under_way.job.folder).with_log_tail(problem)
        seconds = min(self._timer.monotonic() - under_way.begun_at, under_way.timeout_seconds)
        self._end(under_way, Trained(seconds=seconds, rows=under_way.rows, problem=told))

    def _end(self, under_way: _UnderWay, trained: Trained) -> None:
        self._done[under_way.key] = trained
        self.total_seconds += trained.seconds
        if self._at_work is under_way:
            self._at_work = None

    def _drop(self, python: str) -> None:
        child = self._children.pop(python, None)
        if child is not None:
            child.kill()


def _key(job: TrainingJob) -> str:
    """Digest of all that a training learns from."""
    content = hashlib.sha256()
    for path in sorted(Path(job.folder).glob("*.parquet")):
        content.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    told = asdict(job)
    described = {name: value for name, value in told.items() if name not in OF_ONE_RUN}
    described["context"] = {name: value for name, value in told["context"].items() if name != "run_id"}
    content.update(json.dumps(described, sort_keys=True, default=str).encode())
    return content.hexdigest()[:32]
