"""Verdicts: given once per pane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from ctrain.domain import FeatureVerdict, MonitorName, PolicyName, Status, Verdict
from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess, values_of
from ctrain.store.canonical import canonical_text
from ctrain.store.prepared import Prepared
from ctrain.store.texts import storable_fields

if TYPE_CHECKING:
    from sqlalchemy import CTE, BindParameter, Select

_VERDICTS = schema.verdicts
_POLICY: BindParameter[str] = bindparam("policy")
_POLICIES = schema.policies
VERDICTS_CHANGED = Prepared(
    _POLICIES.update()
    .where(_POLICIES.c.name == _POLICY)
    .values(verdict_sequence=_POLICIES.c.verdict_sequence + 1)
)
"""Run in each transaction that gives or deletes verdicts of a policy."""
_FIELDS = [column for column in _VERDICTS.c if column.name not in {"policy", "policy_hash"}]


class VerdictAccess(TableAccess):
    """Implements the verdicts of ``ports.ObservationTables``."""

    def record_verdict(self, policy: PolicyName, policy_hash: str, verdict: Verdict) -> None:
        """Keep the verdict; the identical one again changes nothing.

        Raises
        ------
        StateConflict
            when another verdict was given for the same pane.
        """
        values = _stored(verdict)
        if self._insert_once(_VERDICTS, {"policy": policy, "policy_hash": policy_hash, **values}):
            VERDICTS_CHANGED.run(self._connection, [{"policy": policy}])
            return
        row = self._first(
            select(*_FIELDS).filter_by(policy=policy, monitor=verdict.monitor, as_of=verdict.as_of)
        )
        given = None if row is None else verdict_of(row)
        if given is None or _comparable(given) != _comparable(verdict):
            raise StateConflict(
                f"{policy}: monitor {verdict.monitor} has given its verdict as of "
                f"{verdict.as_of.isoformat()} ({given.status if given else 'gone'}) and cannot change it "
                f"to {verdict.status}: {verdict.reason}"
            )

    def record_verdicts(self, policy: PolicyName, policy_hash: str, verdicts: Sequence[Verdict]) -> None:
        """Keep all of them in one statement; where some are there already, one after the other.

        Raises
        ------
        StateConflict
            when another verdict was given for the same pane.
        """
        if not verdicts:
            return
        same = {"policy": policy, "policy_hash": policy_hash}
        VERDICTS_CHANGED.run(self._connection, [{"policy": policy}])
        if self._insert_new(_VERDICTS, [{**same, **_stored(one)} for one in verdicts]) != len(verdicts):
            for verdict in verdicts:
                self.record_verdict(policy, policy_hash, verdict)

    def latest_verdicts(self, policy: PolicyName) -> list[Verdict]:
        """The newest verdict of every monitor that ever gave one, by name of the monitor."""
        return [verdict_of(row) for row in self._all(_latest(), policy=policy)]

    def verdicts(
        self, policy: PolicyName, monitor: MonitorName | None = None, limit: int = 100
    ) -> list[Verdict]:
        """Verdicts of the policy, or of one monitor, newest first."""
        query = select(*_FIELDS).where(_VERDICTS.c.policy == policy)
        if monitor is not None:
            query = query.where(_VERDICTS.c.monitor == monitor)
        newest_first = query.order_by(_VERDICTS.c.as_of.desc(), _VERDICTS.c.monitor).limit(limit)
        return [verdict_of(row) for row in self._all(newest_first)]


@cache
def _latest() -> Select[Any]:
    """The newest verdict of every monitor of the policy."""
    monitors, other = _monitors(), _VERDICTS.alias()
    newest = select(func.max(other.c.as_of)).where(
        other.c.policy == _POLICY, other.c.monitor == monitors.c.monitor
    )
    return (
        select(*_FIELDS)
        .join(monitors, _VERDICTS.c.monitor == monitors.c.monitor)
        .where(_VERDICTS.c.policy == _POLICY, _VERDICTS.c.as_of == newest.scalar_subquery())
        .order_by(_VERDICTS.c.monitor)
    )


def _monitors() -> CTE:
    """Names of the monitors with a verdict, found by jumping along the index, not by reading it all."""
    some, other = _VERDICTS.alias(), _VERDICTS.alias()
    found = (
        select(func.min(some.c.monitor).label("monitor"))
        .where(some.c.policy == _POLICY)
        .cte("monitors", recursive=True)
    )
    following = select(func.min(other.c.monitor)).where(
        other.c.policy == _POLICY, other.c.monitor > found.c.monitor
    )
    return found.union_all(select(following.scalar_subquery()).where(found.c.monitor.is_not(None)))


def _stored(verdict: Verdict) -> dict[str, Any]:
    features = [values_of(feature) for feature in verdict.features]
    return {**values_of(verdict), "status": verdict.status.value, "features": features}


def verdict_of(row: Row) -> Verdict:
    features = tuple(FeatureVerdict(**feature) for feature in row["features"])
    return Verdict(**{**row, "status": Status(row["status"]), "features": features})


def _comparable(verdict: Verdict) -> str:
    """Text that is equal for equal verdicts, also where a number is NaN."""
    return canonical_text({**storable_fields(_stored(verdict)), "as_of": verdict.as_of.isoformat()})
