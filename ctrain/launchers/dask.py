"""Training on a dask cluster: the job's folder is the contract, the cluster only says who runs it.

A worker claims the attempt, starts the same child that trains on one machine, and ends it when it is
stopped. What has become of it is read from the folder, so a lost worker, scheduler, agent or daemon leaves
one result, or an attempt that is lost and tried again: never two. Home, policies and their code must lie on
a file system that daemon and workers see under the same path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctrain.domain import JobState, JobStatus, Json, RunId, TrainingJob
from ctrain.launchers.dask_cluster import Answer, ClusterTask, DaskCluster, DaskClusters
from ctrain.launchers.job_folder import JobFolder
from ctrain.launchers.local_cluster import ONE_TRAINING
from ctrain.launchers.log_secrets import LogSecrets
from ctrain.ports import Launcher, Timer

UNREACHABLE_SECONDS = 300.0
"""So long a training that nobody has taken waits for a scheduler that cannot be reached."""
GRACE_SECONDS = 60.0
"""A worker ends a training at its timeout; the launcher gives it up so much later, should it be gone too."""


class DaskLauncher:
    """A ``Launcher`` on the clusters that jobs name."""

    def __init__(self, clusters: DaskClusters, tracking_uri: str, timer: Timer) -> None:
        self._clusters, self._tracking_uri, self._timer = clusters, tracking_uri, timer

    def start(self, job: TrainingJob) -> None:
        """Start the job unless it runs or has ended already."""
        folder = JobFolder(job.folder)
        if folder.job() is None and folder.final_status() is None:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.write_job(job, self._timer.now().timestamp())
        self.poll(job.run_id, job.attempt, job.folder)

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:
        """What has become of the attempt; asks the cluster for it again when this daemon has not yet."""
        job = JobFolder(folder)
        status = job.final_status() or self._living_status(run_id, attempt, job)
        if status.state not in {JobState.RUNNING, JobState.ABSENT}:
            self._forget(run_id, attempt, job)
        return self._explained(status, job)

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        """End the job: the worker that has it kills its children as soon as it sees that."""
        job = JobFolder(folder)
        if job.final_status() is None and job.job() is not None:
            job.write_ended(JobState.LOST, "training was stopped")
            self._forget(run_id, attempt, job)

    def _living_status(self, run_id: RunId, attempt: int, job: JobFolder) -> JobStatus:
        content = job.job()
        if content is None:
            return JobStatus(JobState.ABSENT)
        cluster, key = self._cluster(content), _key(run_id, attempt, job)
        cluster.submit(key, self._task(job, content))
        answer = cluster.answer(key)
        if answer is None:
            return self._waiting_status(job, content, cluster)
        return job.final_status() or _given_up(job, *_without_result(answer, cluster, job.path))

    def _explained(self, status: JobStatus, job: JobFolder) -> JobStatus:
        """With what workers have otherwise than the daemon: it may be why a training failed."""
        content = job.job()
        if status.state is not JobState.FAILED or content is None:
            return status
        return replace(status, message=self._cluster(content).explained(status.message))

    def _waiting_status(self, job: JobFolder, content: Mapping[str, Any], cluster: DaskCluster) -> JobStatus:
        waited = self._timer.now().timestamp() - float(content["launched_at"])
        timeout = float(content["timeout_seconds"])
        if job.claimed():
            if waited > 2 * timeout + GRACE_SECONDS:
                return _given_up(job, JobState.TIMED_OUT, "its worker has not ended it at its timeout")
        elif waited > timeout:
            why = f"no worker of {_named(cluster)} took the training in {timeout:g} s"
            return _given_up(job, JobState.TIMED_OUT, "; ".join(filter(None, (why, cluster.trouble))))
        elif cluster.troubled_seconds > UNREACHABLE_SECONDS:
            return _given_up(job, JobState.FAILED, cluster.trouble)
        return JobStatus(JobState.RUNNING, message=cluster.trouble)

    def _cluster(self, content: Mapping[str, Any]) -> DaskCluster:
        return self._clusters.at(str((content.get("launcher") or {}).get("address") or ""))

    def _forget(self, run_id: RunId, attempt: int, job: JobFolder) -> None:
        content = job.job()
        if content is not None:
            self._cluster(content).forget(_key(run_id, attempt, job), drop=True)

    def _task(self, job: JobFolder, content: Mapping[str, Any]) -> ClusterTask:
        return ClusterTask(
            function="ctrain.launchers.dask_work:run_training",
            arguments={
                "folder": str(job.path),
                "python": content.get("python", ""),
                "tracking_uri": self._tracking_uri,
                "timeout_seconds": float(content["timeout_seconds"]),
                "env": list(content.get("env", ())),
            },
            resources=_resources(content, local=self._cluster(content).is_local),
        )


class LauncherByJob:
    """A ``Launcher`` that is a process of this machine or a dask cluster, as each job says.

    What it tells of a training is told after ``secrets`` were taken out of its log.
    """

    def __init__(self, here: Launcher, cluster: Launcher, secrets: LogSecrets | None = None) -> None:
        self._here, self._on_cluster, self._secrets = here, cluster, secrets or LogSecrets({})

    def start(self, job: TrainingJob) -> None:
        self._of(job.launcher).start(job)

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:
        job = JobFolder(folder)
        self._secrets.take_out(job, over=False)
        status = self._of(_written(folder)).poll(run_id, attempt, folder)
        if status.state not in {JobState.RUNNING, JobState.ABSENT}:
            self._secrets.take_out(job, over=True)
        return status

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        self._of(_written(folder)).stop(run_id, attempt, folder)
        self._secrets.take_out(JobFolder(folder), over=True)

    def lose(self, folder: str) -> int:
        """Kill what runs on this machine below ``folder``; who has the policy now finds the rest."""
        lose = getattr(self._here, "lose", None)
        return int(lose(folder)) if lose is not None else 0

    def _of(self, launcher: Json) -> Launcher:
        return self._on_cluster if launcher.get("type") == "dask" else self._here


def _written(folder: str) -> Json:
    found: Json = (JobFolder(folder).job() or {}).get("launcher") or {}
    return found


def _resources(content: Mapping[str, Any], *, local: bool) -> dict[str, float]:
    """What the policy asks for; of the local cluster at least a worker that trains nothing else."""
    asked = (content.get("launcher") or {}).get("resources") or {}
    return {**(ONE_TRAINING if local else {}), **asked}


def _key(run_id: RunId, attempt: int, job: JobFolder) -> str:
    """Of this attempt of this home: other homes may use the same cluster, and the same names of runs."""
    place = hashlib.sha256(json.dumps(str(job.path)).encode()).hexdigest()[:16]
    return f"ctrain-train-{run_id}-{attempt}-{place}"


def _without_result(answer: Answer, cluster: DaskCluster, folder: Path) -> tuple[JobState, str]:
    """What it means that the task is over and nothing lies in the folder."""
    if answer.result is None:
        state = JobState.LOST if answer.lost else JobState.FAILED
        return state, f"{_named(cluster)} did not run the training: {answer.error}"
    match answer.result["state"]:
        case "absent":
            told = f"a worker of {_named(cluster)} does not see {folder}; home and policies must be shared"
            return JobState.FAILED, told
        case "broken":
            return JobState.FAILED, f"the guard of the training ended with {answer.result['message']}"
        case _:
            return JobState.LOST, "the worker that trained is gone and left no result"


def _named(cluster: DaskCluster) -> str:
    return cluster.address or "the local cluster"


def _given_up(job: JobFolder, state: JobState, message: str) -> JobStatus:
    """Write the end down: whoever still works on the attempt sees it, and registers nothing."""
    job.write_ended(state, message)
    return job.final_status() or JobStatus(state, message=message)
