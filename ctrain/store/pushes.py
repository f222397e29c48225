"""Batches that were pushed and are remembered, and reloads that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, select

from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushedBatch, PushKind, Reload, ReloadOutcome
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.prepared import Prepared

_BATCHES = schema.pushed_batches
_RELOADS = schema.reloads
_OUTCOMES = schema.reload_outcomes
_BATCH = Prepared(
    select(_BATCHES.c.id, _BATCHES.c.digest, _BATCHES.c.rows, _BATCHES.c.received_at).where(
        _BATCHES.c.policy == bindparam("policy"),
        _BATCHES.c.kind == bindparam("kind"),
        _BATCHES.c.id == bindparam("batch"),
    )
)
_NEWEST = Prepared(select(_RELOADS).order_by(_RELOADS.c.number.desc()).limit(1))


class PushAccess(TableAccess):
    """Implements ``ports.PushTables``."""

    def pushed_batch(self, policy: PolicyName, kind: PushKind, batch: str) -> PushedBatch | None:
        """A batch that was read, by its sender's id; None when none is remembered."""
        row = self._first(_BATCH, policy=policy, kind=kind.value, batch=batch)
        return None if row is None else PushedBatch(**row)

    def remember_batches(self, policy: PolicyName, kind: PushKind, batches: Collection[PushedBatch]) -> None:
        """Keep them; those that are known already stay as they are."""
        if batches:
            place = {"policy": policy, "kind": kind.value}
            self._insert_new(_BATCHES, [{**place, **values_of(one)} for one in batches])

    def forget_batches(self, policy: PolicyName, kind: PushKind, before: datetime, limit: int) -> int:
        """Drop up to so many that were received before; return how many."""
        ours = (_BATCHES.c.policy == policy, _BATCHES.c.kind == kind.value)
        old = select(_BATCHES.c.id).where(*ours, _BATCHES.c.received_at < before).limit(limit)
        return self._changed(_BATCHES.delete().where(*ours, _BATCHES.c.id.in_(old)))


class ReloadAccess(TableAccess):
    """Implements ``ports.ReloadTables``."""

    def ask_reload(self, actor: str, at: datetime) -> int:
        """Put on record that all policy files are to be read; return its number."""
        return self._insert(_RELOADS, {"actor": actor, "asked_at": at})

    def newest_reload(self) -> Reload | None:
        """What was asked for last; None when nobody ever has."""
        row = self._first(_NEWEST)
        return None if row is None else Reload(**row)

    def save_reload_outcome(self, number: int, outcome: ReloadOutcome) -> None:
        """Keep what came of it with one daemon."""
        self._put(_OUTCOMES, {"number": number, **values_of(outcome)})

    def reload_outcomes(self, number: int) -> list[ReloadOutcome]:
        """What each daemon that has done it by now says, by their names.

        A daemon answers what was asked last, and with that whatever was asked before.
        """
        columns = [column for column in _OUTCOMES.c if column.name != "number"]
        since = select(*columns).where(_OUTCOMES.c.number >= number)
        first: dict[str, ReloadOutcome] = {}
        for row in self._all(since.order_by(_OUTCOMES.c.daemon, _OUTCOMES.c.number)):
            first.setdefault(row["daemon"], ReloadOutcome(**row))
        return list(first.values())
