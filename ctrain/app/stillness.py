"""Lock-step with a replayed stream: its clock is told when no policy has anything left to do at a setting."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.clocks import Setting, StreamClock

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.ports import Clock

STREAM_DELAY = timedelta(milliseconds=10)
"""Between two looks at its clock."""


class Stillness:
    """Which policies have nothing left to do, and at which setting of the stream's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock if isinstance(clock, StreamClock) else None
        self._still_at: dict[PolicyName, Setting] = {}
        self._lock = threading.Lock()

    def setting(self) -> Setting | None:
        """Of the stream's clock; None: policies go by the machine's."""
        return None if self._clock is None else self._clock.setting()

    def reached(self, name: PolicyName, setting: Setting | None) -> bool:
        """True when the policy has nothing left to do at this setting."""
        return setting is not None and self._still_at.get(name) == setting

    def note(self, name: PolicyName, setting: Setting, policies: Iterable[PolicyName]) -> None:
        """The policy has nothing left to do; the clock is told when none of ``policies`` has."""
        assert self._clock is not None
        with self._lock:
            self._still_at[name] = setting
            if all(self._still_at.get(other) == setting for other in policies):
                self._clock.acknowledge(*setting)

    def forget(self, name: PolicyName) -> None:
        """There may be something to do again."""
        self._still_at.pop(name, None)
