"""Anything in any order, with a crash between any two steps: Hypothesis looks for a promise that breaks.

The lifecycle, the store and the row log are the real ones; MLflow is a file with its tables, and a clock
stands still until a rule moves it. Whatever happened, in the end the engine comes to rest, everybody who
asked has an answer, and the checker has nothing to say.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ctrain.domain import RequestKind
from ctrain.errors import CtrainError
from ctrain.faults import Fault, Faults
from ctrain.faults.reading import fail_for_now
from tests.chaos.checker import broken_promises
from tests.chaos.forks import endure
from tests.chaos.world import NO_FAULTS, DurableWorld, ask, told_story
from tests.support.examples import fuzzed
from tests.support.stories import ask_to_train

POINTS = (
    "commit*", "commit.run_*", "commit.intent*", "registry.set_alias*", "registry.*", "row_log.*",
    "segments.*", "workspace.*", "launcher.*", "scorer.*", "*_source.read*", "*",
)  # fmt: skip
BOOKMARKS = ("no champion", "watched", "compared", "probation", "proven", "accepted", "aged")
LAST_BREATH = 5
"""In the end a daemon dies at the fifth point that it reaches, whatever was before."""
ACTIVE = """SELECT count(*) AS active FROM runs WHERE phase NOT IN
    ('ACCEPTED', 'REJECTED', 'FAILED', 'CANCELLED', 'EXPIRED', 'SUPERSEDED', 'ROLLED_BACK')"""


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


def crash(point: str) -> None:
    raise Crash(point)


class Daemons(RuleBasedStateMachine):
    """A policy, production, people who ask, and daemons that come and go; ``toll`` counts what they did."""

    world: DurableWorld
    toll: ClassVar[Counter[str]]

    @initialize(bookmark=st.sampled_from(BOOKMARKS))
    def begin(self, bookmark: str) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="ctrain-machine-"))
        self.world = told_story().bookmarks[bookmark].branch(self.place / "world")

    @rule(hours=st.integers(1, 12))
    def rows_land(self, hours: int) -> None:
        self.world.land_together(hours)

    @rule(which=st.integers(0, 20))
    def a_file_is_replaced(self, which: int) -> None:
        """One that has been read: of any other nobody knows whether it was."""
        endure(self.world)
        self.world.rewrite(which)

    @rule(ticks=st.integers(1, 4))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self._tick()

    @rule()
    def somebody_asks_for_a_training(self) -> None:
        ask_to_train(self.world)

    @rule(kind=st.sampled_from([RequestKind.CANCEL, RequestKind.ROLLBACK]))
    def somebody_wants_it_undone(self, kind: RequestKind) -> None:
        runs = self.world.runs()
        ask(self.world, kind, run=runs[-1].id if runs else "clicks-1")

    @rule(alias=st.sampled_from(["champion", "previous_champion"]), data=st.data())
    def somebody_else_moves_an_alias(self, alias: str, data: st.DataObject) -> None:
        versions = sorted(self.world.durable.models)
        if versions:
            self.world.move_outside(alias, data.draw(st.sampled_from(versions)))

    @rule(point=st.sampled_from(POINTS), moment=st.sampled_from(["before", "after"]), times=st.integers(1, 8))
    def a_daemon_dies(self, point: str, moment: str, times: int) -> None:
        self._die(point, moment, times)

    def _die(self, point: str, moment: str, times: int) -> None:
        self._wire(Faults([Fault(f"{point}:{moment}", crash, times, times)]))
        try:
            for _ in range(12):
                if self._tick():
                    break
        except Crash:
            self.toll["crashes"] += 1
        self._wire(NO_FAULTS)

    @rule(seed=st.integers(0, 1000), port=st.sampled_from(["registry.*", "commit", "segments.write"]))
    def nothing_answers(self, seed: int, port: str) -> None:
        self._wire(Faults([Fault(f"{port}:*", self._fail, last=None, probability=0.3)], seed))
        for _ in range(3):
            self._tick()
        self._wire(NO_FAULTS)

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def one_run_at_most(self) -> None:
        [row] = self.world.evidence().select(ACTIVE)
        assert row["active"] <= 1
        self.toll["looks"] += 1

    def _fail(self, point: str) -> None:
        self.toll["failures"] += 1
        fail_for_now(point)

    def _tick(self) -> bool:
        self.toll["ticks"] += 1
        try:
            return self.world.tick().quiet
        except CtrainError:
            return False

    def _wire(self, faults: Faults) -> None:
        self.world.faults = faults
        self.world.open()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            endure(self.world)
            self.world.land()
            self._die("*", "before", LAST_BREATH)
            endure(self.world)
            assert broken_promises(self.world.evidence()) == []
            self.toll["stories"] += 1
        finally:
            self.world.store.close()
            shutil.rmtree(self.place)


def test_no_order_of_steps_and_crashes_breaks_a_promise() -> None:
    """One run at most after each step, every promise at the end of each story: the machine asserts both."""

    class Counted(Daemons):
        toll: ClassVar[Counter[str]] = Counter()

    asked, toll = fuzzed(3, steps=10), Counted.toll
    run_state_machine_as_test(Counted, settings=asked)
    assert toll["stories"] == asked.max_examples, "each was played to its end, and every promise asked for"
    assert toll["looks"] > toll["stories"], "after each step somebody has looked for a second active run"
    assert toll["ticks"] > 0
    assert toll["crashes"] >= toll["stories"], "in each of them a daemon has died in the middle of a step"
