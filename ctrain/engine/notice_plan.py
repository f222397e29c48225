"""What one channel is told next: grouping, repeat suppression and backoff, as pure functions of notices.

As in Prometheus's Alertmanager, a first notice waits for others that belong into the same message
(``group_wait``), messages keep a distance (``group_interval``), and what was told is not told again
before the ``repeat_interval``. Unlike alerts, events do not end: something else about the same matter
does, and after it the first thing is news again.

What was sent once goes out as the same message again, under the same key, until the channel has it:
a receiver can tell that it knows it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Delivery, NoticeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctrain.domain import Channel, Notice

FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=1)
MAX_ATTEMPTS = 30
GIVE_UP_AFTER = timedelta(days=1)
LONGEST_RETRY_AFTER = timedelta(hours=6)
LOOK_AGAIN = timedelta(seconds=5)
"""At a channel to which a message is under way."""
LARGEST_MESSAGE = 200
"""Notices that one message stands for; more make another one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the pending notices of a channel."""

    send: tuple[Notice, ...] = ()
    """One message; empty: nothing is due."""
    message_key: str = ""
    suppress: tuple[Notice, ...] = ()
    repeated: Mapping[str, int] = field(default_factory=dict)
    """How often each fingerprint of the message was not told since it was told last."""
    until: datetime | None = None
    """When to look at the channel again, where nothing is to be done now."""


def plan_message(
    channel: Channel, pending: Sequence[Notice], finished: Sequence[Notice], now: datetime
) -> Plan:
    """Return what the channel is told at ``now``.

    ``pending`` are in the order of their events, ``finished`` (delivered and suppressed) newest first.
    """
    claims = [one.claimed_until for one in pending if one.claimed_until is not None]
    if any(claim > now for claim in claims):
        return Plan(until=min(max(claims), now + LOOK_AGAIN))
    begun = next((one.message_key for one in pending if one.message_key is not None), None)
    if begun is not None:
        return _again(begun, pending, finished, now)
    due = _due_at(channel, pending, finished)
    if due is None or now < due:
        return Plan(until=due)
    return _first_time(channel, pending[:LARGEST_MESSAGE], finished, now)


def _due_at(channel: Channel, fresh: Sequence[Notice], finished: Sequence[Notice]) -> datetime | None:
    """When a message about them may go out: after the wait, and at a distance from the last one."""
    if not fresh:
        return None
    told = [one.finished_at for one in _told(finished) if one.finished_at is not None]
    waited = min(one.waiting_since for one in fresh) + channel.group_wait
    return max([waited, *(at + channel.group_interval for at in told)])


def _again(begun: str, pending: Sequence[Notice], finished: Sequence[Notice], now: datetime) -> Plan:
    """The message that a channel has not taken yet; what came after it waits its turn."""
    same = tuple(one for one in pending if one.message_key == begun)
    due = max(one.next_attempt_at for one in same)
    if now < due:
        return Plan(until=due)
    return Plan(send=same, message_key=begun, repeated=_repeated(same, (), finished))


def _first_time(channel: Channel, fresh: Sequence[Notice], finished: Sequence[Notice], now: datetime) -> Plan:
    last_told = {one.subject: (one.fingerprint, one.finished_at) for one in reversed(_told(finished))}
    send, suppress = [], []
    for one in fresh:
        fingerprint, at = last_told.get(one.subject, ("", None))
        if fingerprint == one.fingerprint and at is not None and now - at < channel.repeat_interval:
            suppress.append(one)
        else:
            send.append(one)
            last_told[one.subject] = (one.fingerprint, now)
    key = message_key(send) if send else ""
    return Plan(tuple(send), key, tuple(suppress), _repeated(send, suppress, finished))


def message_key(notices: Sequence[Notice]) -> str:
    """Return the key of a message; no two messages begin with the same notice."""
    return "msg_" + hashlib.sha256(notices[0].key.encode()).hexdigest()[:32]


def next_attempt(message: str, attempts: int, delivery: Delivery, now: datetime) -> datetime | None:
    """Return when to try again after the ``attempts``-th failure; None: never.

    The delay doubles; a part of it that follows from the key of the message keeps those that failed
    together from coming together again. A receiver's own wish counts where it is later.
    """
    if not delivery.again or attempts >= MAX_ATTEMPTS:
        return None
    longest = min(FIRST_DELAY * (1 << min(attempts - 1, 20)), LONGEST_DELAY)
    digest = hashlib.sha256(f"{message}:{attempts}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    wished = min(delivery.retry_after or timedelta(0), LONGEST_RETRY_AFTER)
    return now + max(longest * (0.5 + 0.5 * share), wished)


def _repeated(
    send: Iterable[Notice], suppress: Iterable[Notice], finished: Sequence[Notice]
) -> dict[str, int]:
    """How often the same was suppressed since it was told last, by fingerprint."""
    counts = Counter(one.fingerprint for one in suppress)
    for fingerprint in {one.fingerprint for one in send}:
        for one in finished:
            if one.fingerprint != fingerprint:
                continue
            if one.status is NoticeStatus.DELIVERED:
                break
            counts[fingerprint] += 1
    wanted = {one.fingerprint for one in send}
    return {fingerprint: count for fingerprint, count in counts.items() if fingerprint in wanted}


def _told(finished: Sequence[Notice]) -> list[Notice]:
    return [one for one in finished if one.status is NoticeStatus.DELIVERED]
