"""Policies that were registered, their pause, and their champion as last seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select

from ctrain.domain import Champion, Json, MonitorName, PolicyName, PolicyRecord
from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.canonical import canonical_text
from ctrain.store.prepared import Prepared

_POLICIES = schema.policies
_CHAMPIONS = schema.champions
_PAUSED = Prepared(select(_POLICIES.c.paused).where(_POLICIES.c.name == bindparam("policy")))
_CHAMPION = Prepared(
    select(*(column for column in _CHAMPIONS.c if column.name != "policy")).where(
        _CHAMPIONS.c.policy == bindparam("policy")
    )
)


class PolicyAccess(TableAccess):
    """Implements the policies and champions of ``ports.PolicyTables``."""

    def save_policy(
        self,
        policy: PolicyName,
        policy_hash: str,
        path: str,
        identity: Json,
        now: datetime,
        main_monitor: MonitorName | None = None,
    ) -> None:
        """Register the policy, or note that it is in force with this hash.

        Raises
        ------
        StateConflict
            when its identity is not what it was registered with; nothing is changed.
        """
        values = {
            "policy_hash": policy_hash,
            "path": path,
            "updated_at": now,
            "main_monitor": main_monitor,
            "removed_at": None,
        }
        row = self._first(select(_POLICIES.c.identity).where(_POLICIES.c.name == policy))
        if row is None:
            fixed = {"name": policy, "identity": identity, "paused": False, "registered_at": now}
            self._insert(_POLICIES, {**fixed, **values})
            return
        changed = _differences(row["identity"], identity)
        if changed:
            raise StateConflict(
                f"{policy}: {', '.join(changed)} cannot change under the same policy name; use a new name"
            )
        self._changed(_POLICIES.update().where(_POLICIES.c.name == policy).values(**values))

    def policies(self) -> list[PolicyName]:
        """Names of all policies that were ever registered, sorted."""
        rows = self._all(select(_POLICIES.c.name).order_by(_POLICIES.c.name))
        return [PolicyName(row["name"]) for row in rows]

    def policy_record(self, policy: PolicyName) -> PolicyRecord | None:
        """What is known of the policy; None when no daemon has ever watched it."""
        names = ("name", "policy_hash", "path", "registered_at", "removed_at")
        fields = (_POLICIES.c[name] for name in names)
        row = self._first(select(*fields).where(_POLICIES.c.name == policy))
        return None if row is None else PolicyRecord(**row)

    def remove_policy(self, policy: PolicyName, now: datetime) -> bool:
        """Note that the policy has no file any more; False when that is known, or nobody registered it."""
        there = _POLICIES.update().where(_POLICIES.c.name == policy, _POLICIES.c.removed_at.is_(None))
        return self._changed(there.values(removed_at=now)) == 1

    def set_paused(self, policy: PolicyName, paused: bool) -> None:
        """Pause or resume the policy.

        Raises
        ------
        StateConflict
            when no daemon has registered it.
        """
        update = _POLICIES.update().where(_POLICIES.c.name == policy).values(paused=paused)
        if self._changed(update) != 1:
            raise StateConflict(f"{policy}: no such policy is registered")

    def paused(self, policy: PolicyName) -> bool:
        """True while the policy is paused; an unknown one is not."""
        row = self._first(_PAUSED, policy=policy)
        return row is not None and row["paused"]

    def champion(self, policy: PolicyName) -> Champion | None:
        """The champion as last seen or set; the registry is the truth."""
        row = self._first(_CHAMPION, policy=policy)
        return None if row is None else Champion(**row)

    def save_champion(self, policy: PolicyName, champion: Champion | None) -> None:
        """Note the champion; None notes that there is none."""
        if champion is None:
            self._changed(_CHAMPIONS.delete().where(_CHAMPIONS.c.policy == policy))
        else:
            self._put(_CHAMPIONS, {"policy": policy, **values_of(champion)})


def _differences(before: Json, after: Json) -> list[str]:
    """Keys whose values differ, sorted."""
    absent = object()
    return sorted(
        key
        for key in before.keys() | after.keys()
        if (before.get(key, absent) is absent)
        or (after.get(key, absent) is absent)
        or canonical_text(before[key]) != canonical_text(after[key])
    )
