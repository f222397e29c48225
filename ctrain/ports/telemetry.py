"""Counters, gauges and the log."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Telemetry(Protocol):
    """Counters and gauges of design section 8, plus the structured log."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def begin_policy(self, policy: str) -> None:
        """Measure this policy from now on, also where it was removed; what its gauges said is forgotten."""

    def remove_policy(self, policy: str) -> None:
        """Forget every series of a policy that is gone or no longer ours, until it begins again."""

    def forget(self, policy: str, *names: str) -> None:
        """Forget what these gauges said of a policy: it is so no more."""

    def log(self, event: str, **fields: object) -> None: ...

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        """What is around a step: it is traced, or timed in the log, where somebody wants that."""
