"""Long lists, a page at a time, by the numbers of their rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from ctrain.domain import MonitorName, PolicyName, TriggerName, Verdict
from ctrain.domain.paging import NumberedDecision, NumberedRun
from ctrain.store import schema
from ctrain.store.access import TableAccess
from ctrain.store.decisions import decision_of
from ctrain.store.runs import run_of
from ctrain.store.verdicts import verdict_of

_RUNS, _DECISIONS, _VERDICTS = schema.runs, schema.decisions, schema.verdicts
_OF_VERDICTS = [column for column in _VERDICTS.c if column.name not in {"policy", "policy_hash"}]
_WITHOUT_COLUMNS = [column for column in _OF_VERDICTS if column.name != "features"]


class PageAccess(TableAccess):
    """Implements ``ports.paging.PageTables``."""

    def runs_page(
        self, limit: int, *, policy: PolicyName | None = None, before: int | None = None
    ) -> list[NumberedRun]:
        """The runs of all policies or of one, newest first."""
        query = select(_RUNS).order_by(_RUNS.c.number.desc()).limit(limit)
        if policy is not None:
            query = query.where(_RUNS.c.policy == policy)
        if before is not None:
            query = query.where(_RUNS.c.number < before)
        found = map(dict, self._all(query))
        return [NumberedRun(row.pop("number"), run_of(row)) for row in found]

    def decisions_page(
        self, policy: PolicyName, limit: int, *, trigger: TriggerName | None = None, before: int | None = None
    ) -> list[NumberedDecision]:
        """The decisions of a policy, or about one trigger of it, those first that began last."""
        query = select(_DECISIONS).where(_DECISIONS.c.policy == policy)
        if trigger is not None:
            query = query.where(_DECISIONS.c.trigger == trigger)
        if before is not None:
            query = query.where(_DECISIONS.c.id < before)
        rows = self._all(query.order_by(_DECISIONS.c.id.desc()).limit(limit))
        return [
            NumberedDecision(
                row["id"], decision_of(row), row["first_seen_at"], row["last_seen_at"], row["seen_count"]
            )
            for row in rows
        ]

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
        """The verdicts of a monitor as of ``[start, end)``, newest first; to decode columns takes longest."""
        fields = _OF_VERDICTS if columns else _WITHOUT_COLUMNS
        query = select(*fields).where(_VERDICTS.c.policy == policy, _VERDICTS.c.monitor == monitor)
        if start is not None:
            query = query.where(_VERDICTS.c.as_of >= start)
        if end is not None:
            query = query.where(_VERDICTS.c.as_of < end)
        rows = self._all(query.order_by(_VERDICTS.c.as_of.desc()).limit(limit))
        return [verdict_of({"features": (), **row}) for row in rows]
