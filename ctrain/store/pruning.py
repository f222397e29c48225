"""What has grown too old to matter: deleted in small batches, never what something still stands on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, or_, select, tuple_

from ctrain.domain import ENDED, Outcome, PolicyName, Version
from ctrain.store import schema
from ctrain.store.access import TableAccess
from ctrain.store.verdicts import VERDICTS_CHANGED

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, Delete, Select

_POLICY: BindParameter[str] = bindparam("policy")
_LIMIT: BindParameter[int] = bindparam("limit")
_KEPT: BindParameter[Any] = bindparam("kept", expanding=True)
_BEFORE: BindParameter[datetime] = bindparam("before", type_=schema.verdicts.c.as_of.type)
_THINNED: BindParameter[datetime] = bindparam("thinned_before", type_=schema.verdicts.c.as_of.type)


class PruneAccess(TableAccess):
    """Implements ``ports.PruneTables``."""

    def prune(
        self, policy: PolicyName, *, thinned_before: datetime, before: datetime, limit: int
    ) -> Mapping[str, int]:
        """Delete up to ``limit`` rows of each table; return how many, by table.

        Before ``thinned_before`` the first of each stretch of verdicts with one status stays, every firing,
        and the last comparison point of a phase; before ``before`` none of these. Always kept are the newest
        verdict of a monitor, the newest decision and occurrence of a trigger, and all of a run that has not
        ended.
        """
        VERDICTS_CHANGED.run(self._connection, [{"policy": policy}])
        values = {"policy": policy, "thinned_before": thinned_before, "before": before, "limit": limit}
        return {
            "verdicts": self._changed(_old_verdicts(), **values),
            "decisions": self._changed(_old_decisions(), **values),
            "occurrences": self._changed(_old_occurrences(), **_without(values, "before")),
            "comparison_points": self._changed(_old_points(), **values),
        }

    def prune_versions(self, policy: PolicyName, kept: Collection[Version], newest: int) -> Mapping[str, int]:
        """Delete references and detectors of versions that are not in ``kept``; return rows by table.

        The ``newest`` references are kept whatever their version, and detectors as long as the reference.
        """
        versions = sorted({"", *kept})
        references = self._changed(_old_references(), policy=policy, kept=versions, limit=newest)
        return {
            "reference_profiles": references,
            "detectors": self._changed(_old_detectors(), policy=policy, kept=versions),
        }


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


@cache
def _old_verdicts() -> Delete:
    table, other = schema.verdicts, schema.verdicts.alias()
    before_it = func.lag(other.c.status).over(partition_by=other.c.monitor, order_by=other.c.as_of)
    old = (
        select(other.c.monitor, other.c.as_of, other.c.status, before_it.label("before_it"))
        .where(other.c.policy == _POLICY, other.c.as_of < _THINNED)
        .subquery()
    )
    later = schema.verdicts.alias()
    newest = select(func.max(later.c.as_of)).where(
        later.c.policy == _POLICY, later.c.monitor == old.c.monitor
    )
    doomed = (
        select(old.c.monitor, old.c.as_of)
        .where(or_(old.c.as_of < _BEFORE, old.c.status == old.c.before_it))
        .where(old.c.as_of < newest.scalar_subquery())
        .limit(_LIMIT)
    )
    return table.delete().where(table.c.policy == _POLICY, tuple_(table.c.monitor, table.c.as_of).in_(doomed))


@cache
def _old_decisions() -> Delete:
    table, other, later = schema.decisions, schema.decisions.alias(), schema.decisions.alias()
    newest = select(func.max(later.c.id)).where(later.c.policy == _POLICY, later.c.trigger == other.c.trigger)
    quiet = and_(other.c.outcome != Outcome.FIRED.value, other.c.last_seen_at < _THINNED)
    doomed = (
        select(other.c.id)
        .where(other.c.policy == _POLICY, or_(quiet, other.c.last_seen_at < _BEFORE))
        .where(other.c.id < newest.scalar_subquery())
        .where(or_(other.c.run_id.is_(None), other.c.run_id.not_in(_runs(ended=False))))
        .limit(_LIMIT)
    )
    return table.delete().where(table.c.id.in_(doomed))


@cache
def _old_occurrences() -> Delete:
    table, other, later = schema.occurrences, schema.occurrences.alias(), schema.occurrences.alias()
    newest = select(func.max(later.c.at)).where(later.c.policy == _POLICY, later.c.trigger == other.c.trigger)
    doomed = (
        select(other.c.trigger, other.c.at)
        .where(other.c.policy == _POLICY, other.c.at < _THINNED, other.c.at < newest.scalar_subquery())
        .limit(_LIMIT)
    )
    return table.delete().where(table.c.policy == _POLICY, tuple_(table.c.trigger, table.c.at).in_(doomed))


@cache
def _old_points() -> Delete:
    table, other = schema.comparison_points, schema.comparison_points.alias()
    later = schema.comparison_points.alias()
    last = select(func.max(later.c.id)).where(
        later.c.run_id == other.c.run_id, later.c.phase == other.c.phase
    )
    in_between = and_(other.c.at < _THINNED, other.c.id < last.scalar_subquery())
    doomed = (
        select(other.c.id)
        .where(other.c.run_id.in_(_runs(ended=True)), or_(in_between, other.c.at < _BEFORE))
        .limit(_LIMIT)
    )
    return table.delete().where(table.c.id.in_(doomed))


@cache
def _old_references() -> Delete:
    table, other = schema.reference_profiles, schema.reference_profiles.alias()
    newest = (
        select(other.c.id).where(other.c.policy == _POLICY).order_by(other.c.id.desc()).limit(_LIMIT)
    ).subquery()
    return table.delete().where(
        table.c.policy == _POLICY,
        table.c.version.not_in(_KEPT),
        table.c.id.not_in(select(newest.c.id)),
    )


@cache
def _old_detectors() -> Delete:
    table, references = schema.detectors, schema.reference_profiles
    known = select(references.c.version).where(references.c.policy == _POLICY)
    return table.delete().where(
        table.c.policy == _POLICY, table.c.version.not_in(_KEPT), table.c.version.not_in(known)
    )


def _runs(*, ended: bool) -> Select[Any]:
    runs, phases = schema.runs, sorted(phase.value for phase in ENDED)
    condition = runs.c.phase.in_(phases) if ended else runs.c.phase.not_in(phases)
    return select(runs.c.id).where(runs.c.policy == _POLICY, condition)
