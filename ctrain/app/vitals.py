"""Whether ticks go well, as health checks and metrics tell it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.ports import Telemetry, Timer

HANGS_SECONDS = 600.0
"""No tick takes so long: trainings and scorings are not waited for, and what is read at once is bounded."""


class Vitals:
    """When each policy ticked well last, and which ticks are under way; safe from several threads."""

    def __init__(self, timer: Timer, telemetry: Telemetry, tick: timedelta) -> None:
        self._timer = timer
        self._telemetry = telemetry
        self._patience_seconds = 5 * tick.total_seconds() + 60
        self._well_at: dict[PolicyName, float] = {}
        self._began_at: dict[PolicyName, float] = {}
        """Of the ticks that are under way."""
        self._ticked: set[PolicyName] = set()

    def begin(self, name: PolicyName) -> None:
        """A tick is under way until ``end``."""
        self._began_at[name] = self._timer.monotonic()

    def end(self, name: PolicyName) -> None:
        del self._began_at[name]

    def ticked(self, name: PolicyName, seconds: float) -> None:
        """A whole tick went well and took so long."""
        self._ticked.add(name)
        self._telemetry.observe("tick_duration_seconds", seconds, policy=name)
        self.looked_after(name)

    def looked_after(self, name: PolicyName) -> None:
        """Count from now on: after a tick that went well, and from the beginning, when there is none yet."""
        self._well_at[name] = self._timer.monotonic()
        self._telemetry.gauge(
            "tick_last_success_timestamp_seconds", self._timer.now().timestamp(), policy=name
        )

    def forget(self, name: PolicyName) -> None:
        """The policy is looked after here no more."""
        self._well_at.pop(name, None)
        self._ticked.discard(name)

    def have_ticked(self, names: Iterable[PolicyName]) -> bool:
        """Each of them has at least once."""
        return self._ticked >= set(names)

    @property
    def healthy(self) -> bool:
        """No policy has gone without a successful tick for long."""
        now = self._timer.monotonic()
        return all(now - at < self._patience_seconds for at in list(self._well_at.values()))

    @property
    def alive(self) -> bool:
        """No tick has been under way for so long that it hangs.

        One that fails ends: a database that is away is no reason to start a daemon again.
        """
        now = self._timer.monotonic()
        return all(now - began < HANGS_SECONDS for began in list(self._began_at.values()))
