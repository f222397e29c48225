"""Trainings as production starts them, but forked from a process that has imported what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ctrain.clocks import RealTimer
from ctrain.launchers.job_folder import JobFolder
from ctrain.launchers.process import ProcessLauncher

REPOSITORY = Path(__file__).parents[2]
FORKING = """
import os, signal, sys
from pathlib import Path

import mlflow.sklearn, pandas, pyarrow.parquet, sklearn.compose, sklearn.impute, sklearn.linear_model
from ctrain.child import importance, registration, train

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    folder = line.strip()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir(folder)
        log = os.open(Path(folder) / "train.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1), os.dup2(log, 2)
        os._exit(train.main([folder]))
"""
"""The code that a training child runs, in a fork and a process group of its own."""


class WarmLauncher(ProcessLauncher):
    """A ``ProcessLauncher`` that saves each training the seconds that importing takes."""

    def __init__(self, tracking_uri: str, timer: RealTimer, *, threads: int) -> None:
        super().__init__(tracking_uri, timer, threads=threads)
        self._warm = subprocess.Popen(
            [sys.executable, "-c", FORKING], cwd=REPOSITORY, env=self._environment, stdin=subprocess.PIPE
        )

    def _spawn(self, command: list[str], folder: JobFolder) -> subprocess.Popen[bytes]:
        """Say where the job lies; the process lives as long as the launcher, so that its end says nothing."""
        assert self._warm.stdin is not None
        self._warm.stdin.write(f"{folder.path}\n".encode())
        self._warm.stdin.flush()
        return self._warm

    def close(self) -> None:
        assert self._warm.stdin is not None
        self._warm.stdin.close()
        self._warm.wait()
