"""What is read of many policies at once: a few fields of each, from a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ctrain.domain.decisions import Outcome, Suppression
from ctrain.domain.names import MonitorName, PolicyName, RunId, TriggerName
from ctrain.domain.runs import Phase
from ctrain.domain.verdicts import Status


@dataclass(frozen=True, slots=True)
class PolicyLine:
    name: PolicyName
    paused: bool
    main_monitor: MonitorName | None
    """The monitor that tells best how the model does; None where the policy has none, or was not watched
    since this is kept."""
    newest_event_at: datetime | None
    last_arrival_at: datetime | None
    verdict_sequence: int
    """Another number than at an earlier look: verdicts have come or gone since."""
    removed_at: datetime | None = None
    """Since when it has no file."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """What lists of policies show of an active run."""

    id: RunId
    policy: PolicyName
    phase: Phase
    phase_since: datetime
    outcome_reason: str


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """The newest decision about a trigger whose condition held, and whether it was one of the last look."""

    policy: PolicyName
    trigger: TriggerName
    outcome: Outcome
    suppression: Suppression | None
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    last_look_at: datetime
    """When triggers of the policy were looked at last."""


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """The newest verdict of a monitor."""

    policy: PolicyName
    monitor: MonitorName
    as_of: datetime
    status: Status
    policy_hash: str


@dataclass(frozen=True, slots=True)
class TroubleLine:
    """A trouble that is under way."""

    policy: PolicyName
    kind: str
    at: datetime
    message: str
