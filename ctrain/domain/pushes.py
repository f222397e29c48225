"""Batches of rows or labels that were sent to a policy, and what is asked of all daemons at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PushKind(StrEnum):
    """What a batch holds."""

    ROWS = "rows"
    LABELS = "labels"


@dataclass(frozen=True, slots=True)
class PushedBatch:
    """A batch that was read: what is kept of it, so that it does not count again."""

    id: str
    """As the sender called it."""
    digest: str
    """Of what was sent: the same id with another one is a mistake."""
    rows: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reload:
    """A reading of all policy files that a person asked for."""

    number: int
    actor: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What came of a reload with one daemon."""

    daemon: str
    succeeded: bool
    message: str
    """What is wrong with the files, where something is."""
    at: datetime
