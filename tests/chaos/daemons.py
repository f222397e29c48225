"""Daemons, trainings and scorers that are killed as processes, at named points and at any moment.

Three policies in one home with a real MLflow go through their streams; whoever is killed comes back.
What they rely on can fail meanwhile, and the clock goes wrong.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import psutil

from ctrain.app.faulting import ALLOWED, PLAN
from ctrain.clocks import StreamClockFile, wait_for
from ctrain.domain import Version
from ctrain.errors import TransientError
from ctrain.faults.reading import LAST_WORDS
from ctrain.registry.embedded import prepare_embedded
from tests.chaos.checker import Evidence, Limits, broken_promises
from tests.chaos.checker.evidence import WITNESS
from tests.chaos.forks import Toll, never
from tests.chaos.outages import FULL_ARTIFACTS, FailingSurroundings, Services
from tests.chaos.surroundings import Surroundings, Trouble
from tests.e2e.stream import HOUR, START, Production, write_policy
from tests.support.ports import free_port
from tests.support.zygote import PIDS, Zygote
from tests.waiting import wait_until

STEP_HOURS = 12
HOURS = 96
LIMITS = Limits(runs=2, per=timedelta(days=30))
PATIENCE_SECONDS = 600.0
ALONE = {"CTRAIN_CONSOLE": "0"}
"""What is killed here is the daemon; the server beside it is for tests of its own."""
FOREIGN = {"MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME", "CTRAIN_FAULTS"}
OFTEN = (
    "commit.ingest", "commit.rows", "commit.labels", "commit.panes", "commit.verdict", "commit.decision",
    "commit.scores", "commit.segments_removed", "row_log.write_rows", "row_log.adopt", "segments.write",
    "segments.flush", "rows_source.read", "labels_source.read", "registry.alias", "workspace.write",
    "workspace.read", "scorer.submit", "scorer.poll", "row_log.read", "commit.lease",
)  # fmt: skip
"""Points that almost every step of a stream reaches."""
SELDOM = (
    "commit.run_*", "commit.intent", "commit.intent_closed", "commit.compared_*", "commit.champion",
    "commit.reference", "launcher.start", "launcher.poll", "registry.set_alias.*", "registry.digest",
    "registry.annotate_*", "workspace.place",
)  # fmt: skip
"""Points of a run."""
TROUBLE = (
    "registry.*:before@p0.1=transient", "registry.*:after@p0.05=transient", "registry.*:before@p0.2=delay:.1",
    "commit:before@p0.02=transient", "commit:after@p0.02=transient", "segments.write:before@1-3=transient",
    "rows_source.read:before@p0.2=transient", "scorer.poll:before@p0.2=delay:0.05",
)  # fmt: skip
CHILDREN = ("train", "score", "registry")
AT_ANY_MOMENT = "any moment"
FAILURES = ("tick_failed", "registry_unreadable")
"""Events of the log that tell of a trouble."""
TRAININGS = ("training_failed",)
"""Those of a disk on which no artifact can be written."""
FIRST_TRAININGS = 12
"""In the step from this hour on every policy trains for the first time."""
GIVEN_UP = (1, 3, 6)
"""So many trainings fail before the disk has room again: one attempt, one of each policy, or all of each."""
TRAINING_SECONDS = 90.0
LOOK_SECONDS = 15.0
"""For what a daemon should notice soon; some troubles it need not notice."""
AN_ASKING = 0.0004
"""How probable it is that somebody is killed just when the daemon is looked at, 200 times a second."""


def draw_plan(chance: random.Random) -> str:
    """Where the next daemon dies, whichever comes first, and what else goes wrong for it."""
    often, seldom = chance.choice(OFTEN), chance.choice(SELDOM)
    moments = [chance.choice(("before", "after")) for _ in range(2)]
    plan = [f"{often}:{moments[0]}@{chance.randint(1, 6)}=kill", f"{seldom}:{moments[1]}=kill"]
    plan += [chance.choice(TROUBLE)] if chance.random() < 0.3 else []
    return "; ".join([*plan, f"seed={chance.randint(1, 10**6)}"])


@dataclass
class Fleet:
    """A home with several policies and the daemon that watches it, or the next one."""

    folder: Path
    zygote: Zygote
    chance: random.Random
    kills_left: int
    toll: Toll
    around: Surroundings
    daemon: subprocess.Popen[bytes] | None = None
    productions: dict[str, Production] = field(default_factory=dict)
    cut_off: dict[Path, bytes] = field(default_factory=dict)
    """Files of which half lies there, and what belongs in them."""

    def __post_init__(self) -> None:
        for name in self.around.names:
            write_policy(self.folder / name, name)
            self.productions[name] = Production(self.folder / name, _nobody)
        (self.folder / "scratch" / PIDS).mkdir(parents=True)
        self.clock = StreamClockFile(self.home)
        self.now = START
        self.clock.set(START)

    @property
    def home(self) -> Path:
        return self.around.home

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    def play(self) -> list[str]:
        """The whole stream; return the promises that were broken."""
        try:
            self._settle()
            for hour in range(0, HOURS, STEP_HOURS):
                self._mend()
                for name in self.around.names:
                    self._land(name, hour)
                self._turn_back_clock()
                self.now = START + HOUR * (hour + STEP_HOURS)
                self._go_through_trouble(hour)
                self.clock.set(self.now)
                self._settle()
            self._stop()
            state = self.around.state()
            return [
                f"{name}: {line}"
                for name in self.around.names
                for line in broken_promises(self.evidence(name, state))
            ]
        finally:
            self._end()

    def evidence(self, name: str, state: Path) -> Evidence:
        return Evidence(
            database=state,
            registry=self.around.registry(),
            segments=self.home / "rows",
            rows=self.folder / name / "rows",
            labels=self.folder / name / "labels",
            policy=name,
            model=name,
            limits=LIMITS,
            every_number=self.around.every_number,
        )

    def _land(self, name: str, hour: int) -> None:
        """Production's next file; now and then half of it lies there until the one after it comes."""
        self.productions[name].land(hour, hour + STEP_HOURS, None)
        if self.chance.random() < 0.2 and hour + STEP_HOURS < HOURS:
            path = self.folder / name / "rows" / f"{hour + STEP_HOURS:04d}.parquet"
            self.cut_off[path] = path.read_bytes()
            path.write_bytes(self.cut_off[path][: self.chance.randint(1, len(self.cut_off[path]) - 1)])

    def _mend(self) -> None:
        for path, whole in self.cut_off.items():
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(whole)
            os.replace(partial, path)
        self.cut_off.clear()

    def _turn_back_clock(self) -> None:
        """Now and then it goes wrong by hours, and a daemon acts at the wrong time."""
        if self.chance.random() < 0.2 and self.now > START:
            wrong = self.now - HOUR * self.chance.randint(1, 30)
            self.clock.set(wrong)
            self._look(lambda: self.clock.acknowledged_at() == wrong)
            self.toll.troubles["clock turned back"] += 1

    def _go_through_trouble(self, hour: int) -> None:
        """Let the time pass while something that the daemon relies on fails, until it has failed at it."""
        name, trouble = self._draw_trouble(hour)
        if trouble is None:
            return
        told: Sequence[str] = FAILURES
        often, patience = 3, LOOK_SECONDS
        if name == FULL_ARTIFACTS:
            told, often, patience = TRAININGS, self.chance.choice(GIVEN_UP), TRAINING_SECONDS
        before = self._failures(told)
        with trouble():
            self.clock.set(self.now)
            self._look(lambda: self._failures(told) >= before + often, patience)
        self.toll.troubles[name if self._failures(told) > before else f"{name}, unnoticed"] += 1

    def _draw_trouble(self, hour: int) -> tuple[str, Trouble | None]:
        """One after the other in any order; that of trainings when there are some."""
        if not self._troubles.keys() - {FULL_ARTIFACTS}:
            self._troubles = dict(self.around.troubles())
        others = sorted(self._troubles.keys() - {FULL_ARTIFACTS})
        if not others:
            return "", None
        name = FULL_ARTIFACTS if hour == FIRST_TRAININGS else self.chance.choice(others)
        return name, self._troubles.pop(name, None)

    def _look(self, seen: Callable[[], bool], seconds: float = LOOK_SECONDS) -> None:
        """Until it is seen, for a short while; a daemon that dies meanwhile is followed by another."""
        wait_for(lambda: seen() or not self._alive(), seconds)
        if not self._alive():
            self._count_death()
            self._start()
            wait_for(seen, seconds)

    def _failures(self, kinds: Sequence[str]) -> int:
        told = self.log.read_text()
        return sum(told.count(f'"{kind}"') for kind in kinds)

    def _settle(self) -> None:
        """Until all is done that can be done now, by as many daemons as it takes."""
        if self.daemon is None:
            self._start()
        while not self._quiet():
            assert self.daemon is not None
            self.daemon.wait()
            self._count_death()
            self._start()

    def _quiet(self) -> bool:
        try:
            self.clock.wait_until_quiet(self.now, PATIENCE_SECONDS, self._alive)
        except TransientError as error:
            assert self.daemon is not None
            if self.daemon.poll() is None:
                raise AssertionError(f"{error}: {self.log.read_text()[-3000:]}") from error
            return False
        return True

    def _alive(self) -> bool:
        """Asked every few milliseconds: a good moment to kill somebody."""
        assert self.daemon is not None
        if self.kills_left > 0 and self.chance.random() < AN_ASKING:
            self._kill_somebody()
        return self.daemon.poll() is None

    def _kill_somebody(self) -> None:
        roles = ["run", *(role for role in CHILDREN if self._living(role))]
        role = self.chance.choice(roles)
        for pid in self._living(role):
            os.kill(pid, signal.SIGKILL)
            self.kills_left -= 1
            self.toll.kills[f"{role} at {AT_ANY_MOMENT}"] += 1
            return

    def _living(self, role: str) -> list[int]:
        """Processes of a role that this fleet's daemons have started."""
        found = []
        for path in (self.folder / "scratch" / PIDS).glob(f"{role}-*"):
            pid = int(path.name.rpartition("-")[2])
            if psutil.pid_exists(pid):
                found.append(pid)
            else:
                path.unlink()
        return found

    def _count_death(self) -> None:
        words = re.findall(re.escape(LAST_WORDS) + r"(\S+)", self.log.read_text())
        if len(words) > self._told:
            self._told = len(words)
            self.kills_left -= 1
            self.toll.kills[words[-1]] += 1

    _told: int = 0
    _troubles: dict[str, Trouble] = field(default_factory=dict)

    def _start(self) -> None:
        own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        scratch = str(self.folder / "scratch")
        environ = {**own, **self.around.environ(), "TMPDIR": scratch, "CTRAIN_ACTOR": "ann", **ALONE}
        if self.kills_left > 0:
            environ |= {PLAN: draw_plan(self.chance), ALLOWED: "yes"}
        paths = [str(self.folder / name / "policy.yaml") for name in self.around.names]
        where = ["--home", str(self.home), "--listen", f"127.0.0.1:{free_port()}"]
        self.daemon = self.zygote.start(["-m", "ctrain", "run", *paths, *where], environ, self.log)

    def _stop(self) -> None:
        """Ask the last daemon to end, and see that it takes all its children with it."""
        for pid in self._living("run"):
            os.kill(pid, signal.SIGTERM)
        assert self.daemon is not None
        self.daemon.wait(60)
        wait_until(lambda: not any(map(self._living, CHILDREN)), 60.0, "the end of every child")

    def _end(self) -> None:
        for role in ("run", *CHILDREN):
            for pid in self._living(role):
                os.kill(pid, signal.SIGKILL)
        if self.daemon is not None:
            self.daemon.wait()


