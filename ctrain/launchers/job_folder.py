"""The folder of one attempt as the launcher sees it: what was started, what lives, how it ended.

======================  ==========  ==========================================================
file                    written by  means
======================  ==========  ==========================================================
``job.json``            launcher    a child was or is about to be started (write-ahead)
``job.claim.json``      guard       a worker of a cluster has taken the attempt (see ``ctrain.child.guard``)
``job.lock``            child       locked while the child lives, whoever started it
``job.state.json``      child       pid and start, written once the lock is held
``result.json``         child       how training ended
``job.ended.json``      launcher    the attempt was ended from outside: timeout, stop, no start, lost worker
``train.log``           child       everything that training printed
``work``                user code   what it wrote where it was started
======================  ==========  ==========================================================
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ctrain.domain import JobState, JobStatus, TrainingJob
from ctrain.launchers.machine import this_machine

LOG_TAIL_LINES = 6
LOG_TAIL_BYTES = 4000
OUT_OF_MEMORY = ("bad_alloc", "Memory allocation", "MemoryError", "Cannot allocate memory")
TIDYING = ("resource_tracker", "  warnings.warn(")
"""What processes say that clear up behind a training; what it said itself comes before."""


class JobFolder:
    """Reads and writes the files above; every write appears whole."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder)

    @property
    def log_path(self) -> Path:
        return self.path / "train.log"

    def write_job(self, job: TrainingJob, launched_at: float) -> None:
        content = {
            "run_id": job.run_id,
            "attempt": job.attempt,
            "entrypoint": job.entrypoint,
            "command": list(job.command),
            "candidates": list(job.candidates),
            "tune": dict(job.tune),
            "learnable": dict(job.learnable),
            "code_folder": job.code_folder,
            "python": job.python,
            "launcher": dict(job.launcher),
            "timeout_seconds": job.timeout.total_seconds(),
            "memory_limit_bytes": job.memory_limit_bytes,
            "file_limit_bytes": job.file_limit_bytes,
            "env": list(job.env),
            "context": asdict(job.context),
            "registration": dict(job.registration),
            "launched_at": launched_at,
            "machine": this_machine(),
        }
        self._write("job.json", content)

    def write_ended(self, state: JobState, message: str) -> None:
        self._write("job.ended.json", {"state": state.value, "message": message})

    def write_answer(self, name: str, error: str) -> None:
        """Answer a question of a child that nobody else can answer."""
        self._write(name, {"error": error})

    def is_here(self) -> bool:
        """True when the child was started on this machine: elsewhere its pid means nothing."""
        return bool((self.job() or {}).get("machine", this_machine()) == this_machine())

    def job(self) -> dict[str, Any] | None:
        return self._read("job.json")

    def claimed(self) -> bool:
        """True once a worker of a cluster has taken the attempt."""
        return (self.path / "job.claim.json").exists()

    def state(self) -> dict[str, Any] | None:
        return self._read("job.state.json")

    def final_status(self) -> JobStatus | None:
        """How the attempt ended, or None while it has not."""
        ended = self._read("job.ended.json")
        if ended is not None:
            return JobStatus(JobState(ended["state"]), message=self.with_log_tail(ended["message"]))
        result = self._read("result.json")
        if result is None:
            return None
        if "error" in result:
            return JobStatus(JobState.FAILED, message=self.with_log_tail(str(result["error"])), result=result)
        return JobStatus(JobState.SUCCEEDED, result=result)

    def locked(self) -> bool:
        """True while the child lives; looks with a shared lock, which no other onlooker notices."""
        path = self.path / "job.lock"
        if not path.exists():
            return False
        with path.open("rb") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

    def with_log_tail(self, message: str) -> str:
        """``message`` and the last lines of the log."""
        lines = self._log_lines()
        if any(sign in line for sign in OUT_OF_MEMORY for line in lines) and "memory" not in message:
            message += " (it seems to have run out of memory: see train.memory_limit)"
        return "\n".join([message, *lines])

    def _log_lines(self) -> list[str]:
        if not self.log_path.exists():
            return []
        with self.log_path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        told = [line for line in lines if not any(sign in line for sign in TIDYING)]
        return told[-LOG_TAIL_LINES:]

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None
        assert isinstance(content, dict)
        return content

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        partial = self.path / f".{name}.{os.getpid()}.partial"
        partial.write_text(json.dumps(content, default=str))
        os.replace(partial, self.path / name)
