"""Decisions, of which equal ones in a row are counted, and claims of scheduled occurrences."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select

from ctrain.domain import Decision, Outcome, PolicyName, RunId, Suppression, TriggerName
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess
from ctrain.store.prepared import Prepared

_DECISIONS = schema.decisions
_NEWEST = Prepared(
    select(_DECISIONS.c.id, _DECISIONS.c.outcome, _DECISIONS.c.suppression, _DECISIONS.c.policy_hash)
    .where(_DECISIONS.c.policy == bindparam("policy"), _DECISIONS.c.trigger == bindparam("trigger"))
    .order_by(_DECISIONS.c.id.desc())
    .limit(1)
)
_SEEN_AGAIN = Prepared(
    _DECISIONS.update()
    .where(_DECISIONS.c.id == bindparam("newest_id"))
    .values(
        seen_count=_DECISIONS.c.seen_count + 1,
        **{name: bindparam(name) for name in ("occurrence_at", "reason", "evidence", "last_seen_at")},
    )
)
_LAST_OCCURRENCE = Prepared(
    select(func.max(schema.occurrences.c.at).label("at")).where(
        schema.occurrences.c.policy == bindparam("policy"),
        schema.occurrences.c.trigger == bindparam("trigger"),
    )
)
_LAST_OCCURRENCE_BY = Prepared(
    select(func.max(schema.occurrences.c.at).label("at")).where(
        schema.occurrences.c.policy == bindparam("policy"),
        schema.occurrences.c.trigger == bindparam("trigger"),
        schema.occurrences.c.at <= bindparam("now"),
    )
)


class DecisionAccess(TableAccess):
    """Implements ``ports.DecisionTables``."""

    def record_decision(
        self,
        policy: PolicyName,
        policy_hash: str,
        decision: Decision,
        at: datetime,
        run_id: RunId | None = None,
    ) -> None:
        """Add a row when outcome, suppression or policy hash changed, and for every FIRED.

        Otherwise the trigger's newest row is seen once more: it keeps its first reason and evidence
        and takes over the latest.
        """
        latest = {
            "occurrence_at": decision.occurrence_at,
            "reason": decision.reason,
            "evidence": decision.evidence,
            "last_seen_at": at,
        }
        newest = self._newest(policy, decision.trigger)
        if newest is not None and _continues(newest, policy_hash, decision):
            _SEEN_AGAIN.run(self._connection, [{"newest_id": newest["id"], **latest}])
            return
        values = {
            "policy": policy,
            "trigger": decision.trigger,
            "policy_hash": policy_hash,
            "outcome": decision.outcome.value,
            "suppression": decision.suppression and decision.suppression.value,
            "first_reason": decision.reason,
            "first_evidence": decision.evidence,
            "run_id": run_id,
            "first_seen_at": at,
            "seen_count": 1,
            **latest,
        }
        self._insert(_DECISIONS, values)

    def decisions(
        self, policy: PolicyName, limit: int = 50
    ) -> list[tuple[Decision, datetime, datetime, int]]:
        """Newest last seen first: decision (latest reason), first seen at, last seen at, seen count."""
        query = (
            select(_DECISIONS)
            .where(_DECISIONS.c.policy == policy)
            .order_by(_DECISIONS.c.last_seen_at.desc(), _DECISIONS.c.id.desc())
            .limit(limit)
        )
        return [
            (decision_of(row), row["first_seen_at"], row["last_seen_at"], row["seen_count"])
            for row in self._all(query)
        ]

    def claim_occurrence(self, policy: PolicyName, trigger: TriggerName, at: datetime) -> bool:
        """True for the one caller that gets this occurrence of a schedule."""
        return self._insert_once(schema.occurrences, {"policy": policy, "trigger": trigger, "at": at})

    def last_occurrence(self, policy: PolicyName, trigger: TriggerName) -> datetime | None:
        """The latest occurrence that was claimed."""
        row = self._first(_LAST_OCCURRENCE, policy=policy, trigger=trigger)
        return None if row is None else row["at"]

    def last_occurrence_by(self, policy: PolicyName, trigger: TriggerName, now: datetime) -> datetime | None:
        """The latest occurrence up to ``now`` that was claimed."""
        row = self._first(_LAST_OCCURRENCE_BY, policy=policy, trigger=trigger, now=now)
        return None if row is None else row["at"]

    def _newest(self, policy: PolicyName, trigger: TriggerName) -> Row | None:
        return self._first(_NEWEST, policy=policy, trigger=trigger)


def _continues(newest: Row, policy_hash: str, decision: Decision) -> bool:
    return (
        decision.outcome is not Outcome.FIRED
        and newest["outcome"] == decision.outcome
        and newest["suppression"] == decision.suppression
        and newest["policy_hash"] == policy_hash
    )


def decision_of(row: Row) -> Decision:
    return Decision(
        trigger=TriggerName(row["trigger"]),
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        suppression=None if row["suppression"] is None else Suppression(row["suppression"]),
        occurrence_at=row["occurrence_at"],
        evidence=row["evidence"],
    )
