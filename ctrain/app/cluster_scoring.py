"""Scoring on a dask cluster: a task a job, whose rows and scores are files that both sides see.

A task writes to a file of its own name; it becomes the job's output here, when its answer has come. So what
a worker that was given up may still write is never taken for an answer.
"""

from __future__ import annotations

import os
import threading
import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta

from ctrain.domain import Json, ScoreJob, ScoreStatus
from ctrain.launchers.dask_cluster import Answer, ClusterTask, DaskCluster, DaskClusters
from ctrain.ports import Scorer, Timer

PATIENCE = timedelta(hours=1)
"""So long a job may wait for a worker and be scored."""
UNREACHABLE = timedelta(minutes=5)
"""So long it may wait for a scheduler that cannot be reached."""
RUNNING = ScoreStatus("running")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A job that was handed to a cluster, and the file that its task writes."""

    job: ScoreJob
    cluster: DaskCluster
    task: str
    written: str
    asked_at: float


class ClusterScorer:
    """A ``Scorer`` on the clusters that jobs name; safe to call from several threads."""

    def __init__(self, clusters: DaskClusters, tracking_uri: str, timer: Timer) -> None:
        self._clusters, self._tracking_uri, self._timer = clusters, tracking_uri, timer
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._ended: dict[str, ScoreStatus] = {}

    def submit(self, job: ScoreJob) -> None:
        """Let the cluster score unless the job's key is known already."""
        with self._lock:
            if job.key in self._asked or job.key in self._ended:
                return
            name = uuid.uuid4().hex
            cluster = self._clusters.at(str(job.launcher.get("address") or ""))
            written = f"{job.output_path}.{name}"
            self._asked[job.key] = _Asked(
                job, cluster, f"ctrain-score-{name}", written, self._timer.monotonic()
            )
            cluster.submit(self._asked[job.key].task, self._task(job, written))

    def poll(self, key: str) -> ScoreStatus:
        """What has become of the job; scores lie at its output path when it is done."""
        with self._lock:
            asked = self._asked.get(key)
            if asked is None:
                return self._ended.get(key, ScoreStatus("absent"))
            answer = asked.cluster.answer(asked.task)
            status = _status(asked, answer) if answer is not None else self._overdue(asked)
            if status.state != "running":
                self._ended[key] = status
                self._drop(key)
            return status

    def forget(self, key: str) -> None:
        """Drop what is known of the job."""
        with self._lock:
            self._ended.pop(key, None)
            self._drop(key)

    def close(self) -> None:
        """End the agents of the clusters, and the cluster of this machine."""
        self._clusters.close()

    def _drop(self, key: str) -> None:
        asked = self._asked.pop(key, None)
        if asked is not None:
            asked.cluster.forget(asked.task, drop=True)

    def _overdue(self, asked: _Asked) -> ScoreStatus:
        waited = self._timer.monotonic() - asked.asked_at
        if asked.cluster.troubled_seconds > UNREACHABLE.total_seconds():
            return ScoreStatus("failed", asked.cluster.trouble)
        if waited > PATIENCE.total_seconds():
            return ScoreStatus("failed", f"the cluster has not scored within {waited:.0f} s")
        return RUNNING

    def _task(self, job: ScoreJob, written: str) -> ClusterTask:
        told = asdict(job) | {"output_path": written, "tracking_uri": self._tracking_uri}
        return ClusterTask("ctrain.app.cluster_work:score", {"job": told}, {})


class ScorerByJob:
    """A ``Scorer`` of this machine or of a dask cluster, as each job says."""

    def __init__(self, here: Scorer, cluster: ClusterScorer) -> None:
        self._here, self._on_cluster = here, cluster

    def submit(self, job: ScoreJob) -> None:
        if job.launcher.get("type") == "dask":
            self._on_cluster.submit(job)
        else:
            self._here.submit(job)

    def poll(self, key: str) -> ScoreStatus:
        found = self._on_cluster.poll(key)
        return found if found.state != "absent" else self._here.poll(key)

    def forget(self, key: str) -> None:
        self._on_cluster.forget(key)
        self._here.forget(key)

    def close(self) -> None:
        self._on_cluster.close()
        close = getattr(self._here, "close", None)
        if close is not None:
            close()


def _status(asked: _Asked, answer: Answer) -> ScoreStatus:
    if answer.result is None:
        told = asked.cluster.explained(f"the cluster did not score: {answer.error}")
        return ScoreStatus("failed", told)
    found: Json = answer.result
    if found["state"] != "done":
        told = asked.cluster.explained(found["message"])
        return ScoreStatus("failed", told, fetched=bool(found.get("fetched", True)))
    try:
        os.replace(asked.written, asked.job.output_path)
    except OSError as error:
        told = f"the scores of a worker are not here; home must be shared with it: {error}"
        return ScoreStatus("failed", told)
    return ScoreStatus("done", found["message"], float(found["seconds"]), found["measured"])
