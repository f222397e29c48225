"""A store that tells: what a tick writes is also written to the outbox of the policy's channels.

The steps of a tick know nothing of channels, and what they write cannot be told before it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from ctrain.domain import Channel, Decision, Event, Notice, Outcome, PolicyName, RunId, Verdict
from ctrain.engine.news import decision_news, verdict_news
from ctrain.engine.notices import kind_of, notices_of
from ctrain.policy.notify_kinds import BREACHED, RECOVERED, SUPPRESSED

if TYPE_CHECKING:
    from ctrain.ports import Store, Transaction

Present = Callable[["Transaction"], datetime]
"""Real time, as a transaction knows it."""


def database_time(tx: Transaction) -> datetime:
    """Return the present by the clock of the database: hosts may be wrong by minutes."""
    return tx.database_now()


class NoticedStore:
    """A ``Store`` whose events are also written to the outbox of the channels of one policy."""

    def __init__(
        self, store: Store, channels: tuple[Channel, ...], model: str, present: Present = database_time
    ) -> None:
        self._store = store
        self._channels = channels
        self._model = model
        self._present = present

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction of the store, in which an event that is appended writes its notices."""
        with self._store.write() as tx:
            yield cast("Transaction", _Noticing(tx, self._channels, self._model, self._present))

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A view of the store."""
        with self._store.read() as tx:
            yield tx


class _Noticing:
    """A transaction that also writes what is to be told."""

    def __init__(self, tx: Transaction, channels: tuple[Channel, ...], model: str, present: Present) -> None:
        self._tx = tx
        self._channels = channels
        self._model = model
        self._present = present

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def append_event(self, event: Event) -> int:
        """Append the event and a notice for every channel that wants to know of it."""
        event_id = self._tx.append_event(event)
        if kind_of(event) is not None:
            now = self._present(self._tx)
            for notice in notices_of(event, event_id, self._channels, self._model, now):
                self._tx.add_notice(notice, event_id)
        return event_id

    def record_verdict(self, policy: PolicyName, policy_hash: str, verdict: Verdict) -> None:
        """Keep the verdict, and tell of a monitor that is BREACHED or OK again."""
        self._tx.record_verdict(policy, policy_hash, verdict)
        self._tell_verdicts(policy, policy_hash, [verdict])

    def record_verdicts(self, policy: PolicyName, policy_hash: str, verdicts: Sequence[Verdict]) -> None:
        """Keep all of them, as ``record_verdict`` keeps one."""
        self._tx.record_verdicts(policy, policy_hash, verdicts)
        self._tell_verdicts(policy, policy_hash, verdicts)

    def record_decision(
        self,
        policy: PolicyName,
        policy_hash: str,
        decision: Decision,
        at: datetime,
        run_id: RunId | None = None,
    ) -> None:
        """Keep the decision, and tell of a trigger that something holds back."""
        self._tx.record_decision(policy, policy_hash, decision, at, run_id)
        if decision.outcome is not Outcome.SUPPRESSED:
            return
        for channel in self._wanting(SUPPRESSED):
            known = self._tx.newest_notices(policy, channel.name, [SUPPRESSED])
            self._add(
                decision_news(channel, self._model, policy_hash, decision, known, at, self._present(self._tx))
            )

    def _tell_verdicts(self, policy: PolicyName, policy_hash: str, verdicts: Sequence[Verdict]) -> None:
        for channel in self._wanting(BREACHED):
            known = self._tx.newest_notices(policy, channel.name, [BREACHED, RECOVERED])
            self._add(
                verdict_news(channel, self._model, policy_hash, verdicts, known, self._present(self._tx))
            )

    def _wanting(self, kind: str) -> list[Channel]:
        return [one for one in self._channels if kind in one.kinds]

    def _add(self, notices: list[Notice]) -> None:
        for notice in notices:
            self._tx.add_notice(notice)
