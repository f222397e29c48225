"""The small world in files alone, so that whoever looks after it can be killed, and its story."""

from __future__ import annotations

import atexit
import copy
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ctrain.app.lease import DaemonLeases
from ctrain.domain import Phase, RequestKind, Version
from ctrain.domain.leases import policy_lease
from ctrain.engine.tick import Ticked
from ctrain.faults import Around, Faults, FaultyStore
from ctrain.faults.points import CALLS
from ctrain.rows import ParquetRowLogs
from tests.chaos.checker import Evidence, Limits
from tests.chaos.durable import DurableLauncher, DurableRegistry
from tests.support.slopes import slope_model
from tests.support.stories import BRIEF, POOR, QUICK, TRAINED_UNTIL, ask_to_train
from tests.support.world import HOUR, START, World

HISTORY = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": str(TRAINED_UNTIL)}
NO_FAULTS = Faults([])
LEASE = timedelta(minutes=10)


class DurableWorld(World):
    """A ``World`` whose registry and trainings lie in files; points of ``faults`` surround the engine."""

    faults: Faults = NO_FAULTS
    by_others: frozenset[int] = frozenset()
    """Alias writes that were not ctrain's."""
    leases: DaemonLeases | None = None
    """Of whoever looks after the policy as a daemon does; None: nobody."""

    def __post_init__(self) -> None:
        self.registry = _as_fake(DurableRegistry(self.folder / "registry.db"))
        super().__post_init__()

    def open(self) -> None:
        self.launcher = _as_fake(DurableLauncher(self.durable, self.train))
        super().open()
        self._surround()

    @property
    def durable(self) -> DurableRegistry:
        found: Any = self.registry
        assert isinstance(found, DurableRegistry)
        return found

    def _surround(self) -> None:
        """The engine's side as a daemon with faults wires it."""
        policy, faults = self.watch.policy, self.faults
        around: Any = lambda files: Around(files, "segments", faults)  # noqa: E731 - loosely typed on purpose
        row_logs = ParquetRowLogs(self.folder / "home" / "rows", self.store, around=around)
        log: Any = Around(row_logs.open(self.name, policy.data, policy.model.task), "row_log", faults)
        log.sweep()
        store: Any = FaultyStore(self.store, faults)
        self.watch = replace(self.watch, store=store, row_log=log)

    def _wired(self, port: Any, name: str) -> Any:
        return Around(port, name, self.faults) if name in CALLS else port

    def take_over(self) -> None:
        """Hold the policy's lease as a daemon that starts; what dead ones held is free."""
        leases = DaemonLeases(self.watch.store, LEASE)
        leases.register(lambda _others: "")
        token = leases.take([self.name])[self.name]
        self.watch = replace(self.watch, lease=(policy_lease(self.name), token))
        self.leases = leases

    def tick(self) -> Ticked:
        """A tick, and before it the heartbeat of whoever holds the lease."""
        if self.leases is not None:
            self.leases.beat([self.name])
        return super().tick()

    def leave(self) -> None:
        """Give all leases back."""
        if self.leases is not None:
            self.leases.end()
            self.leases = None

    def branch(self, folder: Path) -> DurableWorld:
        self.store.close()
        shutil.copytree(self.folder, folder)
        twin = copy.copy(self)
        twin.folder = folder
        twin.random, twin.pending, twin.clock, twin.telemetry = copy.deepcopy(
            (self.random, self.pending, self.clock, self.telemetry)
        )
        twin.registry = _as_fake(DurableRegistry(folder / "registry.db"))
        twin._open_store()
        twin.open()
        return twin

    def install(self, slope: float, tags: Mapping[str, str] | None = None) -> Version:
        version = self.durable.register(slope_model(slope), tags or {}, recorded=False)
        self.move_outside("champion", version)
        return version

    def move_outside(self, alias: str, version: Version) -> None:
        """Point an alias elsewhere as anybody can who has a client of MLflow."""
        self.durable.set_alias("clicks", alias, version)
        self.by_others |= {self.durable.newest_write()}

    def rewrite(self, which: int = 0) -> None:
        """Write one of the files of rows anew, in another order, once it has been read.

        A source that has just looked would look at it again after ten seconds; one that begins does at once.
        """
        files = sorted((self.folder / "rows").iterdir())
        path = files[which % len(files)]
        self.replaced.mkdir(exist_ok=True)
        number = len(list(self.replaced.iterdir()))
        table = pq.read_table(path)
        pq.write_table(table, self.replaced / f"{number:05d}.parquet")
        pq.write_table(table.take(np.roll(np.arange(table.num_rows), number + 1)), path)
        self.open()

    @property
    def replaced(self) -> Path:
        """The folder of what files held before they were written anew."""
        return self.folder / "replaced"

    def evidence(self, limits: Limits | None = None) -> Evidence:
        """What a checker may look at."""
        home = self.folder / "home"
        return Evidence(
            database=home / "state.db",
            registry=self.durable.path,
            segments=home / "rows",
            rows=self.folder / "rows",
            labels=self.folder / "labels",
            replaced=self.replaced,
            policy="clicks",
            model="clicks",
            limits=limits or Limits(),
            retention=self.watch.policy.data.retention,
            by_others=self.by_others,
        )


