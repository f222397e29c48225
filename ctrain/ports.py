"""What the engine needs from the world: small Protocols, one per room of the shell.

``Clock`` tells the time that policies mean (windows, cron, cooldown, maturity) and follows the
stream in the demo and the backtest; ``Timer`` tells real time (timeouts, retry backoff, leases).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ctrain.domain import (
    AliasIntent,
    Champion,
    Decision,
    Event,
    Ingested,
    IngestState,
    JobStatus,
    Json,
    ModelVersion,
    MonitorName,
    Phase,
    PolicyName,
    PolicyRecord,
    Request,
    Run,
    RunId,
    ScoreJob,
    ScoreStatus,
    Segment,
    SegmentKind,
    SourceRead,
    TrainingJob,
    TriggerName,
    TriggerState,
    Verdict,
    Version,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ctrain.policy.models import DataSpec, Policy


class Clock(Protocol):
    def now(self) -> datetime:
        """The present as policies mean it, timezone-aware UTC."""


class Timer(Protocol):
    def now(self) -> datetime:
        """Real time, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, for timeouts inside one process."""


class Source(Protocol):
    """Rows from outside, read once from a durable cursor."""

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        """Return up to about ``limit_rows`` rows after ``cursor``; ``{}`` is the beginning."""


class RowLog(Protocol):
    """Our own copy of the rows of one policy.

    ``write_rows`` and ``write_labels`` put segments on disk; nobody sees them until the store has
    committed them and ``adopt`` was called. Opened from the committed manifest, so a crash between
    the two leaves orphan files that ``sweep`` removes.
    """

    def write_rows(self, read: SourceRead, state: IngestState, now: datetime) -> Ingested:
        """Normalise, set aside what cannot be used, drop repeated ids, write segments by date."""

    def write_labels(self, read: SourceRead, state: IngestState, now: datetime) -> Ingested:
        """Write labels beside their rows by date; labels without a row wait in ``pending``."""

    def write_scores(self, version: Version, scores: pa.Table, sequence: int) -> Ingested:
        """Write the sidecar of one version's scores: columns row_id, event_at, score."""

    def adopt(self, ingested: Ingested) -> None:
        """Make committed segments visible to reads."""

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        scores_of: Sequence[Version] = (),
        include_late: bool = True,
    ) -> pa.Table:
        """Return rows with ``start <= event_at < end`` in (event_at, row_id) order.

        Columns: ``row_id`` string, ``event_at`` timestamp[us, UTC], ``late`` bool, ``prediction``,
        ``model_version`` string, every feature (numeric as float64, categorical as string),
        ``label`` (float64 for binary and regression, string for multiclass; latest correction;
        null when absent), and ``score:VERSION`` per version asked for.
        """

    def sweep(self) -> int:
        """Delete files that no manifest row names; return how many."""

    def retire(self, before: datetime) -> Sequence[Segment]:
        """Return the segments that lie wholly before ``before``, for removal from the manifest."""

    def delete(self, segments: Iterable[Segment]) -> None:
        """Delete the files of segments that the manifest no longer names."""


class Registry(Protocol):
    """The model registry. Every call may raise TransientError when it cannot be reached."""

    def alias(self, model: str, alias: str) -> Version | None:
        """The version that the alias names, or None when there is no such alias (or model)."""

    def set_alias(self, model: str, alias: str, version: Version) -> None: ...

    def delete_alias(self, model: str, alias: str) -> None: ...

    def version(self, model: str, version: Version) -> ModelVersion: ...

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:
        """The version registered by this run of ctrain (tag ``ctrain.run_id``), if any."""

    def digest(self, model: str, version: Version) -> str:
        """SHA-256 over the artifact as it lies in the registry now."""

    def annotate_run(
        self,
        mlflow_run_id: str,
        *,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        artifacts: Mapping[str, str] | None = None,
        status: str | None = None,
    ) -> None:
        """Add to an MLflow run; ``artifacts`` maps file names to text; ``status`` ends the run."""

    def annotate_version(
        self, model: str, version: Version, *, tags: Mapping[str, str], description: str | None = None
    ) -> None: ...


