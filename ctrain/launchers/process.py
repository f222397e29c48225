"""Training in a process of this machine, which outlives the daemon and is found again by its folder.

Whether the process lives is asked of the lock that it holds, not of a pid that somebody remembered:
so a crash of the daemon at any point neither loses a training nor starts it twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from ctrain.children import child_command, child_environment
from ctrain.domain import JobState, JobStatus, RunId, TrainingJob
from ctrain.launchers.job_folder import JobFolder
from ctrain.ports import Timer

KILL_PATIENCE_SECONDS = 5.0
TIDY_SECONDS = 2.0
MARK = "CTRAIN_ATTEMPT"
"""The variable that names the folder of an attempt to all that its training starts, wherever that goes."""
TRACKER = "resource_tracker"
"""In the commands of multiprocessing's and joblib's processes that remove what nobody has any more."""


class ProcessLauncher:
    """A ``Launcher`` on this machine.

    ``python`` is the interpreter of jobs that name none (empty: this one); ``threads`` is what
    numeric libraries may use (0: as many as this process may run on); ``declared`` names further
    environment variables that every training may see, beside those of its job.
    """

    def __init__(
        self,
        tracking_uri: str,
        timer: Timer,
        *,
        python: str = "",
        threads: int = 0,
        declared: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._timer = timer
        self._python = python
        self._environ = dict(os.environ) if environ is None else environ
        self._environment = child_environment(
            self._environ,
            tracking_uri=tracking_uri,
            threads=threads or len(os.sched_getaffinity(0)),
            declared=declared,
        )
        self._spawned: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, job: TrainingJob) -> None:
        """Start the job unless it runs or has ended already."""
        if self.poll(job.run_id, job.attempt, job.folder).state is not JobState.ABSENT:
            return
        folder = JobFolder(job.folder)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_job(job, self._timer.now().timestamp())
        command = child_command(job.python or self._python, "train", job.folder)
        try:
            self._spawned[folder.path] = self._spawn(command, folder)
        except OSError as error:
            folder.write_ended(JobState.FAILED, f"the interpreter {command[0]} cannot be started: {error}")

    def _spawn(self, command: list[str], folder: JobFolder) -> subprocess.Popen[bytes]:
        with folder.log_path.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder.path,
                env=self._environment_of(folder),
                start_new_session=True,
            )
        # Waiting for it in a thread leaves no zombie behind, however rarely somebody polls.
        threading.Thread(target=process.wait, name=f"train-{process.pid}", daemon=True).start()
        return process

    def _environment_of(self, folder: JobFolder) -> dict[str, str]:
        """What the child of a job that has been written down may see."""
        names = (folder.job() or {}).get("env", ())
        wanted = {name: self._environ[name] for name in names if name in self._environ}
        return {**wanted, **self._environment, MARK: str(folder.path)}

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:  # noqa: ARG002 - the folder names both
        """What has become of the attempt whose folder this is; ends it when its time is over."""
        job = JobFolder(folder)
        status = job.final_status() or self._living_status(job)
        if status.state is not JobState.RUNNING and status.state is not JobState.ABSENT:
            self._spawned.pop(job.path, None)
        return status

    def _living_status(self, job: JobFolder) -> JobStatus:
        content = job.job()
        if content is None:
            return JobStatus(JobState.ABSENT)
        spawned = self._spawned.get(job.path)
        if job.locked() or (spawned is not None and spawned.poll() is None):
            return self._running_status(job, float(content["timeout_seconds"]), float(content["launched_at"]))
        return job.final_status() or self._gone_status(job, spawned)

    def _running_status(self, job: JobFolder, timeout_seconds: float, launched_at: float) -> JobStatus:
        state = job.state()
        started_at = float(state["started_at"]) if state else launched_at
        if self._timer.now().timestamp() - started_at <= timeout_seconds:
            return JobStatus(JobState.RUNNING)
        self._end(job, JobState.TIMED_OUT, f"training was stopped after its timeout of {timeout_seconds:g} s")
        status = job.final_status()
        assert status is not None
        return status

    def _gone_status(self, job: JobFolder, spawned: subprocess.Popen[bytes] | None) -> JobStatus:
        if job.state() is not None:
            self._kill(job)
            return JobStatus(
                JobState.LOST, message=job.with_log_tail("the training process is gone and left no result")
            )
        if spawned is not None:
            message = f"the training process ended with {spawned.returncode} before it began"
            return JobStatus(JobState.FAILED, message=job.with_log_tail(message))
        return JobStatus(JobState.ABSENT)

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:  # noqa: ARG002 - the folder names both
        """Kill the job and its children; nothing to do when it is gone or was never started."""
        job = JobFolder(folder)
        if job.final_status() is None and job.job() is not None:
            self._end(job, JobState.LOST, "training was stopped")

    def lose(self, folder: str) -> int:
        """Kill what this daemon started below ``folder``, whoever looks after it now; return how many.

        Nothing is written down: to another daemon the training is one whose process is gone.
        """
        lost = [one for one in self._spawned if one.is_relative_to(folder)]
        for path in lost:
            spawned = self._spawned.pop(path)
            if spawned.poll() is None:
                kill_group(spawned.pid)
                kill_marked(str(path))
        return len(lost)

    def _end(self, job: JobFolder, state: JobState, message: str) -> None:
        """Write down the end first: a child that starts late sees it and does nothing."""
        job.write_ended(state, message)
        self._kill(job)

    def _kill(self, job: JobFolder) -> None:
        state, spawned = job.state(), self._spawned.get(job.path)
        if (state is None and spawned is None) or not job.is_here():
            return
        pid = int(state["pid"]) if state else spawned.pid if spawned else 0
        leader_lives = job.locked() or (spawned is not None and spawned.pid == pid and spawned.poll() is None)
        if leader_lives or not psutil.pid_exists(pid):  # else the number belongs to somebody else by now
            kill_group(pid)
        kill_marked(str(job.path))


def kill_group(leader: int) -> None:
    """Kill a process, its descendants and the rest of its group, and wait until they are gone.

    Trackers come last: once nobody else is there they remove what the others held in /dev/shm, such as rows
    of the training, and end by themselves.
    """
    doomed = _family(leader)
    trackers = [process for process in doomed if _is_tracker(process)]
    for process in doomed:
        if process not in trackers:
            _kill_one(process)
    psutil.wait_procs(trackers, timeout=TIDY_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for process in trackers:
        _kill_one(process)
    psutil.wait_procs(doomed, timeout=KILL_PATIENCE_SECONDS)


def kill_marked(mark: str) -> None:
    """Kill what a training has started that has left its group, as with ``setsid``, and is nobody's child."""
    for process in psutil.process_iter():
        if _mark_of(process) == mark:
            _kill_one(process)


def _mark_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):  # it has ended, or is somebody else's
        return str(process.environ().get(MARK, ""))
    return ""


def _family(leader: int) -> list[psutil.Process]:
    """The process, its descendants and the rest of its group."""
    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        found = {process, *process.children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                found.add(process)
    return list(found)


def _is_tracker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(TRACKER in part for part in process.cmdline())
    return False


def _kill_one(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
