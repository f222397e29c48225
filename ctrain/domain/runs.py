"""Runs, their phases, and the history and requests around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ctrain.domain.names import Json, PolicyName, RunId, TriggerName, Version


class Phase(StrEnum):
    """Where a run stands; the legal moves are in ``ctrain.lifecycle.transitions``."""

    QUEUED = "QUEUED"
    TRAINING = "TRAINING"
    EVALUATING = "EVALUATING"
    SHADOWING = "SHADOWING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PROMOTING = "PROMOTING"
    PROBATION = "PROBATION"
    ROLLING_BACK = "ROLLING_BACK"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    ROLLED_BACK = "ROLLED_BACK"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"

    @property
    def ended(self) -> bool:
        """True when nothing more happens to the run (ROLLBACK_FAILED is retried, so it has not)."""
        return self in ENDED


ENDED = frozenset(
    {
        Phase.ACCEPTED,
        Phase.REJECTED,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.EXPIRED,
        Phase.SUPERSEDED,
        Phase.ROLLED_BACK,
    }
)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open interval of event time ``[start, end)``."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Run:
    """One retraining, from the trigger to its end.

    ``details`` holds what each phase found out, by phase name in lower case
    (``training``, ``evaluation``, ``shadow``, ``approval``, ``promotion``, ``probation``).
    """

    id: RunId
    policy: PolicyName
    phase: Phase
    trigger: TriggerName
    reason: str
    actor: str
    policy_hash: str
    policy_text: str
    policy_path: str
    created_at: datetime
    phase_since: datetime
    champion_version: Version | None = None
    challenger_version: Version | None = None
    mlflow_run_id: str | None = None
    ended_at: datetime | None = None
    outcome_reason: str = ""
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the append-only history of a policy."""

    policy: PolicyName
    kind: str
    at: datetime
    actor: str
    message: str
    run_id: RunId | None = None
    policy_hash: str = ""
    evidence: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """What is known of a policy that a daemon has watched."""

    name: PolicyName
    policy_hash: str
    path: str
    """The file it was read from last."""
    registered_at: datetime
    """When it was watched for the first time: the schedules that it had then count from here."""
    removed_at: datetime | None = None
    """Since when it has no file; None while it has one, as far as daemons know."""


class RequestKind(StrEnum):
    """What a person may ask of a daemon through the database."""

    TRIGGER = "trigger"
    CANCEL = "cancel"
    ROLLBACK = "rollback"
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Request:
    """A person's wish, durable until the daemon has answered it."""

    id: int
    policy: PolicyName
    kind: RequestKind
    actor: str
    created_at: datetime
    arguments: Json = field(default_factory=dict)
    answer: str = ""
    """Empty while open."""
