"""What came of looking at triggers, and what a trigger remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ctrain.domain.names import Json, TriggerName


class Outcome(StrEnum):
    """What came of looking at a trigger."""

    FIRED = "fired"
    SUPPRESSED = "suppressed"
    NOT_MET = "not_met"


class Suppression(StrEnum):
    """Why a trigger whose condition held did not start a run."""

    ACTIVE_RUN = "active_run"
    PAUSED = "paused"
    COOLDOWN = "cooldown"
    BACKOFF = "backoff"
    BUDGET = "budget"
    BLACKOUT = "blackout"
    NEW_LABELS = "new_labels"
    INSUFFICIENT_DATA = "insufficient_data"
    CHAMPION_UNREADABLE = "champion_unreadable"
    MISSED = "missed_occurrence"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a trigger starts a run, and why; also recorded when it does not."""

    trigger: TriggerName
    outcome: Outcome
    reason: str
    suppression: Suppression | None = None
    occurrence_at: datetime | None = None
    evidence: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Since when a trigger's condition has held without a break, in event time."""

    trigger: TriggerName
    met_since: datetime | None = None
    as_of: datetime | None = None
    last_met_at: datetime | None = None
    """Last pane at which the condition, its ``for`` included, was met: ``hold`` counts from it."""
