"""Delivering what the outbox holds: claim a message, send it, put on record what became of it.

Between claim and record lies the channel, which may take its time: no transaction is open meanwhile.
A crash there leaves the claim to run out, and the same message is sent again, under the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Channel, Delivery, Message, Notice, NoticeStatus, Phase, PolicyName
from ctrain.domain.leases import policy_lease
from ctrain.engine.notice_plan import GIVE_UP_AFTER, next_attempt, plan_message
from ctrain.engine.noticed_store import Present, database_time
from ctrain.engine.reminders import AWAITING_APPROVAL, approval_reminder
from ctrain.errors import StateConflict

if TYPE_CHECKING:
    from ctrain.engine.notice_plan import Plan
    from ctrain.ports import Notifier, Store, Telemetry, Transaction

CLAIM = timedelta(minutes=2)
"""How long a message is ours; every channel takes less than that."""
KEPT = timedelta(days=45)
"""Delivered and dead ones are kept that long: longer than any repeat interval."""
GIVEN_UP = "not delivered within a day"
MOVED = "another daemon watches the policy by now, and sends it"
SHOWN = (NoticeStatus.PENDING, NoticeStatus.DEAD)


class ChannelBook:
    """The channels of the policies that this daemon watches; a policy that is gone keeps its last ones.

    Its end is an event, too, and is still to be told. One that moves to another daemon is forgotten: there
    its channels may be others by now.
    """

    def __init__(self) -> None:
        self._channels: dict[PolicyName, Mapping[str, Channel]] = {}

    def take(self, policy: PolicyName, channels: Collection[Channel]) -> None:
        """From now on these are the policy's channels."""
        if channels or policy in self._channels:
            self._channels[policy] = {one.name: one for one in channels}

    def forget(self, policy: PolicyName) -> None:
        """Another daemon speaks for the policy."""
        self._channels.pop(policy, None)

    def knows(self, policy: PolicyName) -> bool:
        return policy in self._channels

    def find(self, policy: PolicyName, name: str) -> Channel | None:
        return self._channels.get(policy, {}).get(name)

    def wanting(self, policy: PolicyName, kind: str) -> list[Channel]:
        """The policy's channels that are told of this kind."""
        return [one for one in self._channels.get(policy, {}).values() if kind in one.kinds]

    def policies(self) -> list[PolicyName]:
        """Those that have had a channel."""
        return sorted(self._channels)