class Launcher(Protocol):
    """Runs training somewhere. Idempotent by run id and attempt; survives the daemon."""

    def start(self, job: TrainingJob) -> None:
        """Start the job unless it runs or has ended already."""

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus: ...

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        """Kill the job and its children; nothing to do when it is gone."""


class Workspace(Protocol):
    """Files of runs and of scoring jobs: tables that children read and write."""

    def folder(self, run_id: RunId, attempt: int) -> str:
        """Absolute folder of one attempt of a run's training, created when absent."""

    def write(self, owner: str, name: str, table: pa.Table) -> str:
        """Write a Parquet file atomically under ``owner`` (a run id or a job); return its path."""

    def path(self, owner: str, name: str) -> str: ...

    def read(self, path: str) -> pa.Table | None:
        """The table, or None when the file is not there."""

    def place(self, path: str, folder: str, name: str) -> None:
        """Make the file at ``path`` available as ``folder/name`` without copying where possible."""

    def remove(self, owner: str) -> None:
        """Delete what lies under ``owner``."""


class Scorer(Protocol):
    """Scores rows with model versions in warm child processes; never blocks."""

    def submit(self, job: ScoreJob) -> None:
        """Queue the job unless its key is known already."""

    def poll(self, key: str) -> ScoreStatus: ...

    def forget(self, key: str) -> None:
        """Drop what is known of a finished job, so that it may be submitted again."""


