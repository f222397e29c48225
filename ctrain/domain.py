"""The words of ctrain as frozen value types; see the vocabulary in the README.

Instants are timezone-aware UTC ``datetime`` and end in ``_at``; durations are ``timedelta``.
Nothing here does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NewType

if TYPE_CHECKING:
    import pyarrow as pa

PolicyName = NewType("PolicyName", str)
RunId = NewType("RunId", str)
MonitorName = NewType("MonitorName", str)
TriggerName = NewType("TriggerName", str)
Version = NewType("Version", str)
"""Version of a registered model, as MLflow writes it: ``"1"``, ``"2"``..."""

Json = Mapping[str, Any]
"""A JSON object: evidence and details that are stored and shown, never interpreted by type."""


class Task(StrEnum):
    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Status(StrEnum):
    """What a monitor says of its windows."""

    OK = "OK"
    BREACHED = "BREACHED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One column's part in a verdict; ``effect`` and ``threshold`` are on the test's own scale."""

    column: str
    test: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    threshold: float
    breached: bool
    n: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A monitor's answer as of the end of a closed pane."""

    monitor: MonitorName
    as_of: datetime
    status: Status
    value: float | None
    threshold: float | None
    n: int
    reason: str
    features: tuple[FeatureVerdict, ...] = ()
    model_version: Version | None = None


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
    (``training``, ``evaluation``, ``shadow``, ``promotion``, ``probation``).
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
class ModelVersion:
    """A version in the registry. ``source`` loads it; ``tags`` are ctrain's and other people's."""

    model: str
    version: Version
    source: str
    mlflow_run_id: str | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """SHA-256 of the artifact when it was registered by ctrain."""
        return self.tags.get("ctrain.digest")


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that the champion alias names, and since when production serves it."""

    version: Version
    since_at: datetime
    origin: Literal["promoted", "rolled_back", "adopted", "external", "first"]
    cut_off_at: datetime | None = None
    """No row with an event time at or after this instant was seen in training; None: unknown."""


class SegmentKind(StrEnum):
    ROWS = "rows"
    LABELS = "labels"
    SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Segment:
    """An immutable Parquet file of the row log, visible once its manifest row is committed."""

    id: str
    policy: PolicyName
    kind: SegmentKind
    event_date: str
    """ISO date (UTC) of every row in it; ``"pending"`` for labels whose row has not arrived."""
    path: str
    """Relative to the row log's folder."""
    rows: int
    bytes: int
    sequence: int
    """Order of commit: a later label replaces an earlier one."""
    model_version: Version | None = None
    """For scores: the version that gave them."""


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A source file that was set aside whole; it is read again if its content changes."""

    path: str
    reason: str
    """Short and bounded, for a metric label: ``truncated``, ``missing_column``..."""
    message: str
    """For a person: file, column or row, and what to do."""


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Rows of one file as the source found them, before any renaming or casting."""

    table: pa.Table
    path: str
    first_row: int


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What lies after a cursor; ``cursor`` is what to commit together with the rows."""

    batches: tuple[SourceBatch, ...]
    cursor: Json
    rejected: tuple[RejectedFile, ...] = ()
    notes: tuple[str, ...] = ()
    more: bool = False
    """True when a limit ended the read: call again with the new cursor."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one read: segments on disk (not yet visible) and counts."""

    segments: tuple[Segment, ...]
    replaced: tuple[str, ...] = ()
    """Ids of segments that the new ones supersede (pending labels that found their row)."""
    accepted: int = 0
    late: int = 0
    duplicates: int = 0
    labels: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows set aside, by reason."""
    newest_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IngestState:
    """All that ingest remembers of one policy, committed with the segments it describes."""

    rows_cursor: Json = field(default_factory=dict)
    labels_cursor: Json = field(default_factory=dict)
    watermark: datetime | None = None
    """Greatest event time seen (never beyond now) minus ``allowed_lateness``."""
    newest_event_at: datetime | None = None
    next_pane_at: datetime | None = None
    """Start of the earliest pane that has not been observed."""
    sequence: int = 0
    rows_total: int = 0
    late_total: int = 0
    duplicates_total: int = 0
    labels_total: int = 0
    rejected_total: Mapping[str, int] = field(default_factory=dict)
    last_arrival_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """What is known of a policy that a daemon has watched."""

    name: PolicyName
    policy_hash: str
    path: str
    """The file it was read from last."""
    registered_at: datetime
    """When it was watched for the first time: schedules count from here."""


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Since when a trigger's condition has held without a break, in event time."""

    trigger: TriggerName
    met_since: datetime | None = None
    as_of: datetime | None = None
    last_met_at: datetime | None = None
    """Last pane at which the condition, its ``for`` included, was met: ``hold`` counts from it."""


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
class AliasIntent:
    """The plan of an alias move, on record before the registry is touched."""

    id: str
    policy: PolicyName
    model: str
    kind: Literal["promotion", "rollback", "adoption"]
    expected_champion: Version | None
    expected_previous: Version | None
    new_champion: Version
    new_previous: Version | None
    fencing_token: int
    created_at: datetime
    run_id: RunId | None = None
    actor: str = "ctrain"
    outcome: str = ""
    """Empty while open; then ``done``, ``superseded`` or ``reverted``."""


class RequestKind(StrEnum):
    """What a person may ask of a daemon through the database."""

    TRIGGER = "trigger"
    CANCEL = "cancel"
    ROLLBACK = "rollback"


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


class JobState(StrEnum):
    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    """The process is gone and left no result: killed from outside, or the machine went down."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything a training child needs; ``folder`` holds its input, log and result."""

    run_id: RunId
    attempt: int
    folder: str
    """Absolute; ``rows.parquet`` lies there, ``result.json`` and ``train.log`` will."""
    entrypoint: str
    """``module:function`` in a file beside the policy."""
    code_folder: str
    python: str
    timeout: timedelta
    memory_limit_bytes: int
    context: TrainingContext
    registration: Json
    """Model name, experiment, tags, data set name and description for MLflow."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    state: JobState
    message: str = ""
    result: Json = field(default_factory=dict)
    """Of a job that succeeded: ``mlflow_run_id``, ``version``, ``digest``, ``train_seconds``."""


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Score the rows of one Parquet file with one model version in a child process.

    The output has the columns ``row_id`` and ``score``: for a binary task the probability of the
    positive class (the label 0/1 itself where the model gives only classes), for multiclass a
    list of class probabilities, for regression the value. ``null`` where a row cannot be cast.
    """

    key: str
    """Names the work: the same key is never computed twice at once."""
    version: ModelVersion
    rows_path: str
    output_path: str
    features: tuple[str, ...]
    task: Task
    output: Literal["auto", "probability", "class", "value"]
    python: str
    digest: str | None = None
    """Checked before the model is loaded, when given."""


@dataclass(frozen=True, slots=True)
class ScoreStatus:
    state: Literal["absent", "running", "done", "failed"]
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a training function is told besides its rows.

    ``features`` is ``{"numeric": [...], "categorical": [...]}``; ``params`` are free-form values
    from the policy's ``train.params``; ``window`` is the event time that the rows span.
    """

    policy: str
    run_id: str
    task: str
    label: str
    features: Mapping[str, tuple[str, ...]]
    window_start: str
    window_end: str
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Numeric features, then categorical ones: the columns the model is fitted on."""
        return (*self.features.get("numeric", ()), *self.features.get("categorical", ()))
