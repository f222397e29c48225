"""What the store keeps of rows, observations and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ctrain.domain import (
    Decision,
    IngestState,
    Json,
    MonitorName,
    PolicyName,
    RunId,
    Segment,
    SegmentKind,
    TriggerName,
    TriggerState,
    Verdict,
    Version,
)


class IngestTables(Protocol):
    def ingest_state(self, policy: PolicyName) -> IngestState: ...

    def save_ingest_state(self, policy: PolicyName, state: IngestState) -> None: ...

    def add_segments(self, segments: Iterable[Segment]) -> None: ...

    def remove_segments(self, policy: PolicyName, ids: Iterable[str]) -> None: ...

    def segments(self, policy: PolicyName, kind: SegmentKind | None = None) -> list[Segment]: ...


class ObservationTables(Protocol):
    """Pane profiles, references, detector states: keyed by model version and grid."""

    def save_pane(
        self, policy: PolicyName, grid: str, start: datetime, profile: bytes, rows: int, level: int = 0
    ) -> None:
        """Keep the profile of 2^level panes."""

    def save_panes(self, policy: PolicyName, panes: Sequence[tuple[str, datetime, int, bytes, int]]) -> None:
        """Keep profiles of panes, each by grid, start and level, with its rows."""

    def panes(
        self, policy: PolicyName, grid: str, start: datetime, end: datetime, level: int = 0
    ) -> dict[datetime, bytes]:
        """Profiles of a level that start in ``[start, end)``, by their start."""

    def pane_rows(self, policy: PolicyName, grid: str, start: datetime, end: datetime) -> dict[datetime, int]:
        """Rows of the panes that start in ``[start, end)``, by their start."""

    def drop_panes(self, policy: PolicyName, before: datetime) -> int: ...

    def save_arrivals(self, policy: PolicyName, counts: Mapping[datetime, Json]) -> None:
        """Replace what is known of how the rows of panes arrived: repeated ids, values of a wrong type..."""

    def arrivals(self, policy: PolicyName, start: datetime, end: datetime) -> dict[datetime, Json]: ...

    def drop_arrivals(self, policy: PolicyName, before: datetime) -> int: ...

    def save_reference(self, policy: PolicyName, version: Version, grid: str, reference: bytes) -> None: ...

    def reference(self, policy: PolicyName, version: Version) -> tuple[str, bytes] | None:
        """Grid name and serialised reference of a version."""

    def save_detector(
        self, policy: PolicyName, monitor: MonitorName, version: Version, state: Json
    ) -> None: ...

    def detector(self, policy: PolicyName, monitor: MonitorName, version: Version) -> Json | None: ...

    def record_verdict(self, policy: PolicyName, policy_hash: str, verdict: Verdict) -> None:
        """Keep one row per (policy, monitor, as_of); the same pane again changes nothing."""

    def record_verdicts(self, policy: PolicyName, policy_hash: str, verdicts: Sequence[Verdict]) -> None:
        """Keep all of them, as ``record_verdict`` keeps one."""

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

    def last_occurrence_by(
        self, policy: PolicyName, trigger: TriggerName, now: datetime
    ) -> datetime | None: ...
