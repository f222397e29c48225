"""Which verdicts and decisions are news to a channel: they come again and again, mostly with the same to say.

A channel is told when a monitor becomes BREACHED, again every repeat interval while it stays so, and when
it is OK again; and when a trigger is held back for another reason than the last that was told.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ctrain.domain import Channel, Decision, Notice, Status, Verdict
from ctrain.policy.notify_kinds import BREACHED, MONITOR, RECOVERED, SUPPRESSED, TRIGGER

OLDEST_NEWS = timedelta(days=14)
"""What a backlog says of panes before that is history, and told nobody."""
LONGEST_TEXT = 1000


def verdict_news(
    channel: Channel,
    model: str,
    policy_hash: str,
    verdicts: Sequence[Verdict],
    known: Mapping[str, Notice],
    now: datetime,
) -> list[Notice]:
    """Return what a channel is told of new verdicts; ``known`` is what it was told last, by subject.

    INCONCLUSIVE changes nothing: the monitor does not know.
    """
    told = {subject: (one.kind, one.waiting_since) for subject, one in known.items()}
    news = []
    for verdict in sorted(verdicts, key=lambda one: one.as_of):
        subject = f"{MONITOR} {verdict.monitor}"
        kind = _kind(verdict, told.get(subject), channel, now)
        if kind is None:
            continue
        told[subject] = (kind, now)
        payload = _verdict_payload(verdict, model, policy_hash)
        news.append(_notice(channel, kind, subject, payload, now))
    return [one for one in news if one.kind in channel.kinds]


def decision_news(
    channel: Channel,
    model: str,
    policy_hash: str,
    decision: Decision,
    known: Mapping[str, Notice],
    at: datetime,
    now: datetime,
) -> list[Notice]:
    """Return what a channel is told of a suppressed trigger; ``known`` is what it was told last."""
    subject = f"{TRIGGER} {decision.trigger}"
    reason = str(decision.suppression)
    last = known.get(subject)
    same = last is not None and last.payload.get("reason") == reason
    if last is not None and same and now - last.waiting_since < channel.repeat_interval:
        return []
    payload = {
        "event": "decision",
        "at": at.isoformat(),
        "actor": "ctrain",
        "message": f"{decision.trigger}: {decision.reason}"[:LONGEST_TEXT],
        "run": None,
        "policy_hash": policy_hash,
        "model": model,
        "trigger": decision.trigger,
        "reason": reason,
    }
    return [_notice(channel, SUPPRESSED, subject, payload, now)]


def _kind(verdict: Verdict, told: tuple[str, datetime] | None, channel: Channel, now: datetime) -> str | None:
    if now - verdict.as_of > OLDEST_NEWS:
        return None
    under_way = told is not None and told[0] == BREACHED
    if verdict.status is Status.BREACHED:
        lasts = told is not None and under_way and now - told[1] < channel.repeat_interval
        return None if lasts else BREACHED
    return RECOVERED if under_way and verdict.status is Status.OK else None


def _verdict_payload(verdict: Verdict, model: str, policy_hash: str) -> dict[str, Any]:
    return {
        "event": "verdict",
        "at": verdict.as_of.isoformat(),
        "actor": "ctrain",
        "message": f"{verdict.monitor}: {verdict.reason}"[:LONGEST_TEXT],
        "run": None,
        "policy_hash": policy_hash,
        "model": model,
        "monitor": verdict.monitor,
        "value": _number(verdict.value),
        "threshold": _number(verdict.threshold),
        "n": verdict.n,
    }


def _number(value: float | None) -> float | None:
    """JSON has no word for NaN and the infinities."""
    return value if value is not None and math.isfinite(value) else None


def _notice(channel: Channel, kind: str, subject: str, payload: dict[str, Any], now: datetime) -> Notice:
    text = "\n".join((channel.policy, channel.name, subject, kind, payload["at"]))
    return Notice(
        policy=channel.policy,
        channel=channel.name,
        kind=kind,
        subject=subject,
        fingerprint=f"{kind} {subject} {payload['at']}",
        key=hashlib.sha256(text.encode()).hexdigest(),
        payload=payload,
        waiting_since=now,
        next_attempt_at=now + channel.group_wait,
    )
