"""Tables of what a policy has seen: rows, panes, references, detectors, verdicts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from ctrain.domain import SegmentKind, Status
from ctrain.store.columns import ExactFloat
from ctrain.store.schema.base import (
    count_column,
    instant_column,
    json_column,
    metadata,
    numbered_column,
    one_of,
    text_column,
)

policies = Table(
    "policies",
    metadata,
    text_column("name", key=True),
    text_column("policy_hash"),
    text_column("path"),
    json_column("identity"),
    Column("paused", Boolean, nullable=False),
    instant_column("registered_at"),
    instant_column("updated_at"),
    text_column("main_monitor", nullable=True),
    Column("verdict_sequence", BigInteger, nullable=False, server_default="0"),
    instant_column("removed_at", nullable=True),
)

champions = Table(
    "champions",
    metadata,
    text_column("policy", key=True),
    text_column("version"),
    instant_column("since_at"),
    text_column("origin"),
    instant_column("cut_off_at", nullable=True),
)

ingest_states = Table(
    "ingest_states",
    metadata,
    text_column("policy", key=True),
    json_column("rows_cursor"),
    json_column("labels_cursor"),
    instant_column("watermark", nullable=True),
    instant_column("newest_event_at", nullable=True),
    instant_column("next_pane_at", nullable=True),
    count_column("sequence"),
    count_column("rows_total"),
    count_column("late_total"),
    count_column("duplicates_total"),
    count_column("labels_total"),
    json_column("rejected_total"),
    instant_column("last_arrival_at", nullable=True),
)

segments = Table(
    "segments",
    metadata,
    text_column("policy", key=True),
    text_column("id", key=True),
    text_column("kind"),
    text_column("event_date"),
    text_column("path"),
    count_column("rows"),
    count_column("bytes"),
    count_column("sequence"),
    text_column("model_version", nullable=True),
    CheckConstraint(one_of("kind", SegmentKind), name="kind"),
    UniqueConstraint("policy", "path"),
)

panes = Table(
    "pane_profiles",
    metadata,
    text_column("policy", key=True),
    text_column("grid", key=True),
    count_column("level", key=True),
    instant_column("start", key=True),
    Column("profile", LargeBinary, nullable=False),
    count_column("rows"),
)

arrivals = Table(
    "pane_arrivals",
    metadata,
    text_column("policy", key=True),
    instant_column("start", key=True),
    json_column("counts"),
)

reference_profiles = Table(
    "reference_profiles",
    metadata,
    numbered_column(),
    text_column("policy"),
    text_column("version"),
    text_column("grid"),
    Column("reference", LargeBinary, nullable=False),
    UniqueConstraint("policy", "version", "grid"),
    sqlite_autoincrement=True,
)

detectors = Table(
    "detectors",
    metadata,
    text_column("policy", key=True),
    text_column("monitor", key=True),
    text_column("version", key=True),
    json_column("state"),
)

verdicts = Table(
    "verdicts",
    metadata,
    text_column("policy", key=True),
    text_column("monitor", key=True),
    instant_column("as_of", key=True),
    text_column("policy_hash"),
    text_column("status"),
    Column("value", ExactFloat),
    Column("threshold", ExactFloat),
    count_column("n"),
    text_column("reason"),
    json_column("features"),
    text_column("model_version", nullable=True),
    CheckConstraint(one_of("status", Status), name="status"),
    Index(None, "policy", "as_of"),
)

trigger_states = Table(
    "trigger_states",
    metadata,
    text_column("policy", key=True),
    text_column("trigger", key=True),
    instant_column("met_since", nullable=True),
    instant_column("as_of", nullable=True),
    instant_column("last_met_at", nullable=True),
)
