"""Three policies of one home that go through their streams, whoever is killed and whatever fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from ctrain.clocks import StreamClockFile, wait_for
from ctrain.domain import Version
from ctrain.errors import TransientError
from tests.chaos.checker import Evidence, Limits, broken_promises
from tests.chaos.mortals import Mortals
from tests.chaos.outages import FULL_ARTIFACTS
from tests.chaos.surroundings import Trouble
from tests.e2e.stream import HOUR, START, Production, write_policy

STEP_HOURS = 12
HOURS = 96
LIMITS = Limits(runs=2, per=timedelta(days=30))
PATIENCE_SECONDS = 600.0
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


class Fleet:
    """A home with several policies, and the daemons that watch it."""

    def __init__(self, mortals: Mortals) -> None:
        self._mortals = mortals
        self.folder, self.around = mortals.folder, mortals.around
        self._chance, self._toll = mortals.chance, mortals.toll
        self._troubles: dict[str, Trouble] = {}
        self._cut_off: dict[Path, bytes] = {}
        """Files of which half lies there, and what belongs in them."""
        for name in self.around.names:
            write_policy(self.folder / name, name)
        self._productions = {name: Production(self.folder / name, _nobody) for name in self.around.names}
        self.clock = StreamClockFile(self.around.home)
        self.now = START
        self.clock.set(START)

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
            self._mortals.stop()
            state = self.around.state()
            return [
                f"{name}: {line}"
                for name in self.around.names
                for line in broken_promises(self.evidence(name, state))
            ]
        finally:
            self._mortals.end()

    def evidence(self, name: str, state: Path) -> Evidence:
        return Evidence(
            database=state,
            registry=self.around.registry(),
            segments=self.around.home / "rows",
            rows=self.folder / name / "rows",
            labels=self.folder / name / "labels",
            replaced=self.folder / name / "replaced",
            policy=name,
            model=name,
            limits=LIMITS,
            every_number=self.around.every_number,
        )

    def _land(self, name: str, hour: int) -> None:
        """Production's next file; now and then half of it lies there until the one after it comes."""
        self._productions[name].land(hour, hour + STEP_HOURS, None)
        if self._chance.random() < 0.2 and hour + STEP_HOURS < HOURS:
            path = self.folder / name / "rows" / f"{hour + STEP_HOURS:04d}.parquet"
            self._cut_off[path] = path.read_bytes()
            path.write_bytes(self._cut_off[path][: self._chance.randint(1, len(self._cut_off[path]) - 1)])

    def _mend(self) -> None:
        for path, whole in self._cut_off.items():
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(whole)
            os.replace(partial, path)
        self._cut_off.clear()

    def _turn_back_clock(self) -> None:
        """Now and then it goes wrong by hours, and a daemon acts at the wrong time."""
        if self._chance.random() < 0.2 and self.now > START:
            wrong = self.now - HOUR * self._chance.randint(1, 30)
            self.clock.set(wrong)
            self._look(lambda: self.clock.acknowledged_at() == wrong)
            self._toll.troubles["clock turned back"] += 1

    def _go_through_trouble(self, hour: int) -> None:
        """Let the time pass while something that the daemon relies on fails, until it has failed at it."""
        name, trouble = self._draw_trouble(hour)
        if trouble is None:
            return
        told: Sequence[str] = FAILURES
        often, patience = 3, LOOK_SECONDS
        if name == FULL_ARTIFACTS:
            told, often, patience = TRAININGS, self._chance.choice(GIVEN_UP), TRAINING_SECONDS
        before = self._mortals.failures(told)
        with trouble():
            self.clock.set(self.now)
            self._look(lambda: self._mortals.failures(told) >= before + often, patience)
        self._toll.troubles[name if self._mortals.failures(told) > before else f"{name}, unnoticed"] += 1

    def _draw_trouble(self, hour: int) -> tuple[str, Trouble | None]:
        """One after the other in any order; that of trainings when there are some."""
        if not self._troubles.keys() - {FULL_ARTIFACTS}:
            self._troubles = dict(self.around.troubles())
        others = sorted(self._troubles.keys() - {FULL_ARTIFACTS})
        if not others:
            return "", None
        name = FULL_ARTIFACTS if hour == FIRST_TRAININGS else self._chance.choice(others)
        return name, self._troubles.pop(name, None)

    def _look(self, seen: Callable[[], bool], seconds: float = LOOK_SECONDS) -> None:
        """Until it is seen, for a short while; a daemon that dies meanwhile is followed by another."""
        wait_for(lambda: seen() or not self._mortals.alive(), seconds)
        if not self._mortals.alive():
            self._mortals.follow()
            wait_for(seen, seconds)

    def _settle(self) -> None:
        """Until all is done that can be done now, by as many daemons as it takes."""
        if self._mortals.daemon is None:
            self._mortals.start()
        while not self._quiet():
            self._mortals.follow()

    def _quiet(self) -> bool:
        try:
            self.clock.wait_until_quiet(self.now, PATIENCE_SECONDS, self._mortals.alive)
        except TransientError as error:
            if not self._mortals.ended():
                raise AssertionError(f"{error}: {self._mortals.log.read_text()[-3000:]}") from error
            return False
        return True


def _nobody(version: Version) -> NoReturn:
    raise AssertionError("production logs no scores here")
