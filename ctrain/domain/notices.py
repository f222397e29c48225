"""What is to be told to whom, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ctrain.domain.names import Json, PolicyName


class NoticeStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    """The same was told a short while ago."""
    DEAD = "dead"
    """Nobody tries any more, until a person asks for it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event that one channel is to be told of."""

    policy: PolicyName
    channel: str
    kind: str
    """The word of ``notify[].on``."""
    subject: str
    """The matter, within the channel."""
    fingerprint: str
    """Equal for notices that say the same of the matter."""
    key: str
    """The same whenever it is sent again, for the receiver to tell."""
    payload: Json
    """What there is to say; stands alone when the event is gone."""
    waiting_since: datetime
    next_attempt_at: datetime
    id: int = 0
    status: NoticeStatus = NoticeStatus.PENDING
    attempts: int = 0
    message_key: str | None = None
    """The message that it was first sent with: it goes out with the same ones again."""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    finished_at: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages of a policy go; it shows no secret of its own."""

    policy: PolicyName
    name: str
    kinds: frozenset[str]
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    group_wait: timedelta = timedelta(0)
    group_interval: timedelta = timedelta(0)
    repeat_interval: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Message:
    """Notices of one policy that go to one channel together."""

    key: str
    policy: PolicyName
    channel: str
    notices: tuple[Notice, ...]
    sent_at: datetime
    repeated: Json = field(default_factory=dict)
    """How often each fingerprint was not told, because the same had been."""
    test: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a channel answered: done, or worth another attempt, or neither."""

    done: bool
    detail: str
    """For people; holds no secret."""
    again: bool = False
    retry_after: timedelta | None = None
    """What the receiver asked for."""
