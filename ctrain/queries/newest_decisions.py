"""The newest decision about each trigger, as far as it still says something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Decision, PolicyName, Run, Suppression
from ctrain.policy.check_triggers import MANUAL
from ctrain.queries.answers import DecisionNow, LimitsLeft
from ctrain.queries.needs import needs_of

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

RECENT_DECISIONS = 200


def newest_decisions(
    tx: Transaction, name: PolicyName, policy: Policy | None, runs: Sequence[Run], limits: LimitsLeft
) -> tuple[DecisionNow, ...]:
    """What was decided at the last look about each trigger that ``policy`` (None: unknown) has, by name.

    A look decides about all triggers, so whatever it left out was taken out of the policy. What a person
    asked for speaks until a run has ended since, or what stood against it is over.
    """
    newest: dict[str, DecisionNow] = {}
    for row in tx.decisions(name, limit=RECENT_DECISIONS):
        newest.setdefault(row[0].trigger, decision_now(*row))
    last_look = max((one.last_seen_at for one in newest.values()), default=None)
    ended = max((run.ended_at for run in runs if run.ended_at is not None), default=None)
    return tuple(
        one
        for trigger, one in sorted(newest.items())
        if one.last_seen_at == last_look
        and (
            _still_counts(one, ended, limits)
            if trigger == MANUAL
            else policy is None or trigger in policy.triggers
        )
    )


def decision_now(decision: Decision, since: datetime, last_seen: datetime, seen_count: int) -> DecisionNow:
    """A decision as it is told, from what the store has of it."""
    return DecisionNow(
        trigger=decision.trigger,
        outcome=decision.outcome.value,
        suppression=decision.suppression.value if decision.suppression else None,
        reason=decision.reason,
        since_at=since,
        last_seen_at=last_seen,
        seen_count=seen_count,
        needs=needs_of(decision),
        evidence=decision.evidence,
    )


def _still_counts(asked_for: DecisionNow, ended: datetime | None, limits: LimitsLeft) -> bool:
    if ended is not None and asked_for.last_seen_at <= ended:
        return False
    match asked_for.suppression:
        case Suppression.ACTIVE_RUN:
            return limits.active_run is not None
        case Suppression.PAUSED:
            return limits.paused
        case Suppression.BLACKOUT:
            return limits.blackout_until is not None
        case _:
            return True
