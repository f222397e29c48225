"""The outbox: what channels are to be told, written with the event, claimed by one daemon at a time.

A claim ends by itself, so that what a dead daemon was sending is sent again by another; one that comes
back late finds its claim gone, and changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select

from ctrain.domain import Notice, NoticeStatus, PolicyName
from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess, values_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_OUTBOX = schema.outbox
_RENAMED = {"key": "idempotency_key"}
_FIELDS = [column for column in _OUTBOX.c if column.name != "event_id"]
_FINISHED = (NoticeStatus.DELIVERED, NoticeStatus.SUPPRESSED)
_ENDED = (*_FINISHED, NoticeStatus.DEAD)
_UNCLAIMED = {"claimed_by": None, "claimed_until": None}


class OutboxAccess(TableAccess):
    """Implements ``ports.OutboxTables``."""

    def add_notice(self, notice: Notice, event_id: int = 0) -> bool:
        """False when a notice with its key is there; 0: it tells of no event of the history."""
        values = {_RENAMED.get(name, name): value for name, value in values_of(notice).items()}
        values |= {"event_id": event_id, "status": notice.status.value}
        del values["id"]
        return self._insert_once(_OUTBOX, values)

    def newest_notices(self, policy: PolicyName, channel: str, kinds: Iterable[str]) -> dict[str, Notice]:
        """The newest of these kinds by subject, whatever became of it."""
        newest = (
            select(func.max(_OUTBOX.c.id))
            .where(_of(policy, channel), _OUTBOX.c.kind.in_(sorted(kinds)))
            .group_by(_OUTBOX.c.subject)
        )
        rows = self._all(select(*_FIELDS).where(_OUTBOX.c.id.in_(newest)))
        return {row["subject"]: _notice(row) for row in rows}

    def due_channels(self, now: datetime) -> list[tuple[PolicyName, str]]:
        """Policies and channels with a pending notice whose time has come and that nobody has claimed."""
        query = (
            select(_OUTBOX.c.policy, _OUTBOX.c.channel)
            .where(_with(NoticeStatus.PENDING), _OUTBOX.c.next_attempt_at <= now, _free(now))
            .distinct()
            .order_by(_OUTBOX.c.policy, _OUTBOX.c.channel)
        )
        return [(row["policy"], row["channel"]) for row in self._all(query)]

    def pending_notices(self, policy: PolicyName, channel: str, limit: int = 1000) -> list[Notice]:
        """In the order of their events."""
        query = select(*_FIELDS).where(_of(policy, channel), _with(NoticeStatus.PENDING))
        return [_notice(row) for row in self._all(query.order_by(_OUTBOX.c.id).limit(limit))]

    def finished_notices(self, policy: PolicyName, channel: str, limit: int = 500) -> list[Notice]:
        """Delivered and suppressed, newest event first; beyond the limit the last told of each subject."""
        query = select(*_FIELDS).where(_of(policy, channel)).order_by(_OUTBOX.c.id.desc())
        told = (
            select(func.max(_OUTBOX.c.id))
            .where(_of(policy, channel), _with(NoticeStatus.DELIVERED))
            .group_by(_OUTBOX.c.subject)
        )
        newest = [_notice(row) for row in self._all(query.where(_with(*_FINISHED)).limit(limit))]
        if len(newest) < limit:
            return newest
        older = query.where(_OUTBOX.c.id.in_(told), _OUTBOX.c.id < newest[-1].id)
        return newest + [_notice(row) for row in self._all(older)]

    def claim_notices(
        self, ids: Iterable[int], message_key: str, holder: str, now: datetime, until: datetime
    ) -> None:
        """Take all of them until then, each attempted once more.

        Raises
        ------
        StateConflict
            when somebody else has taken one of them; then none is taken.
        """
        wanted = list(ids)
        claim = {"claimed_by": holder, "claimed_until": until, "message_key": message_key}
        taken = self._changed(
            _OUTBOX.update()
            .where(_OUTBOX.c.id.in_(wanted), _with(NoticeStatus.PENDING), _free(now))
            .values(attempts=_OUTBOX.c.attempts + 1, **claim)
        )
        if taken != len(wanted):
            raise StateConflict("another daemon is sending some of these notices")

    def settle_notices(
        self,
        message_key: str,
        holder: str,
        status: NoticeStatus,
        now: datetime,
        *,
        error: str = "",
        next_attempt_at: datetime | None = None,
    ) -> int:
        """End or put back what ``holder`` has claimed; return of how many: 0 when the claim was lost."""
        values: dict[str, object] = {"status": status.value, "last_error": error, **_UNCLAIMED}
        if status is not NoticeStatus.PENDING:
            values["finished_at"] = now
        if next_attempt_at is not None:
            values["next_attempt_at"] = next_attempt_at
        ours = and_(_OUTBOX.c.message_key == message_key, _OUTBOX.c.claimed_by == holder)
        return self._changed(_OUTBOX.update().where(ours, _with(NoticeStatus.PENDING)).values(**values))

    def suppress_notices(self, ids: Iterable[int], now: datetime) -> None:
        """End them untold: the same was told a short while ago."""
        self._end(ids, NoticeStatus.SUPPRESSED, now)

    def postpone_notices(self, policy: PolicyName, channel: str, until: datetime) -> None:
        """Look at none of the pending ones before ``until``."""
        early = and_(_of(policy, channel), _with(NoticeStatus.PENDING), _OUTBOX.c.next_attempt_at < until)
        self._changed(_OUTBOX.update().where(early).values(next_attempt_at=until))

    def bury_notices(self, ids: Iterable[int], now: datetime, error: str) -> None:
        """Nobody tries them any more."""
        self._end(ids, NoticeStatus.DEAD, now, error)

    def bury_old_notices(self, before: datetime, now: datetime, error: str) -> Mapping[PolicyName, int]:
        """Bury those that have waited since before ``before``; return how many by policy.

        The error of their last attempt stays.
        """
        old = and_(_with(NoticeStatus.PENDING), _OUTBOX.c.waiting_since < before, _free(now))
        query = select(_OUTBOX.c.id, _OUTBOX.c.policy, _OUTBOX.c.last_error).where(old)
        buried: dict[PolicyName, int] = defaultdict(int)
        for row in self._all(query):
            why = f"{error}; {row['last_error']}" if row["last_error"] else error
            buried[row["policy"]] += self._end([row["id"]], NoticeStatus.DEAD, now, why)
        return dict(buried)

    def revive_notices(self, policy: PolicyName | None, now: datetime) -> int:
        """Make dead ones pending again, as if they were new; return how many."""
        dead = _OUTBOX.update().where(_with(NoticeStatus.DEAD))
        if policy is not None:
            dead = dead.where(_OUTBOX.c.policy == policy)
        anew = {"status": NoticeStatus.PENDING.value, "attempts": 0, "finished_at": None}
        return self._changed(dead.values(waiting_since=now, next_attempt_at=now, **anew, **_UNCLAIMED))

    def notice_counts(
        self, policy: PolicyName | None = None
    ) -> Mapping[PolicyName, Mapping[NoticeStatus, int]]:
        """Pending and dead ones, by policy that has any; of all policies, or of one."""
        open_ones = _with(NoticeStatus.PENDING, NoticeStatus.DEAD)
        if policy is not None:
            open_ones = and_(open_ones, _OUTBOX.c.policy == policy)
        query = (
            select(_OUTBOX.c.policy, _OUTBOX.c.status, func.count().label("number"))
            .where(open_ones)
            .group_by(_OUTBOX.c.policy, _OUTBOX.c.status)
        )
        counts: dict[PolicyName, dict[NoticeStatus, int]] = defaultdict(dict)
        for row in self._all(query):
            counts[row["policy"]][NoticeStatus(row["status"])] = row["number"]
        return dict(counts)

    def troubled_notices(self, policy: PolicyName, limit: int = 5) -> list[Notice]:
        """Dead ones and pending ones that failed, newest first."""
        failed = and_(_with(NoticeStatus.PENDING), _OUTBOX.c.last_error != "")
        query = (
            select(*_FIELDS)
            .where(_OUTBOX.c.policy == policy, or_(_with(NoticeStatus.DEAD), failed))
            .order_by(_OUTBOX.c.id.desc())
            .limit(limit)
        )
        return [_notice(row) for row in self._all(query)]

    def drop_notices(self, finished_before: datetime) -> int:
        """Delete what was finished before, and was to be sent before; return how many.

        The index knows when a notice was to be sent: that is hours after its end at most.
        """
        old = and_(_with(*_ENDED), _OUTBOX.c.next_attempt_at < finished_before)
        return self._changed(_OUTBOX.delete().where(old, _OUTBOX.c.finished_at < finished_before))

    def _end(self, ids: Iterable[int], status: NoticeStatus, now: datetime, error: str = "") -> int:
        chosen = and_(_OUTBOX.c.id.in_(list(ids)), _with(NoticeStatus.PENDING))
        ended = {"status": status.value, "finished_at": now, "last_error": error, **_UNCLAIMED}
        return self._changed(_OUTBOX.update().where(chosen).values(**ended))


def _of(policy: PolicyName, channel: str) -> ColumnElement[bool]:
    return and_(_OUTBOX.c.policy == policy, _OUTBOX.c.channel == channel)


def _with(*statuses: NoticeStatus) -> ColumnElement[bool]:
    return _OUTBOX.c.status.in_([one.value for one in statuses])


def _free(now: datetime) -> ColumnElement[bool]:
    """Nobody has claimed it, or the claim has run out."""
    return or_(_OUTBOX.c.claimed_until.is_(None), _OUTBOX.c.claimed_until <= now)


def _notice(row: Row) -> Notice:
    values = {("key" if name == "idempotency_key" else name): value for name, value in row.items()}
    return Notice(**{**values, "status": NoticeStatus(row["status"])})
