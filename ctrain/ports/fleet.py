"""What the store tells of all policies at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ctrain.domain import Champion, PolicyName
from ctrain.domain.fleet import DecisionLine, PolicyLine, RunLine, TroubleLine, VerdictLine


class FleetTables(Protocol):
    def policy_lines(self) -> list[PolicyLine]:
        """By name."""

    def champions(self) -> dict[PolicyName, Champion]: ...

    def run_lines(self) -> list[RunLine]:
        """The active runs."""

    def decision_lines(self) -> list[DecisionLine]:
        """Of each policy the newest decision that fired or was suppressed."""

    def verdict_lines(self, policies: Sequence[PolicyName]) -> list[VerdictLine]:
        """The newest verdict of each monitor of these policies."""

    def trouble_lines(self) -> list[TroubleLine]:
        """What began and has not ended."""

    def main_values(
        self, policies: Sequence[PolicyName], limit: int
    ) -> Mapping[PolicyName, tuple[float | None, ...]]:
        """The values of the last verdicts of the policies' main monitors, oldest first."""
