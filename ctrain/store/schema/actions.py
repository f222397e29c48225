"""Tables of what was done: runs, decisions, the audited history, intents, requests, leases."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, text

from ctrain.domain import ENDED, NoticeStatus, Outcome, Phase, RequestKind
from ctrain.store.columns import RowNumber, Words
from ctrain.store.schema.base import (
    count_column,
    instant_column,
    json_column,
    metadata,
    numbered_column,
    one_of,
    text_column,
)

ACTIVE = one_of("phase", (phase for phase in Phase if phase not in ENDED))

runs = Table(
    "runs",
    metadata,
    numbered_column("number"),
    Column("id", Words, nullable=False, unique=True),
    text_column("policy"),
    text_column("phase"),
    text_column("trigger"),
    text_column("reason"),
    text_column("actor"),
    text_column("policy_hash"),
    text_column("policy_text"),
    text_column("policy_path"),
    instant_column("created_at"),
    instant_column("phase_since"),
    text_column("champion_version", nullable=True),
    text_column("challenger_version", nullable=True),
    text_column("mlflow_run_id", nullable=True),
    instant_column("ended_at", nullable=True),
    text_column("outcome_reason"),
    json_column("details"),
    CheckConstraint(one_of("phase", Phase), name="phase"),
    Index(None, "policy", "number"),
    Index("uq_runs_active", "policy", unique=True, sqlite_where=text(ACTIVE), postgresql_where=text(ACTIVE)),
    sqlite_autoincrement=True,
)

phase_moves = Table(
    "phase_moves", metadata, text_column("from_phase", key=True), text_column("to_phase", key=True)
)

comparison_points = Table(
    "comparison_points",
    metadata,
    numbered_column(),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    text_column("phase"),
    instant_column("at"),
    json_column("point"),
    CheckConstraint(one_of("phase", Phase), name="phase"),
    Index(None, "run_id", "id"),
)

decisions = Table(
    "decisions",
    metadata,
    numbered_column(),
    text_column("policy"),
    text_column("trigger"),
    text_column("policy_hash"),
    text_column("outcome"),
    text_column("suppression", nullable=True),
    instant_column("occurrence_at", nullable=True),
    text_column("first_reason"),
    json_column("first_evidence"),
    text_column("reason"),
    json_column("evidence"),
    text_column("run_id", nullable=True),
    instant_column("first_seen_at"),
    instant_column("last_seen_at"),
    count_column("seen_count"),
    CheckConstraint(one_of("outcome", Outcome), name="outcome"),
    Index(None, "policy", "trigger", "id"),
    Index(None, "policy", "last_seen_at"),
    sqlite_autoincrement=True,
)

occurrences = Table(
    "occurrences",
    metadata,
    text_column("policy", key=True),
    text_column("trigger", key=True),
    instant_column("at", key=True),
)

TROUBLE_PAIRS = (
    ("registry_unreadable", "registry_readable"),
    ("tick_failed", "tick_recovered"),
    ("policy_refused", "policy_accepted"),
)
"""Kinds of events with which troubles begin and end."""
TROUBLES = one_of("kind", (kind for pair in TROUBLE_PAIRS for kind in pair))
events = Table(
    "events",
    metadata,
    numbered_column(),
    text_column("policy"),
    text_column("kind"),
    instant_column("at"),
    text_column("actor"),
    text_column("message"),
    text_column("run_id", nullable=True),
    text_column("policy_hash"),
    json_column("evidence"),
    Column("prev_hash", Words, nullable=False, unique=True),
    Column("hash", Words, nullable=False, unique=True),
    Index(None, "policy", "id"),
    Index(None, "run_id", "id"),
    Index(
        "ix_events_troubles",
        "policy",
        "kind",
        "id",
        sqlite_where=text(TROUBLES),
        postgresql_where=text(TROUBLES),
    ),
    sqlite_autoincrement=True,
)

OPEN_INTENT = "outcome = ''"
alias_intents = Table(
    "alias_intents",
    metadata,
    numbered_column("number"),
    Column("id", Words, nullable=False, unique=True),
    text_column("policy"),
    text_column("model"),
    text_column("kind"),
    text_column("expected_champion", nullable=True),
    text_column("expected_previous", nullable=True),
    text_column("new_champion"),
    text_column("new_previous", nullable=True),
    count_column("fencing_token"),
    instant_column("created_at"),
    text_column("run_id", nullable=True),
    text_column("actor"),
    text_column("outcome"),
    Column("closing_token", BigInteger, nullable=True),
    CheckConstraint(one_of("kind", ("promotion", "rollback", "adoption")), name="kind"),
    CheckConstraint(one_of("outcome", ("", "done", "superseded", "reverted")), name="outcome"),
    Index(None, "policy", "number"),
    Index(
        "uq_alias_intents_open",
        "policy",
        unique=True,
        sqlite_where=text(OPEN_INTENT),
        postgresql_where=text(OPEN_INTENT),
    ),
    sqlite_autoincrement=True,
)

requests = Table(
    "requests",
    metadata,
    numbered_column(),
    text_column("policy"),
    text_column("kind"),
    text_column("actor"),
    instant_column("created_at"),
    json_column("arguments"),
    text_column("answer"),
    CheckConstraint(one_of("kind", RequestKind), name="kind"),
    Index(None, "policy", "answer"),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    text_column("name", key=True),
    text_column("holder", nullable=True),
    count_column("token"),
    instant_column("heartbeat_at"),
    instant_column("expires_at"),
)

homes = Table("homes", metadata, text_column("id", key=True), text_column("path"), instant_column("since"))
"""One row: the home whose files belong to this database."""

outbox = Table(
    "outbox",
    metadata,
    numbered_column(),
    Column("event_id", RowNumber, nullable=False),
    text_column("policy"),
    text_column("channel"),
    text_column("kind"),
    text_column("subject"),
    text_column("fingerprint"),
    json_column("payload"),
    Column("idempotency_key", Words, nullable=False, unique=True),
    text_column("status"),
    instant_column("waiting_since"),
    instant_column("next_attempt_at"),
    Column("attempts", Integer, nullable=False),
    text_column("message_key", nullable=True),
    text_column("claimed_by", nullable=True),
    instant_column("claimed_until", nullable=True),
    instant_column("finished_at", nullable=True),
    text_column("last_error"),
    CheckConstraint(one_of("status", NoticeStatus), name="status"),
    Index(None, "status", "next_attempt_at"),
    Index(None, "policy", "channel", "id"),
    sqlite_autoincrement=True,
)
"""``event_id`` refers to nothing: an event may be forgotten before everybody was told of it."""
