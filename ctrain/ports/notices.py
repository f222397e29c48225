"""The outbox, and whoever carries messages to the channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from ctrain.domain import Channel, Delivery, Message, Notice, NoticeStatus, PolicyName


class OutboxTables(Protocol):
    def add_notice(self, notice: Notice, event_id: int = 0) -> bool:
        """False when a notice with its key is there; 0: it tells of no event of the history."""

    def newest_notices(self, policy: PolicyName, channel: str, kinds: Iterable[str]) -> dict[str, Notice]:
        """The newest of these kinds by subject, whatever became of it."""

    def due_channels(self, now: datetime) -> list[tuple[PolicyName, str]]:
        """Policies and channels with a pending notice whose time has come and that nobody has claimed."""

    def pending_notices(self, policy: PolicyName, channel: str, limit: int = 1000) -> list[Notice]:
        """In the order of their events."""

    def finished_notices(self, policy: PolicyName, channel: str, limit: int = 500) -> list[Notice]:
        """Delivered and suppressed, newest event first; beyond the limit the last told of each subject."""

    def claim_notices(
        self, ids: Iterable[int], message_key: str, holder: str, now: datetime, until: datetime
    ) -> None:
        """Take all of them until then, each attempted once more; raises StateConflict, and takes none,
        when somebody else has taken one.
        """

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

    def suppress_notices(self, ids: Iterable[int], now: datetime) -> None: ...

    def postpone_notices(self, policy: PolicyName, channel: str, until: datetime) -> None:
        """Look at none of the pending ones before ``until``."""

    def bury_notices(self, ids: Iterable[int], now: datetime, error: str) -> None:
        """Nobody tries them any more."""

    def bury_old_notices(self, before: datetime, now: datetime, error: str) -> Mapping[PolicyName, int]:
        """Bury those that have waited since before ``before``; return how many by policy."""

    def revive_notices(self, policy: PolicyName | None, now: datetime) -> int:
        """Make dead ones pending again, as if they were new; return how many."""

    def notice_counts(
        self, policy: PolicyName | None = None
    ) -> Mapping[PolicyName, Mapping[NoticeStatus, int]]:
        """Pending and dead ones, by policy that has any; of all policies, or of one."""

    def troubled_notices(self, policy: PolicyName, limit: int = 5) -> list[Notice]:
        """Dead ones and pending ones that failed, newest first."""

    def drop_notices(self, finished_before: datetime) -> int:
        """Delete what was finished before; return how many."""


class Notifier(Protocol):
    def send(self, channel: Channel, message: Message) -> Delivery:
        """What became of it; takes a bounded time and never raises."""
