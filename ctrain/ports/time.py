"""Two ports for time: what policies mean, and what is real."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present as policies mean it, timezone-aware UTC."""


class Timer(Protocol):
    def now(self) -> datetime:
        """Real time, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, for timeouts inside one process."""
