"""Reminders: a promotion that waits for a person is told again, until it is answered or expires."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Channel, Notice, Phase, Run
from ctrain.lifecycle.approval import expired
from ctrain.policy.fields import format_duration

if TYPE_CHECKING:
    from ctrain.domain import Json

AWAITING_APPROVAL = "awaiting_approval"
LAST_SHARE = 4
"""A reminder is sent when one part in so many is left of the time in which a person may approve."""


def approval_reminder(channel: Channel, run: Run, told: Iterable[Notice], now: datetime) -> Notice | None:
    """Return what a channel is to be told again of a run that waits for a person; None: nothing now.

    ``told`` is what the channel was told of approvals. It is told again every repeat interval, and once
    more when a quarter of the time until the expiry is left. Whoever looks finds the same notice, by its key.
    """
    approval: Json = run.details.get("approval", {})
    if run.phase is not Phase.AWAITING_APPROVAL or approval.get("approved") or expired(run, now):
        return None
    mine = [one for one in told if one.payload.get("run") == run.id]
    last_at = max((one.waiting_since for one in mine), default=run.phase_since)
    due = _due_at(channel, run, last_at)
    if due is None or now < due:
        return None
    payload = {
        "event": "approval_reminder",
        "at": now.isoformat(),
        "actor": "ctrain",
        "message": _message(run, now),
        "run": run.id,
        "policy_hash": run.policy_hash,
        "model": next((one.payload.get("model", "") for one in mine), ""),
        "version": run.challenger_version,
    }
    words = f"{AWAITING_APPROVAL} {run.id} {due.isoformat()}"
    key = hashlib.sha256("\n".join((run.policy, channel.name, words)).encode()).hexdigest()
    return Notice(
        policy=run.policy,
        channel=channel.name,
        kind=AWAITING_APPROVAL,
        subject=words,
        fingerprint=words,
        key=key,
        payload=payload,
        waiting_since=now,
        next_attempt_at=now + channel.group_wait,
    )


def _due_at(channel: Channel, run: Run, last_at: datetime) -> datetime | None:
    """When it is told again after ``last_at``; None: never."""
    due = [last_at + channel.repeat_interval] if channel.repeat_interval > timedelta(0) else []
    expires_at = _expires_at(run)
    if expires_at is not None:
        last_call = expires_at - (expires_at - run.phase_since) / LAST_SHARE
        due += [last_call] if last_at < last_call else []
    return min(due, default=None)


def _expires_at(run: Run) -> datetime | None:
    text = run.details.get("approval", {}).get("expires_at")
    return datetime.fromisoformat(text) if text is not None else None


def _message(run: Run, now: datetime) -> str:
    waited = format_duration(_whole(now - run.phase_since))
    text = f"version {run.challenger_version} has waited for a person for {waited}: `ctrain approve {run.id}`"
    expires_at = _expires_at(run)
    return (
        text if expires_at is None else f"{text}; it expires in {format_duration(_whole(expires_at - now))}"
    )


def _whole(duration: timedelta) -> timedelta:
    """To the minute, from an hour on; to the second below."""
    unit = timedelta(minutes=1) if duration >= timedelta(hours=1) else timedelta(seconds=1)
    return duration - duration % unit
