"""One story of a run, told once, with a bookmark wherever a test wants to take it up and change it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ctrain.domain import Phase, Request, RequestKind, Run, Version
from ctrain.errors import TransientError
from tests.support.world import HOUR, POLICY, START, World

POOR, GOOD = 0.3, 2.0
TRAINED_UNTIL = START + 24 * HOUR
CHAMPION, CHALLENGER = Version("1"), Version("2")
QUICK = POLICY.replace("min_duration: 1d, max_duration: 8d", "min_duration: 20h, max_duration: 4d").replace(
    "probation: {duration: 2d", "probation: {duration: 20h"
)

BRIEF = (
    QUICK.replace("  pane: 1h\n", "  pane: 1h\n  retention: 36h\n")
    .replace("min_duration: 20h, max_duration: 4d", "min_duration: 8h, max_duration: 1d")
    .replace("probation: {duration: 20h", "probation: {duration: 8h")
)
"""The row log has about two days."""


@dataclass
class Story:
    """A poor champion is replaced by a good challenger, which is accepted; a bookmark at each phase."""

    folder: Path
    bookmarks: dict[str, World] = field(default_factory=dict)

    def tell(self) -> Story:
        (self.folder / "told").mkdir()
        world = World(self.folder / "told", policy_text=QUICK, rows_per_hour=30)
        world.install(POOR, {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": str(TRAINED_UNTIL)})
        world.land_together(48)
        world.settle()
        self._mark("watched", world)
        world.launcher.busy = True
        ask_to_train(world)
        world.settle_but_wait()
        self._mark("training", world)
        world.launcher.finish()
        world.scorer.busy = True
        world.settle_but_wait()
        self._mark("evaluating", world)
        world.open()
        world.land_together(12)
        world.settle()
        self._mark("shadowing", world)
        world.land_together(7)
        world.settle()
        self._mark("compared", world)
        self._mark("promoting", world.reach(Phase.PROMOTING, hours=1))
        world.settle()
        self._mark("probation", world)
        world.land_together(23)
        world.settle()
        self._mark("proven", world)
        self._mark("accepted", world.reach(Phase.ACCEPTED, hours=1))
        return self

    def _mark(self, name: str, world: World) -> None:
        self.bookmarks[name] = world.branch(self.folder / name)

    def at(self, bookmark: str, folder: Path) -> World:
        """A world of its own at the bookmark."""
        return self.bookmarks[bookmark].branch(folder / "world")


def ask_to_train(world: World, **params: object) -> None:
    with world.store.write() as tx:
        wish = {"reason": "it is poor", "params": params}
        tx.add_request(Request(0, world.name, RequestKind.TRIGGER, "ada", world.clock.now(), wish))


def last_run(world: World) -> Run:
    return world.runs()[-1]


def endure(world: World, hours: int) -> None:
    """Land hours one at a time and tick on, three times an hour, whatever does not answer."""
    for _ in range(hours):
        world.land()
        for _ in range(3):
            with suppress(TransientError):
                world.tick()
