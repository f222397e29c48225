"""The words of ctrain as frozen value types; see the vocabulary in the README.

Instants are timezone-aware UTC ``datetime`` and end in ``_at``; durations are ``timedelta``.
Nothing here does I/O or reads a clock.
"""

from ctrain.domain.analysis import AnalysisJob, AnalysisStatus, ChampionRows
from ctrain.domain.decisions import Decision, Outcome, Suppression, TriggerState
from ctrain.domain.jobs import JobState, JobStatus, ScoreJob, ScoreStatus, TrainingContext, TrainingJob
from ctrain.domain.metrics import MetricQuery, Sample, Series
from ctrain.domain.models import AliasIntent, Champion, ModelVersion
from ctrain.domain.names import (
    NO_VERSION,
    Json,
    MonitorName,
    PolicyName,
    RunId,
    Task,
    TriggerName,
    Version,
)
from ctrain.domain.notices import Channel, Delivery, Message, Notice, NoticeStatus
from ctrain.domain.rows import (
    CLOCK_SKEW,
    FUTURE,
    PENDING,
    Arrived,
    Ingested,
    IngestState,
    RejectedFile,
    RejectedLine,
    Segment,
    SegmentKind,
    SourceBatch,
    SourceRead,
)
from ctrain.domain.runs import ENDED, Event, Phase, PolicyRecord, Request, RequestKind, Run, Window
from ctrain.domain.verdicts import FeatureVerdict, Status, Verdict

__all__ = [
    "CLOCK_SKEW",
    "ENDED",
    "FUTURE",
    "NO_VERSION",
    "PENDING",
    "AliasIntent",
    "AnalysisJob",
    "AnalysisStatus",
    "Arrived",
    "Champion",
    "ChampionRows",
    "Channel",
    "Decision",
    "Delivery",
    "Event",
    "FeatureVerdict",
    "IngestState",
    "Ingested",
    "JobState",
    "JobStatus",
    "Json",
    "Message",
    "MetricQuery",
    "ModelVersion",
    "MonitorName",
    "Notice",
    "NoticeStatus",
    "Outcome",
    "Phase",
    "PolicyName",
    "PolicyRecord",
    "RejectedFile",
    "RejectedLine",
    "Request",
    "RequestKind",
    "Run",
    "RunId",
    "Sample",
    "ScoreJob",
    "ScoreStatus",
    "Segment",
    "SegmentKind",
    "Series",
    "SourceBatch",
    "SourceRead",
    "Status",
    "Suppression",
    "Task",
    "TrainingContext",
    "TrainingJob",
    "TriggerName",
    "TriggerState",
    "Verdict",
    "Version",
    "Window",
]