class Telemetry(Protocol):
    """Counters and gauges of design section 8, plus the structured log."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def remove_policy(self, policy: str) -> None:
        """Forget every series of a policy that is gone or no longer ours."""

    def log(self, event: str, **fields: object) -> None: ...


class IngestTables(Protocol):
    def ingest_state(self, policy: PolicyName) -> IngestState: ...

    def save_ingest_state(self, policy: PolicyName, state: IngestState) -> None: ...

    def add_segments(self, segments: Iterable[Segment]) -> None: ...

    def remove_segments(self, policy: PolicyName, ids: Iterable[str]) -> None: ...

    def segments(self, policy: PolicyName, kind: SegmentKind | None = None) -> list[Segment]: ...


class ObservationTables(Protocol):
    """Pane profiles, references, detector states: keyed by model version and grid."""

    def save_pane(
        self, policy: PolicyName, grid: str, start: datetime, profile: bytes, rows: int
    ) -> None: ...

    def panes(self, policy: PolicyName, grid: str, start: datetime, end: datetime) -> dict[datetime, bytes]:
        """Profiles of panes that start in ``[start, end)``, by their start."""

    def drop_panes(self, policy: PolicyName, before: datetime) -> int: ...

    def prune(self, policy: PolicyName, before: datetime) -> Mapping[str, int]:
        """Delete verdicts and comparison points older than ``before``; return rows deleted by table.

        The newest verdict of a monitor and the points of a run that has not ended are kept.
        """

    def save_reference(self, policy: PolicyName, version: Version, grid: str, reference: bytes) -> None: ...

    def reference(self, policy: PolicyName, version: Version) -> tuple[str, bytes] | None:
        """Grid name and serialised reference of a version."""

    def save_detector(
        self, policy: PolicyName, monitor: MonitorName, version: Version, state: Json
    ) -> None: ...

    def detector(self, policy: PolicyName, monitor: MonitorName, version: Version) -> Json | None: ...

    def record_verdict(self, policy: PolicyName, policy_hash: str, verdict: Verdict) -> None:
        """Keep one row per (policy, monitor, as_of); the same pane again changes nothing."""

    def latest_verdicts(self, policy: PolicyName) -> list[Verdict]: ...

    def verdicts(
        self, policy: PolicyName, monitor: MonitorName | None = None, limit: int = 100
    ) -> list[Verdict]:
        """Newest first."""

    def trigger_state(self, policy: PolicyName, trigger: TriggerName) -> TriggerState: ...

    def save_trigger_state(self, policy: PolicyName, state: TriggerState) -> None: ...


class DecisionTables(Protocol):
    def record_decision(
        self,
        policy: PolicyName,
        policy_hash: str,
        decision: Decision,
        at: datetime,
        run_id: RunId | None = None,
    ) -> None:
        """A new row when outcome, suppression or policy hash changes; else seen_count + 1."""

    def decisions(
        self, policy: PolicyName, limit: int = 50
    ) -> list[tuple[Decision, datetime, datetime, int]]:
        """Newest first: decision, first seen at, last seen at, seen count."""

    def claim_occurrence(self, policy: PolicyName, trigger: TriggerName, at: datetime) -> bool:
        """True for the one caller that gets this occurrence of a schedule."""

    def last_occurrence(self, policy: PolicyName, trigger: TriggerName) -> datetime | None: ...


class RunTables(Protocol):
    def create_run(self, run: Run) -> None:
        """Raises StateConflict when the policy has an active run."""

    def run(self, run_id: RunId) -> Run | None: ...

    def active_run(self, policy: PolicyName) -> Run | None: ...

    def runs(self, policy: PolicyName | None = None, limit: int = 50) -> list[Run]:
        """Newest first."""

    def save_run(self, run: Run, *, expected: Phase) -> None:
        """Write all fields of ``run`` if it stands in ``expected``; else StateConflict."""

    def add_comparison_point(self, run_id: RunId, phase: Phase, at: datetime, point: Json) -> None: ...

    def comparison_points(self, run_id: RunId) -> list[tuple[Phase, datetime, Json]]: ...


class PolicyTables(Protocol):
    def save_policy(
        self, policy: PolicyName, policy_hash: str, path: str, identity: Json, now: datetime
    ) -> None:
        """Register or refresh a policy; raises StateConflict when its identity changed."""

    def policies(self) -> list[PolicyName]: ...

    def policy_record(self, policy: PolicyName) -> PolicyRecord | None: ...

    def set_paused(self, policy: PolicyName, paused: bool) -> None: ...

    def paused(self, policy: PolicyName) -> bool: ...

    def champion(self, policy: PolicyName) -> Champion | None:
        """The champion as last seen or set by ctrain; the registry is the truth."""

    def save_champion(self, policy: PolicyName, champion: Champion | None) -> None: ...

    def append_event(self, event: Event) -> None: ...

    def events(
        self, policy: PolicyName | None = None, run_id: RunId | None = None, limit: int = 100
    ) -> list[Event]:
        """Newest first."""

    def record_intent(self, intent: AliasIntent) -> None: ...

    def open_intent(self, policy: PolicyName) -> AliasIntent | None: ...

    def close_intent(self, intent_id: str, outcome: str) -> None: ...

    def intents(self, policy: PolicyName, limit: int = 50) -> list[AliasIntent]: ...

    def add_request(self, request: Request) -> int: ...

    def open_requests(self, policy: PolicyName) -> list[Request]: ...

    def request(self, request_id: int) -> Request | None: ...

    def answer_request(self, request_id: int, answer: str) -> None: ...


class LeaseTables(Protocol):
    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> int | None:
        """Fencing token when the lease is ours now (kept or taken), None while another holds it."""

    def release_lease(self, name: str, holder: str) -> None: ...

    def lease_holder(self, name: str, now: datetime) -> str | None: ...

    def require_token(self, name: str, token: int) -> None:
        """Raise StateConflict unless ``token`` is the lease's newest and the lease was not given back.

        Called inside every write transaction of a daemon: one that was overtaken commits nothing.
        """


class Transaction(
    IngestTables, ObservationTables, DecisionTables, RunTables, PolicyTables, LeaseTables, Protocol
):
    """One database transaction: everything in it is committed together, or nothing."""


class Store(Protocol):
    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that begins with the write lock held; commits on a clean exit."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent view; writes in it are refused."""


class RowLogs(Protocol):
    def open(self, policy: PolicyName, data: DataSpec, task: str) -> RowLog:
        """The row log of a policy, from the committed manifest."""


class Sources(Protocol):
    def open_rows(self, policy: Policy, folder: Path) -> Source:
        """``folder`` is where the policy's relative paths start."""

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        """None when labels come in the same table as the rows, or never."""
