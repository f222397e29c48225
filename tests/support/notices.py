"""Notices and channels with defaults for what a test does not care about, and a channel that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ctrain.domain import Channel, Delivery, Event, Message, Notice, PolicyName

START = datetime(2026, 1, 1, tzinfo=UTC)
CLICKS = PolicyName("clicks")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def channel(**changes: Any) -> Channel:
    values: dict[str, Any] = {
        "policy": CLICKS,
        "name": "1",
        "kinds": frozenset({"failed", "promoted"}),
        "url": "https://chat.example/hook",
        "group_wait": timedelta(seconds=30),
        "group_interval": timedelta(minutes=5),
        "repeat_interval": timedelta(hours=4),
    }
    return Channel(**{**values, **changes})


def notice(number: int = 1, **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "id": number,
        "policy": CLICKS,
        "channel": "1",
        "kind": "promoted",
        "subject": f"promoted #{number}",
        "fingerprint": f"promoted #{number}",
        "key": f"key-{number}",
        "payload": {"message": f"version {number} is the champion", "actor": "ctrain", "model": "clicks"},
        "waiting_since": START,
        "next_attempt_at": START,
    }
    return Notice(**{**values, **changes})


def event(kind: str = "promoted", message: str = "version 2 is the champion", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "policy": CLICKS,
        "kind": kind,
        "at": START,
        "actor": "ctrain",
        "message": message,
    }
    return Event(**{**values, **changes})


@dataclass
class SetTimer:
    """Real time that a test moves."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class FakeNotifier:
    """Answers what ``answers`` holds, then that it is done; remembers what it was given."""

    answers: list[Delivery] = field(default_factory=list)
    sent: list[tuple[Channel, Message]] = field(default_factory=list)

    def send(self, channel: Channel, message: Message) -> Delivery:
        self.sent.append((channel, message))
        return self.answers.pop(0) if self.answers else Delivery(True, "answered 200")
