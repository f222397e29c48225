"""Time that passes when the backtest says so."""

from __future__ import annotations

from datetime import UTC, datetime


class VirtualClock:
    """A ``Clock`` that stands still until it is moved, and never goes back."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def move_to(self, now: datetime) -> None:
        """Let it be ``now``.

        Raises
        ------
        ValueError
            when that is in the past.
        """
        if now < self._now:
            raise ValueError(f"{now.isoformat()} is before {self._now.isoformat()}")
        self._now = now.astimezone(UTC)


class VirtualTimer:
    """A ``Timer`` on a virtual clock: pauses between attempts pass with history, not in reality."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.now().timestamp()
