"""What the store tells a page at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ctrain.domain import MonitorName, PolicyName, TriggerName, Verdict
from ctrain.domain.paging import NumberedDecision, NumberedRun


class PageTables(Protocol):
    def runs_page(
        self, limit: int, *, policy: PolicyName | None = None, before: int | None = None
    ) -> list[NumberedRun]:
        """Runs with a number below ``before``, newest first."""

    def decisions_page(
        self, policy: PolicyName, limit: int, *, trigger: TriggerName | None = None, before: int | None = None
    ) -> list[NumberedDecision]:
        """Decisions with a number below ``before``, those first that began last."""

    def verdicts_page(
        self,
        policy: PolicyName,
        monitor: MonitorName,
        limit: int,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        columns: bool = True,
    ) -> list[Verdict]:
        """Verdicts as of ``[start, end)``, newest first; without what they say of columns if so asked."""
