"""One story, from no model to an accepted promotion, with the daemon as a process that may be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from ctrain.clocks import StreamClockFile
from ctrain.demo.production import mlflow_alias, mlflow_loader
from ctrain.domain import Phase
from ctrain.errors import TransientError
from tests.e2e.faulty_daemon import KILL
from tests.e2e.mlflow_server import MlflowServer
from tests.e2e.state import active_phase
from tests.e2e.stream import HOUR, START, Production, write_policy
from tests.support.ports import free_port
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
STEP_HOURS = 12
HOURS = 96
STEP_SECONDS = 120.0
STOP_SECONDS = 30.0
FOREIGN = {"MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"}


@dataclass(frozen=True, slots=True)
class At:
    """What the faulty daemon does at which point, when it is reached for the n-th time."""

    point: str
    count: int = 1
    act: str = KILL


@dataclass(frozen=True, slots=True)
class Killed:
    """How things stood when the daemon was killed."""

    point: str
    at: datetime
    phase: Phase | None
    training_alive: bool
    """A training child went on after the daemon."""


class Daemon:
    """``ctrain run``, or the faulty one, on the home in ``folder``, as a process."""

    def __init__(self, folder: Path, tracking_uri: str, fault: At | None = None) -> None:
        self.folder = folder
        scratch = scratch_of(folder)
        scratch.mkdir(exist_ok=True)
        where = ["--home", str(home_of(folder)), "--listen", f"127.0.0.1:{free_port()}"]
        words = ["-m", "ctrain", "run"]
        if fault is not None:
            words = ["-m", "tests.e2e.faulty_daemon", fault.point, str(fault.count), fault.act]
        with (folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words, str(folder / "policy.yaml"), *where],
                cwd=REPOSITORY,
                env=environment(tracking_uri, scratch),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.end()

    def end(self) -> None:
        """End it and what it started, however it stands."""
        for process in living(self.folder):
            process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()[-4000:]


def environment(tracking_uri: str, scratch: Path) -> Mapping[str, str]:
    """The daemon's environment; the folder for scratch files marks it and everything that it starts."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**own, "MLFLOW_TRACKING_URI": tracking_uri, "TMPDIR": str(scratch), "CTRAIN_ACTOR": "ann"}


def home_of(folder: Path) -> Path:
    return folder / "home"


def scratch_of(folder: Path) -> Path:
    return folder / "scratch"


def living(folder: Path) -> list[psutil.Process]:
    """Processes that a daemon of this folder started, and itself."""
    mark = str(scratch_of(folder))
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def settle(daemon: Daemon, now: datetime) -> bool:
    """Wait until the daemon has done all that can be done at ``now``; False when it was killed."""
    try:
        StreamClockFile(home_of(daemon.folder)).wait_until_quiet(now, STEP_SECONDS, daemon.alive)
    except TransientError:
        assert daemon.process.poll() == -signal.SIGKILL, daemon.log()
        return False
    return True


@dataclass
class Story:
    """A policy, its stream and its home in ``folder``; ``play`` tells the story to its end."""

    folder: Path
    name: str
    server: MlflowServer
    faults: Sequence[At] = ()
    when_killed: Callable[[Story, At], None] = lambda story, fault: None
    when_settled: Callable[[Story], None] = lambda story: None
    killed: list[Killed] = field(default_factory=list)
    exit_code: int | None = None

    def play(self) -> Story:
        write_policy(self.folder, self.name)
        self.production = Production(self.folder, mlflow_loader(self.server.uri, self.name))
        self.clock = StreamClockFile(home_of(self.folder))
        self.now = START
        self.clock.set(START)
        self._waiting = list(self.faults)
        self._start()
        try:
            self._settle()
            for hour in range(0, HOURS, STEP_HOURS):
                self._step(hour)
            self.exit_code = self._daemon.stop()
        finally:
            self._daemon.end()
        return self

    def _start(self) -> None:
        fault = self._waiting[0] if self._waiting else None
        self._daemon = Daemon(self.folder, self.server.uri, fault)

    def _step(self, hour: int) -> None:
        champion = mlflow_alias(self.server.uri, self.name, "champion")()
        self.production.land(hour, hour + STEP_HOURS, champion)
        self.now = START + HOUR * (hour + STEP_HOURS)
        self.clock.set(self.now)
        self._settle()
        self.when_settled(self)

    def _settle(self) -> None:
        """Start the daemon again each time that it was killed, with the next thing that will happen."""
        while not settle(self._daemon, self.now):
            assert self._waiting, self._daemon.log()
            fault = self._waiting.pop(0)
            alive = any(is_training(process) for process in living(self.folder))
            self.killed.append(Killed(fault.point, self.now, active_phase(home_of(self.folder)), alive))
            self.when_killed(self, fault)
            self._start()


def is_training(process: psutil.Process) -> bool:
    try:
        return "train" in process.cmdline()
    except psutil.Error:
        return False


def copy_of(story: Story, folder: Path) -> None:
    """The stream, the policy and the home as they are now, without what lives in memory."""
    shutil.copytree(story.folder, folder, ignore=shutil.ignore_patterns("scratch", "daemon.log"))


def no_process_left(folder: Path) -> bool:
    """True when everything that daemons of this folder started has ended, or ends soon."""
    return wait_until(lambda: not living(folder), STOP_SECONDS, "the end of every child")
