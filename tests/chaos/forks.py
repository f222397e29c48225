"""Crashes for little money: a fork of this process looks after the world, and dies at a point."""

from __future__ import annotations

import os
import random
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctrain.errors import CtrainError
from ctrain.faults import Act, Fault, Faults
from ctrain.faults.reading import fail_for_now, fill_the_disk
from tests.chaos.checker import broken_promises
from tests.chaos.world import LEGS, NO_FAULTS, DurableStory, DurableWorld

MOST_TICKS = 400
FAILURES = (
    "registry.*:before",
    "registry.*:after",
    "commit:before",
    "commit:after",
    "rows_source.read:before",
)
FULL_DISKS = ("workspace.write:before", "segments.write:before")


def die(point: str) -> None:
    """End this fork as ``kill -9`` does; whoever waits for it knows where."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Life:
    """One daemon's: where it ends, and what goes wrong before."""

    point: str
    times: int
    trouble: tuple[Fault, ...] = ()

    def faults(self) -> Faults:
        return Faults([Fault(self.point, die, self.times, self.times), *self.trouble], seed=self.times)


@dataclass
class Toll:
    """What an amount of episodes came to."""

    kills: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    episodes: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: Toll) -> None:
        self.kills.update(other.kills)
        self.troubles.update(other.troubles)
        self.episodes += other.episodes
        self.broken += other.broken


def reachable(story: DurableStory, folder: Path) -> Mapping[str, Counter[str]]:
    """How often every point is reached on each leg, when nothing goes wrong."""
    found = {}
    for number, (leg, (bookmark, begin)) in enumerate(LEGS.items()):
        world = story.bookmarks[bookmark].branch(folder / f"undisturbed-{number}")
        begin(world)
        world.faults = Faults([])
        world.open()
        endure(world)
        found[leg] = _particular(world.faults.reached)
        world.store.close()
    return found


def _particular(reached: Counter[str]) -> Counter[str]:
    """Without names that stand for several points."""
    names = {point.partition(":")[0] for point in reached}
    general = {name for name in names if any(other.startswith(f"{name}.") for other in names)}
    return Counter({point: n for point, n in reached.items() if point.partition(":")[0] not in general})


def endure(world: DurableWorld) -> None:
    """Hold the policy and tick as the daemon's loop does, whatever is raised, until nothing is left to do."""
    for _ in range(MOST_TICKS):
        try:
            if world.leases is None:
                world.take_over()
            if world.tick().quiet:
                world.leave()
                return
        except (CtrainError, OSError):
            continue
    raise AssertionError("the engine never comes to rest")


def live(world: DurableWorld, life: Life) -> bool:
    """Let a fork look after the world; True when it was killed, False when it came to rest before."""
    world.store.close()
    child = os.fork()
    if child == 0:
        _die(world, life)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert os.WEXITSTATUS(status) == 0, (world.folder / "fork.log").read_text()
    return False


def _die(world: DurableWorld, life: Life) -> None:
    try:
        world.faults = life.faults()
        world._open_store()
        world.open()
        endure(world)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # told by the process that waits
        (world.folder / "fork.log").write_text(traceback.format_exc())
        os._exit(1)


def play(world: DurableWorld, leg: str, lives: Iterable[Life], toll: Toll) -> list[str]:
    """Play a leg in several lives, then undisturbed to its end; return the promises that were broken.

    In the end the first file is written anew, whatever has become of its rows.
    """
    LEGS[leg][1](world)
    for life in lives:
        if live(world, life):
            toll.kills[life.point] += 1
        toll.troubles.update(fault.pattern for fault in life.trouble)
    world.faults = NO_FAULTS
    world._open_store()
    world.open()
    endure(world)
    world.rewrite()
    world.land()
    endure(world)
    world.store.close()
    toll.episodes += 1
    return broken_promises(world.evidence())


def draw_episode(
    chance: random.Random, reached: Mapping[str, Counter[str]], toll: Toll
) -> tuple[str, list[Life]]:
    """A leg and up to four lives on it; the first ends where fewest have ended so far, wherever that is."""
    points = sorted({point for counts in reached.values() for point in counts})
    first = chance.choice(_fewest(points, toll))
    leg = chance.choice(sorted(leg for leg, counts in reached.items() if first in counts))
    lives = [Life(first, chance.randint(1, reached[leg][first]), tuple(_draw_trouble(chance)))]
    for _ in range(chance.randint(0, 3)):
        point = chance.choice(_fewest(sorted(reached[leg]), toll))
        lives.append(Life(point, 1, tuple(_draw_trouble(chance))))
    return leg, lives


def _fewest(points: list[str], toll: Toll) -> list[str]:
    fewest = min(toll.kills[point] for point in points)
    return [point for point in points if toll.kills[point] == fewest]


def _draw_trouble(chance: random.Random) -> Iterable[Fault]:
    if chance.random() < 0.2:
        yield Fault(chance.choice(FAILURES), fail_for_now, last=None, probability=0.1)
    if chance.random() < 0.1:
        point = chance.choice(FULL_DISKS)
        act: Act = fill_the_disk if point.startswith("workspace") else fail_for_now
        yield Fault(point, act, last=chance.randint(1, 4))


def never() -> bool:
    """Of a storm that nobody ends before it is done."""
    return False


def storm(
    story: DurableStory,
    reached: Mapping[str, Counter[str]],
    folder: Path,
    *,
    seed: int,
    crashes: int,
    at_each: int,
    over: Callable[[], bool] = never,
) -> Toll:
    """Play episodes until there were so many crashes, and so many at each point, or it is over."""
    chance, toll = random.Random(seed), Toll()
    points = {point for counts in reached.values() for point in counts}
    while not over() and (
        toll.kills.total() < crashes or min(toll.kills[point] for point in points) < at_each
    ):
        leg, lives = draw_episode(chance, reached, toll)
        place = folder / f"episode-{toll.episodes}"
        broken = play(story.bookmarks[LEGS[leg][0]].branch(place), leg, lives, toll)
        toll.broken += [f"{leg}, killed at {[life.point for life in lives]}: {line}" for line in broken]
        shutil.rmtree(place)
    return toll
