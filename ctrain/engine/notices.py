"""Notices of events: who is told of one, and what."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import Channel, Event, Notice, PolicyName
from ctrain.policy.notify import channel_names
from ctrain.policy.notify_kinds import KIND_OF_EVENT, NOTICE_KINDS

if TYPE_CHECKING:
    from ctrain.policy.models import Policy

TOLD_EVIDENCE = ("version", "previous", "seen", "trigger", "path", "reason", "kind")
"""What of an event's evidence is told; the rest is on record."""
LONGEST_TEXT = 1000
_CHANGING = re.compile(r"\b(?=\d*[a-f])[0-9a-f]{7,}\b|\d+(?:[.:,]\d+)*", re.IGNORECASE)
"""What differs between two messages that say the same: numbers, times, digests."""


def channels_of(policy: Policy) -> tuple[Channel, ...]:
    """Return where the events of a policy are told."""
    return tuple(
        Channel(
            policy=PolicyName(policy.policy),
            name=name,
            kinds=frozenset(one.on),
            url=one.url,
            secret=one.secret,
            group_wait=one.group_wait,
            group_interval=one.group_interval,
            repeat_interval=one.repeat_interval,
        )
        for name, one in zip(channel_names(policy.notify), policy.notify, strict=True)
    )


def kind_of(event: Event) -> str | None:
    """Return the word of ``on`` for an event; None for one that nobody can be told of.

    A run that is superseded says so itself, and the alias move under it says it once more.
    """
    if event.kind == "superseded" and event.run_id is not None:
        return None
    return KIND_OF_EVENT.get(event.kind)


def notices_of(
    event: Event, event_id: int, channels: tuple[Channel, ...], model: str, now: datetime
) -> list[Notice]:
    """Return a notice for each channel that wants to know of the event; ``now`` is real time.

    The key of a notice follows from the event and the channel, so that none is written twice.
    """
    kind = kind_of(event)
    if kind is None:
        return []
    subject = NOTICE_KINDS[kind].subject
    fingerprint = f"{kind}: {said(event)}" if subject else f"{kind} #{event_id}"
    notice = Notice(
        policy=event.policy,
        channel="",
        kind=kind,
        subject=subject or fingerprint,
        fingerprint=fingerprint,
        key="",
        payload=payload_of(event, model),
        waiting_since=now,
        next_attempt_at=now,
    )
    return [
        replace(
            notice,
            channel=channel.name,
            key=_key(event, event_id, channel.name),
            next_attempt_at=now + channel.group_wait,
        )
        for channel in channels
        if kind in channel.kinds and channel.policy == event.policy
    ]


def said(event: Event) -> str:
    """Return what an event says without the numbers, which differ each time the same happens.

    >>> said(Event(PolicyName("p"), "run_failed", datetime.min, "ctrain", "exit 3 after 12.5 s"))
    'exit # after # s'
    """
    return without_numbers(event.message.partition("\n")[0])[:200]


def without_numbers(text: str) -> str:
    """Return the text with a sign in the place of each number, time and digest."""
    return _CHANGING.sub("#", text)


def payload_of(event: Event, model: str) -> dict[str, Any]:
    """Return what there is to tell of an event, apart from the message that it goes out with."""
    return {
        "event": event.kind,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "message": event.message[:LONGEST_TEXT],
        "run": event.run_id,
        "policy_hash": event.policy_hash,
        "model": model,
        **{name: event.evidence[name] for name in TOLD_EVIDENCE if event.evidence.get(name) is not None},
    }


def _key(event: Event, event_id: int, channel: str) -> str:
    text = "\n".join((event.policy, str(event_id), event.kind, event.at.isoformat(), channel))
    return hashlib.sha256(text.encode()).hexdigest()
