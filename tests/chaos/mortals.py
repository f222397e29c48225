"""The daemons of a home, one after the other, and their children: started, killed, counted, stopped."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ctrain.app.faulting import ALLOWED, PLAN
from ctrain.faults.reading import LAST_WORDS
from tests.chaos.forks import Toll
from tests.chaos.plans import draw_plan
from tests.chaos.surroundings import Surroundings
from tests.support.ports import free_port
from tests.support.zygote import PIDS, Zygote
from tests.waiting import wait_until

ALONE = {"CTRAIN_CONSOLE": "0"}
"""What is killed here is the daemon; the server beside it is for tests of its own."""
FOREIGN = {"MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME", "CTRAIN_FAULTS"}
CHILDREN = ("train", "score", "registry")
AT_ANY_MOMENT = "any moment"
AN_ASKING = 0.0004
"""How probable it is that somebody is killed just when the daemon is looked at, 200 times a second."""


@dataclass
class Mortals:
    """The daemon that lives now, or none yet, and all that daemons have started."""

    folder: Path
    zygote: Zygote
    chance: random.Random
    kills_left: int
    toll: Toll
    around: Surroundings
    daemon: subprocess.Popen[bytes] | None = None
    _deaths_told: int = 0

    def __post_init__(self) -> None:
        self._scratch = self.folder / "scratch"
        (self._scratch / PIDS).mkdir(parents=True)
        self.log = self.folder / "daemon.log"

    def failures(self, kinds: Sequence[str]) -> int:
        """How often the log tells of events of these kinds."""
        told = self.log.read_text()
        return sum(told.count(f'"{kind}"') for kind in kinds)

    def ended(self) -> bool:
        """True when the daemon has ended; nobody is killed by this question."""
        assert self.daemon is not None
        return self.daemon.poll() is not None

    def alive(self) -> bool:
        """Asked every few milliseconds: a good moment to kill somebody."""
        if self.kills_left > 0 and self.chance.random() < AN_ASKING:
            self._kill_somebody()
        return not self.ended()

    def start(self) -> None:
        own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        scratch = str(self._scratch)
        environ = {**own, **self.around.environ(), "TMPDIR": scratch, "CTRAIN_ACTOR": "ann", **ALONE}
        if self.kills_left > 0:
            environ |= {PLAN: draw_plan(self.chance), ALLOWED: "yes"}
        paths = [str(self.folder / name / "policy.yaml") for name in self.around.names]
        where = ["--home", str(self.around.home), "--listen", f"127.0.0.1:{free_port()}"]
        self.daemon = self.zygote.start(["-m", "ctrain", "run", *paths, *where], environ, self.log)

    def follow(self) -> None:
        """Start the next daemon once this one has ended."""
        assert self.daemon is not None
        self.daemon.wait()
        self._count_death()
        self.start()

    def stop(self) -> None:
        """Ask the last daemon to end, and see that it takes all its children with it."""
        for pid in self._living("run"):
            os.kill(pid, signal.SIGTERM)
        assert self.daemon is not None
        self.daemon.wait(60)
        wait_until(lambda: not any(map(self._living, CHILDREN)), 60.0, "the end of every child")

    def end(self) -> None:
        """Kill all that are left."""
        for role in ("run", *CHILDREN):
            for pid in self._living(role):
                os.kill(pid, signal.SIGKILL)
        if self.daemon is not None:
            self.daemon.wait()

    def _kill_somebody(self) -> None:
        roles = ["run", *(role for role in CHILDREN if self._living(role))]
        role = self.chance.choice(roles)
        for pid in self._living(role):
            os.kill(pid, signal.SIGKILL)
            self.kills_left -= 1
            self.toll.kills[f"{role} at {AT_ANY_MOMENT}"] += 1
            return

    def _living(self, role: str) -> list[int]:
        """Processes of a role that daemons of this home have started."""
        found = []
        for path in (self._scratch / PIDS).glob(f"{role}-*"):
            pid = int(path.name.rpartition("-")[2])
            if psutil.pid_exists(pid):
                found.append(pid)
            else:
                path.unlink()
        return found

    def _count_death(self) -> None:
        words = re.findall(re.escape(LAST_WORDS) + r"(\S+)", self.log.read_text())
        if len(words) > self._deaths_told:
            self._deaths_told = len(words)
            self.kills_left -= 1
            self.toll.kills[words[-1]] += 1
