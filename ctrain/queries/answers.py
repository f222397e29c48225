"""What the read side answers: frozen values that know how to be JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from ctrain.domain import Json, Phase, RunId, Status, TriggerName, Verdict, Version


class Answer:
    """Base of everything that a query returns."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON: instants in ISO format, durations in seconds."""
        answer: dict[str, Any] = _plain(self)
        return answer


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _ if is_dataclass(value):
            return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        case _:
            return value


@dataclass(frozen=True, slots=True)
class ChampionNow(Answer):
    version: Version
    since_at: datetime
    origin: str
    cut_off_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunNow(Answer):
    """A run in a line."""

    id: RunId
    policy: str
    phase: Phase
    phase_since: datetime
    trigger: TriggerName
    reason: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    champion_version: Version | None
    challenger_version: Version | None
    outcome_reason: str


@dataclass(frozen=True, slots=True)
class DataNow(Answer):
    """What has been read, and until when; ``label_coverage`` is None before the first row."""

    watermark: datetime | None
    newest_event_at: datetime | None
    last_arrival_at: datetime | None
    rows: int
    labels: int
    label_coverage: float | None
    late: int
    duplicates: int
    rejected: Mapping[str, int]
    rejected_files: tuple[str, ...]
    """Messages about the files that were set aside last, newest first."""


@dataclass(frozen=True, slots=True)
class DecisionNow(Answer):
    """The newest decision about a trigger, and since when it stands."""

    trigger: TriggerName
    outcome: str
    suppression: str | None
    reason: str
    since_at: datetime
    last_seen_at: datetime
    seen_count: int
    needs: tuple[str, ...]
    """What would have to be true for it to fire."""
    evidence: Json


@dataclass(frozen=True, slots=True)
class TroubleNow(Answer):
    """What keeps ctrain from its work on a policy since then, and has not ended."""

    kind: str
    """``tick_failed``, ``registry_unreadable``, ``rollback_failed`` or ``policy_refused``."""
    since_at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class PolicyStatus(Answer):
    """Where one policy stands."""

    policy: str
    paused: bool
    champion: ChampionNow | None
    run: RunNow | None
    verdicts: tuple[Verdict, ...]
    data: DataNow
    last_decision: DecisionNow | None
    open_requests: int
    registry_trouble: str | None = None
    """Since when and why the registry cannot be read; None while it answers."""
    alpha_spent: float = 0.0
    """Sum of the alphas of the shadows that began within a year: it bounds the expected number of their
    promotions by evidence that were wrong."""
    shadows: int = 0
    """How many they were."""
    promoted_undecided: int = 0
    """How many of them ended with a promotion by ``on_inconclusive``, which no alpha bounds."""
    models_trained: int = 0
    """By runs that began within a year and are past a promotion or an end."""
    models_promoted: int = 0
    """How many of them were promoted, those that were rolled back included."""
    notices_pending: int = 0
    """Notices of events that channels have still to be told."""
    notices_dead: int = 0
    """Notices that nobody tries to deliver any more."""
    notices_error: str | None = None
    """What went wrong with the newest notice that could not be delivered."""
    holder: str | None = None
    """Who watches it; None while nobody does."""
    troubles: tuple[TroubleNow, ...] = ()
    """All that are under way, that of the registry included; the gravest first."""
    removed_at: datetime | None = None
    """Since when it has no file, and is not to be watched."""

    @property
    def breached(self) -> tuple[str, ...]:
        """Names of the monitors whose last verdict is BREACHED."""
        return tuple(one.monitor for one in self.verdicts if one.status is Status.BREACHED)


@dataclass(frozen=True, slots=True)
class FleetStatus(Answer):
    """Where every policy stands; ``daemon`` is one that lives, None when none runs."""

    now: datetime
    daemon: str | None
    policies: tuple[PolicyStatus, ...]
    daemons: tuple[str, ...] = ()
    """All that live, as holders of their leases."""
    silent: bool = False
    """They live, but their leases have run out: they do not reach the database."""


@dataclass(frozen=True, slots=True)
class PhaseTime(Answer):
    """How long a run was in a phase; ``until_at`` is None while it is there."""

    phase: Phase
    since_at: datetime
    until_at: datetime | None
    reason: str

    @property
    def lasted(self) -> timedelta | None:
        return None if self.until_at is None else self.until_at - self.since_at


@dataclass(frozen=True, slots=True)
class Comparison(Answer):
    """The newest point of a paired comparison; ``mean`` is new minus old, below zero is better."""

    phase: Phase
    looks: int
    as_of: datetime
    point: Json


@dataclass(frozen=True, slots=True)
class AliasMove(Answer):
    kind: str
    created_at: datetime
    expected_champion: Version | None
    new_champion: Version
    new_previous: Version | None
    outcome: str
    """``open`` until it is settled."""


@dataclass(frozen=True, slots=True)
class RunDetail(Answer):
    """Everything on record about one run."""

    run: RunNow
    policy_hash: str
    mlflow_run_id: str | None
    phases: tuple[PhaseTime, ...]
    training: Json
    evaluation: Json
    comparisons: tuple[Comparison, ...]
    alias_moves: tuple[AliasMove, ...]
    probation: Json
    rollback: Json
    approval: Json = field(default_factory=dict)
    """What an approval is bound to, until when it can be given, and what a person answered."""


@dataclass(frozen=True, slots=True)
class LimitsLeft(Answer):
    """What limits still hold back; None where nothing does or no such limit is set."""

    active_run: RunId | None
    paused: bool
    cooldown_until: datetime | None
    backoff_until: datetime | None
    budget_runs_left: int | None
    budget_frees_at: datetime | None
    min_new_labels: int | None
    training_time_left: timedelta | None = None
    training_time_frees_at: datetime | None = None
    """When the budget holds the time of one more training."""
    blackout_until: datetime | None = None
    """When trainings and promotions may begin again."""


@dataclass(frozen=True, slots=True)
class Why(Answer):
    """Why a policy does or does not retrain."""

    policy: str
    now: datetime
    daemon: str | None
    """The one that watches the policy."""
    champion: ChampionNow | None
    decisions: tuple[DecisionNow, ...]
    verdicts: tuple[Verdict, ...]
    limits: LimitsLeft
    notes: tuple[str, ...]
    """What else a person should know: no daemon, no rows for long, files set aside."""
    alpha_spent: float = 0.0
    """Sum of the alphas of the shadows that began within a year."""
    shadows: int = 0
    promoted_undecided: int = 0
    """How many of them ended with a promotion by ``on_inconclusive``, which no alpha bounds."""
