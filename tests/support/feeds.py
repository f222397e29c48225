"""Ways in which the same hours of rows reach a daemon: none of them may change what it says."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.world import World


@dataclass(frozen=True)
class Turn:
    """So many hours of rows; from hour ``at`` on the inputs shift and the model is wrong."""

    hours: int
    at: int
    shift: float

    def reach(self, world: World) -> None:
        """Turn the world when its hour has come."""
        if world.hour >= self.at:
            world.slope, world.shift = -2.0, self.shift

    def hourly(self, world: World) -> None:
        """Every hour is looked at as it comes."""
        for _ in range(self.hours):
            self.reach(world)
            world.live(1)

    def backlog(self, world: World) -> None:
        """All hours are there at the first look."""
        for _ in range(self.hours):
            self.reach(world)
            world.land()
        world.settle()

    def restarted(self, world: World) -> None:
        """Some hours are missed, and the daemon is started again every four hours."""
        for hour in range(self.hours):
            self.reach(world)
            world.land()
            if hour % 3 != 2:
                world.tick()
            if hour % 4 == 3:
                world.open()
        world.open()
        world.settle()