@dataclass(frozen=True, slots=True)
class Courier:
    """Carries messages from the outbox to the channels; every method may be called on any thread."""

    store: Store
    notifier: Notifier
    book: ChannelBook
    telemetry: Telemetry
    holder: str
    """Names this daemon in its claims."""
    watched: Callable[[], Container[PolicyName]]
    """Policies that have metrics here; a policy that is gone may still have something to say."""
    present: Present = database_time
    daemon: str = ""
    """Holds the leases of the policies that are watched here."""

    def claim_due(self, limit: int) -> list[Message]:
        """Claim up to ``limit`` messages that are due, each for another channel."""
        if limit < 1 or not self.book.policies():
            return []
        due = self._due()
        claimed: list[Message] = []
        for policy, name in due:
            if len(claimed) < limit:
                message = self._claim(policy, name)
                claimed += [message] if message is not None else []
        return claimed

    def _due(self) -> list[tuple[PolicyName, str]]:
        """Policies and channels that are due and that this daemon speaks for; all leases are read at once.

        When the registry goes away every policy has something to tell.
        """
        with self.store.read() as tx:
            due = [one for one in tx.due_channels(self.present(tx)) if self.book.knows(one[0])]
            held = tx.live_leases(tx.database_now()) if due else []
        holders = {one.name: one.holder for one in held}
        return [one for one in due if holders.get(policy_lease(one[0])) in {None, self.daemon}]

    def deliver(self, message: Message) -> Delivery:
        """Send a message that was claimed, and put on record what became of it.

        When its policy has moved meanwhile, the claim is left to run out.
        """
        if not self.book.knows(message.policy):
            return Delivery(False, MOVED, again=True)
        channel = self.book.find(message.policy, message.channel)
        if channel is None:
            delivery = Delivery(False, f"the policy has no channel {message.channel} any more")
        else:
            delivery = self.notifier.send(channel, message)
        self._settle(message, delivery)
        return delivery

    def tidy(self) -> None:
        """Give up what is too old, forget what was finished long ago, and show what is left."""
        with self.store.write() as tx:
            now = self.present(tx)
            buried = tx.bury_old_notices(now - GIVE_UP_AFTER, now, GIVEN_UP)
            tx.drop_notices(now - KEPT)
        for policy, number in buried.items():
            self._count(policy, "dead", number)
            self.telemetry.log("notification_failed", policy=policy, notices=number, message=GIVEN_UP)
        self.measure()

    def remind(self) -> None:
        """Tell again of promotions that wait for a person."""
        watched = self.watched()
        for policy in self.book.policies():
            channels = self.book.wanting(policy, AWAITING_APPROVAL)
            if not channels or policy not in watched:
                continue
            with self.store.read() as tx:
                due = self._reminders(tx, policy, channels)
            if due:
                with self.store.write() as tx:  # looked at again: it may have been answered
                    for notice in self._reminders(tx, policy, channels):
                        tx.add_notice(notice)

    def _reminders(self, tx: Transaction, policy: PolicyName, channels: list[Channel]) -> list[Notice]:
        run = tx.active_run(policy)
        if run is None or run.phase is not Phase.AWAITING_APPROVAL or not self._speaks_for(tx, policy):
            return []
        now = self.present(tx)
        reminders = [
            approval_reminder(
                one, run, tx.newest_notices(policy, one.name, [AWAITING_APPROVAL]).values(), now
            )
            for one in channels
        ]
        return [one for one in reminders if one is not None]

    def measure(self) -> None:
        """Set the gauges of what waits and what is dead."""
        watched = self.watched()
        policies = [one for one in self.book.policies() if one in watched]
        if not policies:
            return
        with self.store.read() as tx:
            counts = tx.notice_counts()
        for policy in policies:
            for status in SHOWN:
                number = counts.get(policy, {}).get(status, 0)
                self.telemetry.gauge("notifications_open", number, policy=policy, status=status.value)

    def _speaks_for(self, tx: Transaction, policy: PolicyName) -> bool:
        """True for a policy that is watched here, and for one that was the last time anybody watched it."""
        if not self.book.knows(policy):
            return False
        return tx.lease_holder(policy_lease(policy), tx.database_now()) in {None, self.daemon}

    def _claim(self, policy: PolicyName, name: str) -> Message | None:
        """The message that is due on a channel, ours from now on; None when there is none, or it is lost."""
        try:
            with self.store.write() as tx:
                if not self._speaks_for(tx, policy):
                    return None
                channel, now = self.book.find(policy, name), self.present(tx)
                pending = tx.pending_notices(policy, name)
                if channel is None:
                    self._bury(tx, policy, name, pending, now)
                    return None
                plan = plan_message(channel, pending, tx.finished_notices(policy, name), now)
                self._apply(tx, policy, name, plan, now)
        except StateConflict:
            return None
        if plan.suppress:
            self._count(policy, "suppressed", len(plan.suppress))
        if not plan.send:
            return None
        claimed = tuple(replace(one, attempts=one.attempts + 1) for one in plan.send)
        return Message(plan.message_key, policy, name, claimed, now, plan.repeated)

    def _apply(self, tx: Transaction, policy: PolicyName, name: str, plan: Plan, now: datetime) -> None:
        if plan.suppress:
            tx.suppress_notices([one.id for one in plan.suppress], now)
        if plan.until is not None:
            tx.postpone_notices(policy, name, plan.until)
        if plan.send:
            ids = [one.id for one in plan.send]
            tx.claim_notices(ids, plan.message_key, self.holder, now, now + CLAIM)

    def _bury(
        self, tx: Transaction, policy: PolicyName, name: str, pending: list[Notice], now: datetime
    ) -> None:
        error = f"the policy has no channel {name} any more"
        tx.bury_notices([one.id for one in pending], now, error)
        self._count(policy, "dead", len(pending))
        self.telemetry.log("notification_failed", policy=policy, channel=name, message=error)

    def _settle(self, message: Message, delivery: Delivery) -> None:
        attempts = max(one.attempts for one in message.notices)
        with self.store.write() as tx:
            now = self.present(tx)
            again = None if delivery.done else next_attempt(message.key, attempts, delivery, now)
            status, outcome = _fate(delivery, again)
            error = "" if delivery.done else delivery.detail
            settled = tx.settle_notices(
                message.key, self.holder, status, now, error=error, next_attempt_at=again
            )
        if not settled:
            self.telemetry.log("notification_claim_lost", policy=message.policy, channel=message.channel)
            return
        self._count(message.policy, outcome, len(message.notices))
        event = "notification_sent" if delivery.done else "notification_failed"
        self.telemetry.log(
            event,
            policy=message.policy,
            channel=message.channel,
            notices=len(message.notices),
            attempts=attempts,
            message=delivery.detail,
        )

    def _count(self, policy: PolicyName, outcome: str, number: int) -> None:
        if policy in self.watched():
            self.telemetry.count("notifications_total", number, policy=policy, outcome=outcome)


def _fate(delivery: Delivery, again: datetime | None) -> tuple[NoticeStatus, str]:
    """What becomes of notices, and how the metric calls it."""
    if delivery.done:
        return NoticeStatus.DELIVERED, "delivered"
    return (NoticeStatus.PENDING, "retried") if again is not None else (NoticeStatus.DEAD, "dead")