def _as_fake(found: Any) -> Any:
    """The world asks no more of its registry and launcher than these have."""
    return found


@dataclass
class DurableStory:
    """Where legs begin: with a poor champion, with none, and where old rows have been removed."""

    folder: Path
    bookmarks: dict[str, DurableWorld] = field(default_factory=dict)

    def tell(self) -> DurableStory:
        self._first_champion()
        self._replaced_champion()
        self._removed_days()
        return self

    def _first_champion(self) -> None:
        world = self._begin("first")
        world.land_together(48)
        world.settle()
        self._mark("no champion", world)

    def _replaced_champion(self) -> None:
        world = self._begin("replaced")
        world.install(POOR, HISTORY)
        world.land_together(48)
        world.settle()
        self._mark("watched", world)
        ask_to_train(world)
        world.settle()
        world.land_together(19)
        world.settle()
        self._mark("compared", world)
        world.land()
        world.settle()
        assert world.runs()[-1].phase is Phase.PROBATION
        self._mark("probation", world)
        world.land_together(23)
        world.settle()
        self._mark("proven", world)
        world.reach(Phase.ACCEPTED, hours=1)
        self._mark("accepted", world)

    def _removed_days(self) -> None:
        world = self._begin("removed", BRIEF)
        world.install(POOR, HISTORY)
        for hours in (48, 24):
            world.land_together(hours)
            world.settle()
        assert world.evidence().kept_since() == START + 24 * HOUR
        self._mark("aged", world)

    def _begin(self, name: str, policy_text: str = QUICK) -> DurableWorld:
        folder = self.folder / "told" / name
        folder.mkdir(parents=True)
        return DurableWorld(folder, policy_text=policy_text, rows_per_hour=30)

    def _mark(self, name: str, world: DurableWorld) -> None:
        self.bookmarks[name] = world.branch(self.folder / name.replace(" ", "-"))


@cache
def told_story() -> DurableStory:
    """The story, told once in this process; its folder goes when the process does."""
    place = tempfile.mkdtemp(prefix="ctrain-story-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return DurableStory(Path(place)).tell()


Begin = Callable[[DurableWorld], None]


def one_more_hour(world: DurableWorld) -> None:
    world.land()


def train_now(world: DurableWorld) -> None:
    world.land()
    ask_to_train(world)


def ask(world: DurableWorld, kind: RequestKind, **arguments: object) -> None:
    """Put a person's wish on record for whoever comes next."""
    from ctrain.domain import Request

    with world.store.write() as tx:
        tx.add_request(Request(0, world.name, kind, "ada", world.clock.now(), arguments))


def cancel(world: DurableWorld) -> None:
    ask(world, RequestKind.CANCEL, run=world.runs()[-1].id)


def roll_back(world: DurableWorld) -> None:
    ask(world, RequestKind.ROLLBACK, reason="customers complain")


def tamper_and_go_on(world: DurableWorld) -> None:
    """The challenger's artifact is not the one that was compared."""
    world.durable.tamper(Version("2"))
    world.land()


def jump_ahead_and_back(world: DurableWorld) -> None:
    """Somebody sets the clock three days ahead for a moment."""
    world.clock.advance(72 * HOUR)
    world.settle_but_wait()
    world.clock.advance(-72 * HOUR)
    world.land()


def cut_off_and_mended(world: DurableWorld) -> None:
    """A file lies there half for a while; the whole one comes with the rows after it."""
    world.land()
    newest = max((world.folder / "rows").iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) // 2])
    world.settle_but_wait()
    newest.write_bytes(whole)
    world.land()


def removed_rows_again(world: DurableWorld) -> None:
    """A file is replaced of whose two days the first has been removed; the other one is now."""
    world.rewrite()
    world.land_together(28)
    ask_to_train(world)


LEGS: Mapping[str, tuple[str, Begin]] = {
    "a first champion": ("no champion", train_now),
    "from the trigger to the shadow": ("watched", train_now),
    "from the shadow to probation": ("compared", one_more_hour),
    "an artifact that was changed": ("compared", tamper_and_go_on),
    "acceptance": ("proven", one_more_hour),
    "rollback on probation": ("probation", cancel),
    "rollback of an accepted champion": ("accepted", roll_back),
    "a file that is cut off": ("watched", cut_off_and_mended),
    "a clock that jumps": ("watched", jump_ahead_and_back),
    "rows that were removed": ("aged", removed_rows_again),
}
"""A bookmark, and what happens there."""
