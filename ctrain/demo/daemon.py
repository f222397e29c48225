"""The real daemon as the demo's child, and a person's commands to it, as one would type them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from ctrain.demo.home import POLICY_NAME
from ctrain.demo.story import Staging
from ctrain.errors import TransientError

STOP_SECONDS = 20.0
ANSWER_SECONDS = 60.0
LOG = "daemon.log"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demo plays: the folder of its state and the policy that is watched."""

    home: Path
    policy: Path
    listen: str

    @property
    def stream(self) -> Path:
        """Folder of the files that production exports."""
        return self.home / "stream"

    def environment(self) -> dict[str, str]:
        """Return the environment of the daemon and the commands: the demo's own MLflow and database."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"}
        }
        return {**inherited, "FLIGHTS": str(self.stream), "CTRAIN_ACTOR": "demo"}


class DaemonChild:
    """``ctrain run`` in a process of its own, from ``with`` to the end of the block."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> DaemonChild:
        stage = self._stage
        self._log = (stage.home / LOG).open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "ctrain", "run", str(stage.policy), "--home", str(stage.home),
             "--listen", stage.listen],
            env=stage.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C at the terminal reaches the demo, which stops it in order
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._log is not None:
            self._log.close()

    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None


def trigger_command(staging: Staging) -> list[str]:
    """Return the words after ``ctrain`` that start the run, as a person would type them."""
    words = ["trigger", POLICY_NAME, "--reason", staging.reason]
    for key, value in staging.params.items():
        words += ["--param", f"{key}={value}"]
    return words


def give_trigger(stage: Stage, staging: Staging) -> str:
    """Start a run by hand; return the daemon's answer.

    Raises
    ------
    TransientError
        when the command fails otherwise than by a refusal.
    """
    command = [sys.executable, "-m", "ctrain", *trigger_command(staging)]
    done = subprocess.run(
        [*command, "--home", str(stage.home), "--wait", str(ANSWER_SECONDS)],
        env=stage.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * ANSWER_SECONDS,
        check=False,
    )
    answer = (done.stdout.strip() or done.stderr.strip()).replace("\n", " ")
    if done.returncode not in {0, 1}:
        raise TransientError(f"ctrain {' '.join(trigger_command(staging))}: {answer}")
    return answer


def choose_listen(listen: str | None) -> str:
    """Return the address for ``/metrics``: the one asked for, or a port on loopback that is free now."""
    if listen:
        return listen
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