def _nobody(version: Version) -> NoReturn:
    raise AssertionError("production logs no scores here")


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Zygote, Path]]:
    """The warm process, and an empty home with a witness in MLflow's database."""
    home = folder / "template"
    folder.mkdir(parents=True, exist_ok=True)
    zygote = Zygote(folder)
    try:
        prepare_embedded(home, str(zygote.python))
        with closing(sqlite3.connect(home / "mlflow.db")) as database:
            database.executescript(WITNESS)
        yield zygote, home
    finally:
        zygote.close()


def kill_daemons(
    folder: Path, *, seed: int, kills: int, an_episode: int = 40, over: Callable[[], bool] = never
) -> Toll:
    """Fleets one after the other until so many processes were killed, or it is over."""
    toll, chance = Toll(), random.Random(seed)
    with prepared(folder) as (zygote, template):
        while toll.kills.total() < kills and not over():
            place = folder / f"fleet-{toll.episodes}"
            place.mkdir()
            shutil.copytree(template, place / "home")
            left = min(an_episode, kills - toll.kills.total())
            fleet = Fleet(place, zygote, chance, left, toll, Surroundings(place / "home"))
            toll.broken += [f"fleet {toll.episodes}: {line}" for line in fleet.play()]
            toll.episodes += 1
            shutil.rmtree(place)
    return toll


def fail_around(folder: Path, services: Services, *, seed: int, episodes: int, kills_each: int = 6) -> Toll:
    """Fleets whose database, MLflow and disk fail for a while, one after the other."""
    toll, chance = Toll(), random.Random(seed)
    with prepared(folder) as (zygote, _):
        for number in range(episodes):
            place = folder / f"around-{number}"
            place.mkdir()
            around = FailingSurroundings(place / "home", services, number)
            with around.ready():
                fleet = Fleet(place, zygote, chance, kills_each, toll, around)
                toll.broken += [f"{place.name}: {line}" for line in fleet.play()]
            toll.episodes += 1
            shutil.rmtree(place)
    return toll
