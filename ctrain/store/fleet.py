"""What is read of all policies at once: one statement each, by jumps along indexes, not by reading it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, literal_column, select, text

from ctrain.domain import (
    Champion,
    Outcome,
    Phase,
    PolicyName,
    Status,
    Suppression,
)
from ctrain.domain.fleet import DecisionLine, PolicyLine, RunLine, TroubleLine, VerdictLine
from ctrain.store import schema
from ctrain.store.access import TableAccess
from ctrain.store.prepared import Prepared
from ctrain.store.schema.actions import TROUBLE_PAIRS, TROUBLES

if TYPE_CHECKING:
    from sqlalchemy import Select

_POLICIES, _VERDICTS, _EVENTS = schema.policies, schema.verdicts, schema.events
_DECISIONS, _RUNS, _INGEST = schema.decisions, schema.runs, schema.ingest_states
AT_ONCE = 500


class FleetAccess(TableAccess):
    """Implements ``ports.fleet.FleetTables``."""

    def policy_lines(self) -> list[PolicyLine]:
        """All policies that were ever registered, by name."""
        return [PolicyLine(**row) for row in self._all(_policies())]

    def champions(self) -> dict[PolicyName, Champion]:
        """Champions as last seen or set."""
        rows = self._all(_champions())
        return {
            PolicyName(row["policy"]): Champion(
                row["version"], row["since_at"], row["origin"], row["cut_off_at"]
            )
            for row in rows
        }

    def run_lines(self) -> list[RunLine]:
        """The active runs."""
        rows = self._all(_active_runs())
        return [RunLine(**{**row, "phase": Phase(row["phase"])}) for row in rows]

    def decision_lines(self) -> list[DecisionLine]:
        """Of each policy the decision seen last that fired, or was suppressed by more than an active run."""
        return [
            DecisionLine(
                **{
                    **row,
                    "outcome": Outcome(row["outcome"]),
                    "suppression": None if row["suppression"] is None else Suppression(row["suppression"]),
                }
            )
            for row in self._all(_decisions())
        ]

    def verdict_lines(self, policies: Sequence[PolicyName]) -> list[VerdictLine]:
        """The newest verdict of each monitor of these policies that ever gave one."""
        return [
            VerdictLine(**{**row, "status": Status(row["status"])})
            for start in range(0, len(policies), AT_ONCE)
            for row in self._all(_newest_verdicts(policies[start : start + AT_ONCE]))
        ]

    def trouble_lines(self) -> list[TroubleLine]:
        """What began and has not ended."""
        numbers = []
        for row in self._all(_troubles()):
            for begun, ended in TROUBLE_PAIRS:
                began = row[begun]
                if began is not None and began > (row[ended] or 0):
                    numbers.append(began)
        fields = (_EVENTS.c.policy, _EVENTS.c.kind, _EVENTS.c.at, _EVENTS.c.message)
        lines = []
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            query = select(*fields).where(_EVENTS.c.id.in_(some)).order_by(_EVENTS.c.id)
            lines += [TroubleLine(**row) for row in self._all(query)]
        return lines

    def main_values(
        self, policies: Sequence[PolicyName], limit: int
    ) -> Mapping[PolicyName, tuple[float | None, ...]]:
        """The values of the last ``limit`` verdicts of the main monitors of these policies, oldest first."""
        found: dict[PolicyName, list[float | None]] = {}
        for start in range(0, len(policies), AT_ONCE):
            for row in self._all(_values(policies[start : start + AT_ONCE], limit)):
                found.setdefault(PolicyName(row["policy"]), []).append(row["value"])
        return {policy: tuple(values) for policy, values in found.items()}


@cache
def _policies() -> Prepared:
    return Prepared(
        select(
            _POLICIES.c.name,
            _POLICIES.c.paused,
            _POLICIES.c.main_monitor,
            _INGEST.c.newest_event_at,
            _INGEST.c.last_arrival_at,
            _POLICIES.c.verdict_sequence,
            _POLICIES.c.removed_at,
        )
        .join(_INGEST, _INGEST.c.policy == _POLICIES.c.name, isouter=True)
        .order_by(_POLICIES.c.name)
    )


@cache
def _champions() -> Prepared:
    return Prepared(select(schema.champions))


@cache
def _active_runs() -> Prepared:
    fields = (_RUNS.c[name] for name in ("id", "policy", "phase", "phase_since", "outcome_reason"))
    return Prepared(select(*fields).where(text(schema.ACTIVE)))


@cache
def _decisions() -> Prepared:
    some, last = _DECISIONS.alias(), _DECISIONS.alias()
    newest = (
        select(some.c.id)
        .where(
            some.c.policy == _POLICIES.c.name,
            some.c.outcome != Outcome.NOT_MET.value,
            some.c.suppression.is_distinct_from(Suppression.ACTIVE_RUN.value),
        )
        .order_by(some.c.last_seen_at.desc(), some.c.id.desc())
        .limit(literal_column("1"))
        .correlate(_POLICIES)
        .scalar_subquery()
    )
    look = (
        select(func.max(last.c.last_seen_at))
        .where(last.c.policy == _POLICIES.c.name)
        .correlate(_POLICIES)
        .scalar_subquery()
    )
    fields = ("policy", "trigger", "outcome", "suppression", "reason", "first_seen_at", "last_seen_at")
    return Prepared(
        select(*(_DECISIONS.c[name] for name in fields), look.label("last_look_at"))
        .select_from(_POLICIES)
        .join(_DECISIONS, _DECISIONS.c.id == newest)
    )


def _newest_verdicts(policies: Sequence[PolicyName]) -> Select[Any]:
    """Pairs of policy and monitor, found by jumping from one to the next, and the newest verdict of each."""
    some, other, last = _VERDICTS.alias(), _VERDICTS.alias(), _VERDICTS.alias()
    first = select(func.min(some.c.monitor)).where(some.c.policy == _POLICIES.c.name).scalar_subquery()
    pairs = (
        select(_POLICIES.c.name.label("policy"), first.label("monitor"))
        .where(_POLICIES.c.name.in_(policies))
        .cte("pairs", recursive=True)
    )
    following = select(func.min(other.c.monitor)).where(
        other.c.policy == pairs.c.policy, other.c.monitor > pairs.c.monitor
    )
    pairs = pairs.union_all(
        select(pairs.c.policy, following.scalar_subquery()).where(pairs.c.monitor.is_not(None))
    )
    newest = select(func.max(last.c.as_of)).where(
        last.c.policy == pairs.c.policy, last.c.monitor == pairs.c.monitor
    )
    same = and_(
        _VERDICTS.c.policy == pairs.c.policy,
        _VERDICTS.c.monitor == pairs.c.monitor,
        _VERDICTS.c.as_of == newest.scalar_subquery(),
    )
    fields = (_VERDICTS.c[name] for name in ("policy", "monitor", "as_of", "status", "policy_hash"))
    return select(*fields).select_from(pairs).join(_VERDICTS, same)


@cache
def _troubles() -> Prepared:
    """The newest event of each kind of a trouble, for each policy."""
    columns = []
    for kind in (kind for pair in TROUBLE_PAIRS for kind in pair):
        events = _EVENTS.alias()
        newest = select(func.max(events.c.id)).where(
            events.c.policy == _POLICIES.c.name,
            events.c.kind == kind,
            text(TROUBLES),  # as the index has it
        )
        columns.append(newest.scalar_subquery().label(kind))
    return Prepared(select(*columns).select_from(_POLICIES))


def _values(policies: Sequence[PolicyName], limit: int) -> Select[Any]:
    """From the verdict of each that is ``limit`` back, if there are so many."""
    back = _VERDICTS.alias()
    since = (
        select(back.c.as_of)
        .where(back.c.policy == _POLICIES.c.name, back.c.monitor == _POLICIES.c.main_monitor)
        .order_by(back.c.as_of.desc())
        .limit(1)
        .offset(limit - 1)
        .correlate(_POLICIES)
        .scalar_subquery()
    )
    return (
        select(_VERDICTS.c.policy, _VERDICTS.c.value)
        .select_from(_POLICIES)
        .join(
            _VERDICTS,
            and_(
                _VERDICTS.c.policy == _POLICIES.c.name,
                _VERDICTS.c.monitor == _POLICIES.c.main_monitor,
                _VERDICTS.c.as_of >= func.coalesce(since, literal_column("0")),
            ),
        )
        .where(_POLICIES.c.name.in_(policies))
        .order_by(_VERDICTS.c.policy, _VERDICTS.c.as_of)
    )
